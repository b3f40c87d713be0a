"""Who runs it: Ray Tune, progress, the command line. Only this package imports Ray."""

import time

STARTED = time.monotonic()
"""When this process began, as good as: nothing of ours is loaded sooner."""
