"""Infers the kind of a marked class or function if its folder does not determine it."""

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
"""Each kind of component, as marks spell it, with the package of its base class."""

OTHER_BASES = {
    "torch.nn.Module": "model",
    "torch.nn.modules.module.Module": "model",
    # Metrics are the only components that are functions returning a number.
    "float": "metric",
}


def kind_of(node: ast.ClassDef | ast.FunctionDef, tree: ast.Module) -> str | None:
    """The kind of a class by its bases, or of a function by its return type; None if undetermined.

    The base class, or a base inherited through a class in the same file, comes from `trainables.losses`, say,
    or is torch's `nn.Module`.
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
    """Maps each imported name of a file to its full name."""
    names = {}
    # Including imports for annotations only.
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Import):
            names.update({alias.asname: alias.name for alias in node.names if alias.asname})
    return names
