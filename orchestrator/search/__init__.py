"""Chooses trials by earlier results, with Optuna."""
