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


REMEDY = "install calibsweep in an environment of its own."


def check() -> None:
    """Checks that the names of our packages lead to the folders beside this one.

    Raises:
        ImportError: Another package comes first on the import path.
    """
    if hidden := _hidden():
        raise ImportError(hidden)


def _hidden() -> str:
    for floor in FLOORS:
        spec = importlib.util.find_spec(floor)
        for folder in (spec and spec.submodule_search_locations) or ():
            if Path(folder).resolve() != SOURCE / floor:
                return f"{folder} hides the package of calibsweep: {REMEDY}"
    return ""


def why(error: ImportError) -> str:
    """One line with the cause of an import error: a missing or broken installation."""
    if hidden := _hidden():
        return hidden if hidden in str(error) else f"{error}: {hidden}"
    if others := _others():
        return f"{error}: files of {' and '.join(others)} lie in the packages of calibsweep: {REMEDY}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "<" not in frame.filename]
    return f"{error}, which {frames[-1].filename} imports in line {frames[-1].lineno}."


def _others() -> list[str]:
    """Other installed distributions with files in our folders, which may have replaced ours."""
    # Too slow for each start.
    import importlib.metadata

    found = importlib.metadata.packages_distributions()
    names = {name for floor in FLOORS for name in found.get(floor, ())} - {"calibsweep"}
    return sorted(
        name
        for name in names
        if any(
            file.parts[0] in FLOORS and Path(str(file.locate())).resolve().is_relative_to(SOURCE)
            for file in importlib.metadata.files(name) or ()
        )
    )
