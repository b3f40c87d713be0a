"""Of which kind a marked class or function is, where the folder that it lies in does not tell."""

from __future__ import annotations

import ast
from collections.abc import Mapping

KINDS = {
    "loss": "trainables.losses",
    "model": "trainables.models",
    "dataset": "trainables.datasets",
    "protocol": "trainables.protocols",
    "metric": "trainables.metrics",
    "calibrator": "trainables.calibrators",
    "sampler": "trainables.samplers",
    "task": "trainables.tasks",
}
"""Each kind of component, as a mark says it, with the package that has its base class."""

OTHER_BASES = {
    "torch.nn.Module": "model",
    "torch.nn.modules.module.Module": "model",
    # No other component is a function that returns a number.
    "float": "metric",
}


def kind_of(node: ast.ClassDef | ast.FunctionDef, tree: ast.Module) -> str | None:
    """The kind that a class has by its bases, or a function by what it returns; None where these do not tell.

    The base class, or one that it inherits in the same file, comes from `trainables.losses`, say, or is
    torch's `nn.Module`.
    """
    return _of(node, _imported(tree), {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}, ())


def _of(
    node: ast.ClassDef | ast.FunctionDef,
    imported: Mapping[str, str],
    classes: Mapping[str, ast.ClassDef],
    seen: tuple[str, ...],
) -> str | None:
    bases = node.bases if isinstance(node, ast.ClassDef) else [node.returns] if node.returns else []
    for base in bases:
        written = ast.unparse(base)
        if written in classes and written not in seen:
            if found := _of(classes[written], imported, classes, (*seen, written)):
                return found
            continue
        first, dot, rest = written.partition(".")
        name = imported.get(first, first) + dot + rest
        if name in OTHER_BASES:
            return OTHER_BASES[name]
        for kind, package in KINDS.items():
            if name.startswith(f"{package}."):
                return kind
    return None


def _imported(tree: ast.Module) -> dict[str, str]:
    """What each name that a file imports stands for, in full."""
    names = {}
    # Those for annotations alone too.
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Import):
            names.update({alias.asname: alias.name for alias in node.names if alias.asname})
    return names
