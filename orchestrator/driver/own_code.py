"""Location and identity of this code, so that workers run exactly the same code."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import sysconfig
import traceback
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
FLOORS = ("orchestrator", "results", "sweeps", "trainables")


def search_path() -> list[str]:
    """The folders that a worker needs on its path to import this code from the same place as this process."""
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    found = {Path(folder).resolve() for folder in sys.path} - installed
    return [str(SOURCE)] if SOURCE in found else []


def digest() -> str:
    """SHA-256 of all modules of this code.

    Plug-ins do not count: workers get them from the driver. `provided` compares components of other packages.
    """
    found = hashlib.sha256()
    for floor in FLOORS:
        for path in sorted((SOURCE / floor).rglob("*.py")):
            text = path.read_bytes()
            found.update(f"{path.relative_to(SOURCE).as_posix()}\0{len(text)}\0".encode())
            found.update(text)
    return found.hexdigest()


def why(error: ImportError) -> str:
    """One line with the cause of an import error: a missing or broken installation."""
    for floor in FLOORS:
        spec = importlib.util.find_spec(floor)
        for folder in (spec and spec.submodule_search_locations) or ():
            if Path(folder).resolve() != SOURCE / floor:
                return (
                    f"{error}: {folder} hides the package of calibsweep: install "
                    "calibsweep in an environment of its own."
                )
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "<" not in frame.filename]
    return f"{error}, which {frames[-1].filename} imports in line {frames[-1].lineno}."
