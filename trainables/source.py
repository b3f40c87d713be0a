"""Finds the files that a piece of code depends on, by parsing them: ours, plug-ins, and other packages'.

Loads no torch.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from trainables.registry.sources import text_of

ROOT = Path(__file__).parents[1]
PACKAGE = "trainables"

TRAINING = "trainables.training.run"
"""The code that trains every trial, by its task and its sampler."""


@functools.cache
def digest(*module: str) -> str:
    """SHA-256 over the files of modules and of their imports, recursively.

    Only imports from our own packages and from the packages of the modules themselves count.
    """
    sha = hashlib.sha256()
    for name, text in sorted(modules(*module).items()):
        sha.update(f"{name} {hashlib.sha256(text).hexdigest()}\n".encode())
    return sha.hexdigest()


def modules(*module: str) -> dict[str, bytes]:
    """Modules and their recursive imports, from our own and their own packages, with their texts."""
    found: dict[str, bytes] = {}
    waiting = [*module]
    own = {PACKAGE, *(name.partition(".")[0] for name in module)}
    while waiting:
        name = waiting.pop()
        text = None if name in found or name.partition(".")[0] not in own else _text(name)
        if text is not None:
            found[name] = text
            waiting += _imports(text)
    return found


def _text(module: str) -> bytes | None:
    if module.partition(".")[0] != PACKAGE:
        return text_of(module)
    place = ROOT.joinpath(*module.split("."))
    paths = (place.with_suffix(".py"), place / "__init__.py")
    return next((path.read_bytes() for path in paths if path.is_file()), None)


@functools.cache
def _imports(text: bytes) -> tuple[str, ...]:
    """Names that a file imports anywhere, except only for annotations; modules or not."""
    return tuple(_imported(ast.parse(text)))


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
            case ast.stmt() | ast.excepthandler() | ast.match_case():
                # No expression has a statement in it.
                yield from _imported(child)
