"""The sweep files bundled with calibsweep."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def bundled_paths() -> dict[str, Path]:
    """Maps the name of each bundled sweep to its path."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
