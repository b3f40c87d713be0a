"""Sweep files (YAML), and the code that reads, checks and expands them."""
