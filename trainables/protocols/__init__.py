"""Protocols: how each cell of a benchmark was trained, each deviation one named field."""
