"""Marks of components, and reading them with `ast` without importing the file."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from trainables.errors import ConfigurationError
from trainables.registry.entries import REQUIRED, Entry, Parameter
from trainables.registry.kinds import KINDS, kind_of
from trainables.registry.sources import SourceFile
from trainables.registry.specs import Spec, read_spec
from trainables.texts import closest, why_no_name

Target = TypeVar("Target")


def register(
    name: str, *, version: int = 1, spec: Mapping[str, Any] | None = None, kind: str = "", **preset: Any
) -> Callable[[Target], Target]:
    """Marks a class or function as a component called `name`.

    A name consists of letters, digits, '_', '-' and '.', like that of a sweep: it becomes part of paths,
    tables and commands.

    Arguments must be literals, since they are read from the source, not run. So must the defaults of
    parameters: those of the function, of the class's `__init__` or of its dataclass fields, or of a base
    class in the same file.

    Marks can be stacked: the one without `preset` parameters names the component itself and carries its
    version and spec; the others add names with fixed parameters. If all have presets, each names a separate
    component.

    Args:
        version: Raise it when a change of the code changes its numbers: finished trials are then run again.
        spec: Facts that must be known without building the component, such as the kind of input of a model:
            the fields of the kind's dataclass in `trainables/registry/specs.py`.
        kind: For files outside calibsweep whose folder and base class do not determine it: 'metric', say.
    """
    return lambda target: target


def entries_of(
    file: SourceFile, kind: str, usual: str | None, spec: type[Spec], context: frozenset[str]
) -> list[Entry[Spec]]:
    """The components of one kind that the marks of a file define.

    Args:
        kind: Its name in messages; without spaces, its name in marks.
        usual: The kind of components that do not state one; None if each has to.
        spec: The dataclass of a component's spec.
        context: Parameters supplied by the code that builds the component.

    Raises:
        ConfigurationError: The file cannot be read, or a mark is wrong.
    """
    path, own = file.path, kind.replace(" ", "")
    try:
        tree = ast.parse(file.text, filename=str(path))
    except (SyntaxError, ValueError) as error:
        # The error for a null byte has no line number.
        reason = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
        raise ConfigurationError(f"{path}, {reason}") from error
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    entries = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        marks = [_mark(call, kind, path) for call in node.decorator_list if _is_mark(call)]
        if not marks or file.attribute not in ("", node.name):
            continue
        inferred = None if usual and not file.origin else kind_of(node, tree)
        if _kind(marks, node, inferred or usual, path) != own:
            continue
        parameters = {
            name: _parameter(annotation, default, path)
            for name, annotation, default in _signature(node, classes, path)
            if name not in context
        }
        plain = next((mark for mark in marks if not mark["preset"]), None)
        docstring = ast.get_docstring(node) or ast.get_docstring(tree) or ""
        for mark in marks:
            for key in mark["preset"]:
                if key not in parameters:
                    raise ConfigurationError(
                        f"{path}, line {node.lineno}: {mark['name']!r} fixes {key!r}, which {node.name} "
                        f"does not take.{closest(key, parameters)}"
                    )
            # A component has one version and one spec, under all its names.
            shared = plain or mark
            if mark is not shared and (mark["version"], mark["spec"]) != (None, None):
                raise ConfigurationError(
                    f"{path}, line {node.lineno}: version and spec of {mark['name']!r} belong on the mark "
                    f"@register({shared['name']!r})."
                )
            entries.append(
                Entry(
                    kind=kind,
                    name=mark["name"],
                    component=shared["name"],
                    preset=mark["preset"],
                    parameters=parameters,
                    version=1 if shared["version"] is None else shared["version"],
                    spec=read_spec(
                        spec, shared["spec"] or {}, f"{path}, line {node.lineno}: {mark['name']!r}"
                    ),
                    summary=docstring.partition("\n")[0],
                    path=path,
                    module=file.module,
                    attribute=node.name,
                    source_digest=hashlib.sha256(file.text).hexdigest(),
                    origin=file.origin,
                )
            )
    return entries


def _kind(
    marks: list[dict[str, Any]], node: ast.ClassDef | ast.FunctionDef, otherwise: str | None, path: Path
) -> str:
    """The kind stated by the marks, or `otherwise`."""
    stated = {mark["kind"] for mark in marks if mark["kind"] is not None}
    name = marks[0]["name"]
    if len(stated) > 1 or not stated <= KINDS.keys():
        hint = closest(str(next(iter(stated))), KINDS)
        raise ConfigurationError(f"{path}, line {node.lineno}: {name!r} has an unknown kind.{hint}")
    found: str | None = next(iter(stated), otherwise)
    if found is None:
        raise ConfigurationError(
            f"{path}, line {node.lineno}: the kind of {name!r} is unknown: add kind= to its mark "
            f"({', '.join(KINDS)})."
        )
    return found


def _is_mark(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "register"


def _mark(node: ast.expr, kind: str, path: Path) -> dict[str, Any]:
    assert isinstance(node, ast.Call)
    try:
        (name,) = [ast.literal_eval(argument) for argument in node.args]
        if not isinstance(name, str):
            raise ValueError(name)
        keywords = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
    except ValueError as error:
        raise ConfigurationError(
            f"{path}, line {node.lineno}: @register takes one name and literal values: the file is parsed, "
            "not run."
        ) from error
    if why := why_no_name(name):
        raise ConfigurationError(f"{path}, line {node.lineno}: the name of a {kind} {why}")
    own = {word: keywords.pop(word, None) for word in ("version", "spec", "kind")}
    return {"name": name, **own, "preset": keywords}


def _signature(
    node: ast.ClassDef | ast.FunctionDef, classes: Mapping[str, ast.ClassDef], path: Path
) -> list[tuple[str, ast.expr | None, ast.expr | None]]:
    """Name, annotation and default of each parameter of a function, a class's __init__ or a dataclass."""
    if isinstance(node, ast.ClassDef):
        init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if init is None:
            inherited = [
                parameter
                for base in node.bases
                if isinstance(base, ast.Name) and base.id in classes
                for parameter in _signature(classes[base.id], classes, path)
            ]
            fields = [n for n in node.body if isinstance(n, ast.AnnAssign)] if _is_dataclass(node) else []
            own = [(n.target.id, n.annotation, n.value) for n in fields if isinstance(n.target, ast.Name)]
            return [p for p in inherited if p[0] not in {name for name, _, _ in own}] + own
        node = init
    arguments = node.args
    if arguments.vararg or arguments.kwarg:
        raise ConfigurationError(
            f"{path}, line {node.lineno}: a component must name each parameter: replace *args and **kwargs."
        )
    positional = arguments.posonlyargs + arguments.args
    without = [None] * (len(positional) - len(arguments.defaults))
    defaults = [*without, *arguments.defaults, *arguments.kw_defaults]
    both = zip(positional + arguments.kwonlyargs, defaults, strict=True)
    return [(taken.arg, taken.annotation, default) for taken, default in both if taken.arg != "self"]


def _is_dataclass(node: ast.ClassDef) -> bool:
    names = [call.func if isinstance(call, ast.Call) else call for call in node.decorator_list]
    return any(ast.unparse(name).rpartition(".")[2] == "dataclass" for name in names)


def _parameter(annotation: ast.expr | None, default: ast.expr | None, path: Path) -> Parameter:
    try:
        value = REQUIRED if default is None else ast.literal_eval(default)
    except ValueError as error:
        assert default is not None
        raise ConfigurationError(
            f"{path}, line {default.lineno}: the default {ast.unparse(default)!r} is not a literal: "
            "the file is parsed, not run."
        ) from error
    return Parameter(ast.unparse(annotation) if annotation else "", value)
