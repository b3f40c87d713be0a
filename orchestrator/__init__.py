"""Runs sweeps: the driver on Ray Tune, progress, the command line. Only this package imports Ray."""

import time

STARTED = time.monotonic()
"""Approximate start of this process: this is the first of our modules to load."""
