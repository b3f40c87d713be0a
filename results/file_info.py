"""What is known of a stored file without reading it."""

from __future__ import annotations

from dataclasses import dataclass

TEMPORARY = "tmp"
"""The folder of half-written files."""


@dataclass(frozen=True)
class FileInfo:
    path: str
    size: int
    modified_ns: int
