"""Runs a sweep: what talks to Ray while trials run, in the driver and in its workers."""
