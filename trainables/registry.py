"""What components there are, read off their files without importing them.

A component is one class (or function) in one file, marked with `@register("name")`. The registry reads the
marks with `ast`, so that a sweep file can be checked, a trial's key computed and a table printed on a laptop
without loading torch. The file itself is imported when something is built from it, and only then.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from trainables.errors import ConfigurationError

Target = TypeVar("Target")

REQUIRED = object()
"""Stands for 'no default' among an entry's parameters."""


def register(
    name: str, *, version: int = 1, facts: Mapping[str, Any] | None = None, **preset: Any
) -> Callable[[Target], Target]:
    """Marks a class or function as a component that can be asked for by `name`.

    Arguments must be literals, since they are read from the source, not run. Marks can be stacked: the one
    without `preset` parameters names the component itself, the others name it with parameters fixed.
    Raise `version` when a change of the code changes its numbers: finished trials are then run again.
    `facts` are what must be known without building it, such as the kind of input of a model.
    """
    return lambda target: target


def closest(wrong: str, known: Iterable[str]) -> str:
    """' Did you mean x?' for the nearest known name, or what there is if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" There is: {', '.join(names)}."


@dataclass(frozen=True)
class Parameter:
    annotation: str
    default: Any


@dataclass(frozen=True)
class Entry:
    """One name in a registry. `component` is the name without presets that it stands for."""

    name: str
    component: str
    preset: Mapping[str, Any]
    parameters: Mapping[str, Parameter]
    version: int
    facts: Mapping[str, Any]
    summary: str
    path: Path
    module: str
    attribute: str

    @property
    def source_digest(self) -> str:
        """SHA-256 of the file that defines the component, recorded beside each trial."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


class Registry:
    """All components of one kind: the marked classes in the files of one package.

    Args:
        kind: What they are called in messages, e.g. 'loss'.
        package: The package whose files are read, e.g. 'trainables.losses'.
        base: 'module:Class' that a built component must be an instance of.
        context: Parameters given by whoever builds the component (the protocol, the data set), which are
            therefore no part of what a sweep file says or of a trial's identity.
    """

    def __init__(self, kind: str, package: str, base: str, context: Iterable[str] = ()):
        self.kind = kind
        self.package = package
        self.base = base
        self.context = frozenset(context)
        self._entries: dict[str, Entry] | None = None

    @property
    def entries(self) -> Mapping[str, Entry]:
        if self._entries is None:
            self._entries = self._read()
        return self._entries

    def names(self) -> list[str]:
        return sorted(self.entries)

    def __getitem__(self, name: str) -> Entry:
        if name not in self.entries:
            raise ConfigurationError(f"unknown {self.kind} {name!r}.{closest(name, self.entries)}")
        return self.entries[name]

    def resolve(self, name: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """All parameters of `name`: given ones over presets over defaults, checked and in one form.

        Raises ConfigurationError for a parameter that is unknown, missing, fixed by the name, or of the
        wrong type.
        """
        entry = self[name]
        params = dict(params or {})
        settable = {k: v for k, v in entry.parameters.items() if k not in self.context}
        for key in params:
            if key not in settable:
                hint = closest(key, settable) if settable else " It has no parameters."
                raise ConfigurationError(f"{self.kind} {name!r} has no parameter {key!r}.{hint}")
            if key in entry.preset and params[key] != entry.preset[key]:
                raise ConfigurationError(
                    f"{self.kind} {name!r} fixes {key} = {entry.preset[key]!r}; "
                    f"for another value use {entry.component!r}."
                )
        resolved = {}
        for key, parameter in settable.items():
            value = params.get(key, entry.preset.get(key, parameter.default))
            if value is REQUIRED:
                raise ConfigurationError(f"{self.kind} {name!r} needs a value for {key!r}.")
            resolved[key] = coerced(value, parameter.annotation, f"{self.kind} {name!r}: {key}")
        return resolved

    def label(self, component: str, params: Mapping[str, Any]) -> str:
        """The shortest name for a component with these resolved parameters: 'focal_1', 'focal(gamma=4)'.

        A function of the identity alone, so that two sweep files that ask for the same thing by different
        names find the same trial in the same place.
        """
        for entry in sorted(self.entries.values(), key=lambda e: (len(e.preset), e.name)):
            if entry.component == component and self._complete(entry) == dict(params):
                return entry.name
        entry = self[component]
        told = []
        for key, value in params.items():
            default = entry.parameters[key].default
            if default is REQUIRED or value != coerced(default, entry.parameters[key].annotation, key):
                told.append(f"{key}={_short(value)}")
        return f"{component}({','.join(told)})"

    def build(self, name: str, /, **params: Any) -> Any:
        """Imports the component's file and builds it. Context parameters may be among `params`."""
        entry = self[name]
        context = {k: v for k, v in params.items() if k in self.context}
        known = {k: v for k, v in context.items() if k in entry.parameters}
        chosen = self.resolve(name, {k: v for k, v in params.items() if k not in context})
        target = getattr(importlib.import_module(entry.module), entry.attribute)
        built = target(**chosen, **known)
        module, _, attribute = self.base.partition(":")
        base = getattr(importlib.import_module(module), attribute)
        if not isinstance(built, base):
            raise ConfigurationError(
                f"{self.kind} {name!r} in {entry.path.name} is not a {attribute}: make it a subclass of {self.base}."
            )
        return built

    def _complete(self, entry: Entry) -> dict[str, Any] | None:
        settable = {k: p for k, p in entry.parameters.items() if k not in self.context}
        values = {k: entry.preset.get(k, p.default) for k, p in settable.items()}
        if any(value is REQUIRED for value in values.values()):
            return None
        return {k: coerced(values[k], p.annotation, k) for k, p in settable.items()}

    def _read(self) -> dict[str, Entry]:
        # find_spec would do, but a package without torch imports nothing heavy, and gives its folder.
        folder = Path(importlib.import_module(self.package).__path__[0])
        entries: dict[str, Entry] = {}
        for path in sorted(folder.glob("*.py")):
            for entry in _entries_of(path, f"{self.package}.{path.stem}"):
                if entry.name in entries:
                    other = entries[entry.name].path.name
                    raise ConfigurationError(
                        f"two components are registered as {self.kind} {entry.name!r}, in {other} and in "
                        f"{path.name}: rename one."
                    )
                entries[entry.name] = entry
        return entries


def _entries_of(path: Path, module: str) -> list[Entry]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise ConfigurationError(f"{path}, line {error.lineno}: {error.msg}") from error
    entries = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        marks = [_mark(call, path) for call in node.decorator_list if _is_mark(call)]
        if not marks:
            continue
        component = next((mark["name"] for mark in marks if not mark["preset"]), marks[0]["name"])
        docstring = ast.get_docstring(node) or ast.get_docstring(tree) or ""
        for mark in marks:
            entries.append(
                Entry(
                    **mark,
                    component=component,
                    parameters=_parameters(node),
                    summary=docstring.partition("\n")[0],
                    path=path,
                    module=module,
                    attribute=node.name,
                )
            )
    return entries


def _is_mark(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "register"


def _mark(node: ast.expr, path: Path) -> dict[str, Any]:
    assert isinstance(node, ast.Call)
    try:
        (name,) = [ast.literal_eval(argument) for argument in node.args]
        keywords = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
    except ValueError as error:
        raise ConfigurationError(
            f"{path}, line {node.lineno}: @register takes one name and literal values, since it is read, not run."
        ) from error
    version, facts = keywords.pop("version", 1), keywords.pop("facts", {})
    return {"name": name, "version": version, "facts": facts, "preset": keywords}


def _parameters(node: ast.ClassDef | ast.FunctionDef) -> dict[str, Parameter]:
    """Parameters of a function, of a class's __init__, or of a dataclass's fields, with literal defaults."""
    if isinstance(node, ast.ClassDef):
        init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if init is None:
            fields = [n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
            return {
                n.target.id: Parameter(ast.unparse(n.annotation), _default(n.value))  # type: ignore[union-attr]
                for n in fields
            }
        node = init
    arguments = node.args
    positional = arguments.posonlyargs + arguments.args
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(
        arguments.defaults
    )
    both = list(zip(positional, defaults, strict=True))
    both += list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    return {
        argument.arg: Parameter(
            ast.unparse(argument.annotation) if argument.annotation else "", _default(default)
        )
        for argument, default in both
        if argument.arg != "self"
    }


def _default(node: ast.expr | None) -> Any:
    return REQUIRED if node is None else ast.literal_eval(node)


def coerced(value: Any, annotation: str, where: str) -> Any:
    """`value` as the annotation has it (1 -> 1.0, lists -> tuples), so that equal settings are equal."""
    if annotation.startswith("tuple[") and isinstance(value, list | tuple):
        inner = annotation[len("tuple[") : -1].split(",")[0].strip()
        return tuple(coerced(item, inner, where) for item in value)
    if value is None and "None" in annotation:
        return None
    kinds = {kind.strip() for kind in annotation.split("|")}
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if "float" in kinds and number:
        return float(value)
    if "int" in kinds and number and float(value).is_integer():
        return int(value)
    if ("bool" in kinds and isinstance(value, bool)) or ("str" in kinds and isinstance(value, str)):
        return value
    if kinds & {"float", "int", "bool", "str"} or annotation.startswith("tuple["):
        raise ConfigurationError(f"{where} must be {annotation}, not {value!r}.")
    return value


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "-".join(_short(item) for item in value)
    return str(value)
