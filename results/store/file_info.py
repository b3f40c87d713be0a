"""The listing of a stored file."""

from __future__ import annotations

import re
from dataclasses import dataclass

TEMPORARY = "tmp"
"""The folder of half-written files."""

TEMPORARY_NAME = re.compile(rf"{TEMPORARY}/(probe-)?[0-9a-f]{{32}}")
"""Names of half-written files. Nothing else in their folder is deleted, even behind links."""


@dataclass(frozen=True)
class FileInfo:
    path: str
    size: int
    modified_ns: int
    etag: str = ""

    @property
    def version(self) -> str:
        """Changes with the content: the ETag of an object, else the time of a file's last write."""
        return self.etag or str(self.modified_ns)
