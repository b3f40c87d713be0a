"""Why a figure is not drawn."""

from __future__ import annotations

from trainables.errors import ConfigurationError


class NothingToDrawError(ConfigurationError):
    """The results lack something that a figure needs. The text names it."""
