"""Clusters: starts them, submits sweeps to them, and estimates the resources of a sweep."""
