"""Runs a sweep on Ray: the code of the driver and of its workers."""
