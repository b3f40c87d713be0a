"""The version of the running code."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

from results.store.provenance import source_commit


@dataclass(frozen=True)
class Version:
    """Attributes:
    number: Of the installed package: made from the last tag when it was built.
    commit: Of the code; '' if unknown.
    """

    number: str
    commit: str


def version() -> Version:
    """The version of the running code."""
    return Version(importlib.metadata.version("calibsweep"), source_commit())
