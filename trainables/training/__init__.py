"""Trains a trial in plain PyTorch."""
