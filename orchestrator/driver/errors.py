"""The errors of the driver that its callers handle."""

from __future__ import annotations

from trainables.errors import CalibsweepError


class StartError(CalibsweepError):
    """Ray, or a worker of it, cannot start: a further attempt would end alike."""
