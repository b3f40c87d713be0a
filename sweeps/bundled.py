"""The sweep files that come with calibsweep."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def bundled_paths() -> dict[str, Path]:
    """The path of each, by its name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
