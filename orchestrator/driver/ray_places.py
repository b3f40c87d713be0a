"""Where a Ray of our own has its sockets, its logs and its memory: what is given fits, or is said to lack."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from orchestrator.driver.errors import StartError
from orchestrator.driver.scratch import PREFIX

STORE_BYTES = 200 * 2**20
"""Of Ray's object store, through which hardly anything goes here; Ray demands 75 MiB at least."""

LOG_BYTES = 50 * 2**20
"""What Ray's logs may take."""

LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107
"""Bytes of the path of a Unix socket."""

BELOW = f"{PREFIX}abcdefgh/session_2026-12-31_23-59-59_999999_4194304/sockets/plasma_store"
"""The longest path that Ray makes below a temporary folder."""

SHARED_MEMORY = Path("/dev/shm")

COMMON = ("/tmp", "/var/tmp")


def temporary_folder() -> Path:
    """Where the folder of a run comes to lie, with Ray's sockets and logs, and its memory if need be.

    What RAY_TMPDIR and TMPDIR name comes first, but the path of a batch system's may be too long for sockets.

    Raises:
        StartError: There is none that can be written, has room and is short enough.
    """
    lacks_memory = _lacks(SHARED_MEMORY, STORE_BYTES)
    needed = LOG_BYTES + (STORE_BYTES if lacks_memory else 0)
    found = []
    for name in dict.fromkeys([os.environ.get("RAY_TMPDIR"), os.environ.get("TMPDIR"), *COMMON]):
        if name:
            folder = Path(name).absolute()
            lacks = _lacks(folder, needed, BELOW)
            if not lacks:
                return folder
            found.append(f"{folder} {lacks}")
    if lacks_memory:
        found.append(f"{SHARED_MEMORY} {lacks_memory}")
    raise StartError(
        f"Ray cannot start, for want of a temporary folder with {_told(needed)} free: {', '.join(found)}. "
        "Make room, or name another in RAY_TMPDIR."
    )


def memory(folder: Path) -> Path:
    """Where Ray's object store lies: in shared memory, or in the folder of the run if there is too little."""
    return folder if _lacks(SHARED_MEMORY, STORE_BYTES) else SHARED_MEMORY


def _lacks(folder: Path, needed: int, below: str = "") -> str:
    """What a folder lacks to take so many bytes and a socket of that name; '' if it lacks nothing."""
    if below and len(os.fsencode(folder / below)) > LONGEST_SOCKET:
        return "is too long a path for sockets"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"written")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    return "" if free >= needed else f"has {_told(free)}"


def _told(number: int) -> str:
    return f"{number / 2**20:.0f} MiB"
