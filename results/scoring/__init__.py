"""Scores of stored predictions, and of anyone's logits."""
