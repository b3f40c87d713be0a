"""What is known of a stored file without reading it."""

from __future__ import annotations

import re
from dataclasses import dataclass

TEMPORARY = "tmp"
"""The folder of half-written files."""

TEMPORARY_NAME = re.compile(rf"{TEMPORARY}/(probe-)?[0-9a-f]{{32}}")
"""How they are called. Nothing else is deleted there, wherever a link may lead."""


@dataclass(frozen=True)
class FileInfo:
    path: str
    size: int
    modified_ns: int
    etag: str = ""

    @property
    def version(self) -> str:
        """Another one means other content: the ETag of an object, else when a file was written."""
        return self.etag or str(self.modified_ns)
