"""Clusters: starting them, submitting to them, what a sweep takes of them."""
