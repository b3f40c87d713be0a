"""Chooses folders for the sockets, logs and object store of a local Ray, and checks that they fit."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from orchestrator.driver.errors import StartError
from orchestrator.driver.scratch import PREFIX

STORE_BYTES = 200 * 2**20
"""Size of Ray's object store, which we hardly use. Ray demands at least 75 MiB."""

LOG_BYTES = 50 * 2**20
"""Space for Ray's logs."""

LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107
"""Longest path of a Unix socket, in bytes."""

BELOW = f"{PREFIX}abcdefgh/session_2026-12-31_23-59-59_999999_4194304/sockets/plasma_store"
"""The longest path that Ray creates in the temporary folder."""

SHARED_MEMORY = Path("/dev/shm")

COMMON = ("/tmp", "/var/tmp")


def temporary_folder() -> Path:
    """Chooses the parent of a run's folder, which holds Ray's sockets and logs, and its memory if necessary.

    RAY_TMPDIR and TMPDIR come first, but a batch system's path may be too long for sockets.

    Raises:
        StartError: No candidate is writable, short enough and has enough space.
    """
    memory_refusal = _refusal(SHARED_MEMORY, STORE_BYTES)
    needed = LOG_BYTES + (STORE_BYTES if memory_refusal else 0)
    found = []
    for name in dict.fromkeys([os.environ.get("RAY_TMPDIR"), os.environ.get("TMPDIR"), *COMMON]):
        if name:
            folder = Path(name).absolute()
            refusal = _refusal(folder, needed, BELOW)
            if not refusal:
                return folder
            found.append(f"{folder} {refusal}")
    if memory_refusal:
        found.append(f"{SHARED_MEMORY} {memory_refusal}")
    raise StartError(
        f"Ray cannot start: no temporary folder has {_mebibytes(needed)} free: {', '.join(found)}. "
        "Free some space, or set RAY_TMPDIR to another folder."
    )


def memory(folder: Path) -> Path:
    """The folder for Ray's object store: shared memory, or the run's folder if that is too small."""
    return folder if _refusal(SHARED_MEMORY, STORE_BYTES) else SHARED_MEMORY


def _refusal(folder: Path, needed: int, below: str = "") -> str:
    """The reason why a folder cannot take `needed` bytes and the socket `below`; '' if it can."""
    if below and len(os.fsencode(folder / below)) > LONGEST_SOCKET:
        return "is too long for the path of a socket"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"written")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"is not writable ({error.strerror})"
    return "" if free >= needed else f"has {_mebibytes(free)}"


def _mebibytes(number: int) -> str:
    return f"{number / 2**20:.0f} MiB"
