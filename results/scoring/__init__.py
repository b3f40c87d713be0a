"""Scores of stored predictions, and of any user's logits."""
