"""A global setting of a process, with functions that read and restore it."""

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
    """A global setting.

    Attributes:
        read: Returns the current value, comparable and independent of later changes.
        write: Restores a value; None if that is impossible. It also counts as impossible if `write` raises,
            or the value still differs afterwards.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object] | None = None


@functools.cache
def is_library(path: str) -> bool:
    """Whether a file or folder belongs to Python or an installed library, and not to our packages."""
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
