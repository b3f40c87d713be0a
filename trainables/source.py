"""Which of our files a piece of code hangs on, by reading them. Loads no torch."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "trainables"

TRAINING = "trainables.training.run"
"""What trains every trial, and measures its curves."""


@functools.cache
def digest(module: str) -> str:
    """SHA-256 over the files of a module and of all of ours that it imports, one by another."""
    sha = hashlib.sha256()
    for name, path in sorted(modules(module).items()):
        sha.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return sha.hexdigest()


def modules(module: str) -> dict[str, Path]:
    """A module, and all of ours that it imports, with their files."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = None if name in found else _path(name)
        if path is not None:
            found[name] = path
            waiting += _imports(path)
    return found


def _path(module: str) -> Path | None:
    """The file of one of our modules."""
    if module.partition(".")[0] != PACKAGE:
        return None
    place = ROOT.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


@functools.cache
def _imports(path: Path) -> tuple[str, ...]:
    """Names that a file imports wherever in it, except for the sake of annotations; modules or not."""
    return tuple(_imported(ast.parse(path.read_text(encoding="utf-8"))))


def _imported(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import():
                yield from (alias.name for alias in child.names)
            case ast.ImportFrom(module=str(module)):
                yield module
                yield from (f"{module}.{alias.name}" for alias in child.names)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                for other in child.orelse:
                    yield from _imported(other)
            case _:
                yield from _imported(child)
