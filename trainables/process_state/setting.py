"""One thing that is global in a process: how it is read, and how it is put back."""

from __future__ import annotations

import functools
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

STANDARD = sysconfig.get_path("stdlib")
OURS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Setting:
    """One thing that is global.

    Attributes:
        read: Its value now: something that can be compared, and does not change with it.
        write: Makes it a value that was read. None: it cannot be put back. Where what is read afterwards
            still differs, or an error is raised, it could not be put back either.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object] | None = None


@functools.cache
def is_library(path: str) -> bool:
    """Whether a file or folder is of Python's own or an installed library, and of none of our packages."""
    if OURS in Path(path).parents:
        return False
    installed = "/site-packages" in path or "/dist-packages" in path
    return installed or path.startswith((STANDARD, "<frozen "))


def attribute(owner: Any, path: str, prefix: str = "") -> Setting:
    where, _, name = path.rpartition(".")
    read = attrgetter(path)
    return Setting(prefix + path, lambda: read(owner), lambda value: setattr(_at(owner, where), name, value))


def _at(owner: Any, path: str) -> Any:
    return attrgetter(path)(owner) if path else owner
