"""What components there are, read off their files without importing them.

A component is one class (or function) in one file, marked with `@register("name")`. The registry reads the
marks with `ast`, so that a sweep file can be checked, a trial's key computed and a table printed on a laptop
without loading torch. The file itself is imported when something is built from it, and only then.
"""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from trainables.errors import ConfigurationError
from trainables.texts import visible, why_no_name
from trainables.values import coerced

Target = TypeVar("Target")

REQUIRED = object()
"""Stands for 'no default' among an entry's parameters."""


def register(
    name: str, *, version: int = 1, facts: Mapping[str, Any] | None = None, **preset: Any
) -> Callable[[Target], Target]:
    """Marks a class or function as a component that can be asked for by `name`.

    A name is of letters, digits, '_', '-' and '.', as that of a sweep: it becomes part of paths, tables and
    commands.

    Arguments must be literals, since they are read from the source, not run. So are the parameters: those of
    the function, of the class's `__init__` or of its dataclass fields, or of a base class in the same file.
    Marks can be stacked: the one without `preset` parameters names the component itself and carries its
    version and facts, the others name it with parameters fixed. Where all have presets, each names a
    component of its own.
    Raise `version` when a change of the code changes its numbers: finished trials are then run again.
    `facts` are what must be known without building it, such as the kind of input of a model.
    """
    return lambda target: target


def closest(wrong: str, known: Iterable[str]) -> str:
    """' Did you mean x?' for the nearest known name, or what there is if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" There is: {', '.join(names) or 'none'}."


@dataclass(frozen=True)
class Parameter:
    annotation: str
    default: Any


@dataclass(frozen=True, eq=False)
class Entry:
    """One name in a registry. `component` is the name that it has in a trial's identity.

    An entry that was read anew is another, so what is worked out from one may be kept by it.
    """

    kind: str
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

    @functools.cached_property
    def usual(self) -> Mapping[str, Any]:
        """Presets over defaults, in one form; nothing for a parameter that has neither."""
        values = {k: self.preset.get(k, p.default) for k, p in self.parameters.items()}
        return self.in_one_form({k: v for k, v in values.items() if v is not REQUIRED})

    @functools.cached_property
    def fixed(self) -> Mapping[str, Any]:
        """Presets alone, in one form."""
        return self.in_one_form(self.preset)

    def in_one_form(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of parameters as their annotations have them.

        Raises ConfigurationError for one of the wrong type.
        """
        where = f"{self.kind} {self.name!r}"
        return {k: coerced(v, self.parameters[k].annotation, f"{where}: {k}") for k, v in values.items()}


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

    def chosen(self, name: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The parameters that are given and those that the name fixes, checked and in one form; no defaults.

        Raises ConfigurationError for a parameter that is unknown, fixed by the name, or of the wrong type.
        """
        entry, params = self[name], params or {}
        for key in params:
            if key not in entry.parameters:
                hint = closest(key, entry.parameters) if entry.parameters else " It has no parameters."
                raise ConfigurationError(f"{self.kind} {name!r} has no parameter {key!r}.{hint}")
        given, fixed = entry.in_one_form(params), entry.fixed
        for key in given.keys() & fixed.keys():
            if given[key] != fixed[key]:
                other = "" if entry.component == name else f"; for another value use {entry.component!r}"
                raise ConfigurationError(f"{self.kind} {name!r} fixes {key} = {entry.preset[key]!r}{other}.")
        return {**fixed, **given}

    def resolve(self, name: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """All parameters of `name`: given ones over presets over defaults, checked and in one form.

        Raises ConfigurationError for a parameter that is unknown, missing, fixed by the name, or of the
        wrong type.
        """
        entry = self[name]
        resolved = {**entry.usual, **self.chosen(name, params)}
        for key in entry.parameters:
            if key not in resolved:
                raise ConfigurationError(f"{self.kind} {name!r} needs a value for {key!r}.")
        return {key: resolved[key] for key in entry.parameters}

    def label(self, component: str, params: Mapping[str, Any]) -> str:
        """The shortest name for a component with these resolved parameters: 'focal_1', 'focal(gamma=4)'.

        A function of the identity alone, so that two sweep files that ask for the same thing by different
        names find the same trial in the same place.
        """
        names = [entry for entry in self.entries.values() if entry.component == component]
        for entry in sorted(names, key=lambda e: (len(e.preset), e.name)):
            if entry.usual == dict(params):
                return entry.name
        usual = self[component].usual
        unusual = [k for k in self[component].parameters if k not in usual or params[k] != usual[k]]
        return self.described(component, {key: params[key] for key in unusual})

    def described(self, name: str, params: Mapping[str, Any]) -> str:
        """A name with these parameters, as labels have them."""
        return f"{name}({','.join(f'{key}={_short(value)}' for key, value in params.items())})"

    def build(self, name: str, /, **params: Any) -> Any:
        """Imports the component's file and builds it. Context parameters may be among `params`."""
        entry = self[name]
        context = {k: v for k, v in params.items() if k in self.context}
        chosen = self.resolve(name, {k: v for k, v in params.items() if k not in context})
        target = getattr(importlib.import_module(entry.module), entry.attribute)
        accepted = _accepted(target)
        built = target(**chosen, **{k: v for k, v in context.items() if k in accepted})
        module, _, attribute = self.base.partition(":")
        base = getattr(importlib.import_module(module), attribute)
        if not isinstance(built, base):
            raise ConfigurationError(
                f"{self.kind} {name!r} in {entry.path.name} is not a {attribute}: "
                f"make it a subclass of {self.base}."
            )
        return built

    def _read(self) -> dict[str, Entry]:
        # find_spec would do, but a package without torch imports nothing heavy, and gives its folder.
        folder = Path(importlib.import_module(self.package).__path__[0])
        entries: dict[str, Entry] = {}
        for path in sorted(folder.glob("*.py")):
            for entry in _entries_of(self.kind, path, f"{self.package}.{path.stem}", self.context):
                if entry.name in entries:
                    other = entries[entry.name].path.name
                    raise ConfigurationError(
                        f"two components are registered as {self.kind} {entry.name!r}, in {other} and in "
                        f"{path.name}: rename one."
                    )
                entries[entry.name] = entry
        return entries


def _entries_of(kind: str, path: Path, module: str, context: frozenset[str]) -> list[Entry]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise ConfigurationError(f"{path}, line {error.lineno}: {error.msg}") from error
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    entries = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        marks = [_mark(call, kind, path) for call in node.decorator_list if _is_mark(call)]
        if not marks:
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
            # One component has one version and one set of facts, by whichever of its names it is asked for.
            shared = plain or mark
            if mark is not shared and (mark["version"], mark["facts"]) != (None, None):
                raise ConfigurationError(
                    f"{path}, line {node.lineno}: version and facts of {mark['name']!r} belong on the mark "
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
                    facts=shared["facts"] or {},
                    summary=docstring.partition("\n")[0],
                    path=path,
                    module=module,
                    attribute=node.name,
                )
            )
    return entries


@functools.cache
def _accepted(target: Callable[..., Any]) -> frozenset[str]:
    # What a component takes from its context may be inherited: only the class itself can tell.
    return frozenset(inspect.signature(target).parameters)


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
            f"{path}, line {node.lineno}: @register takes one name and literal values, since it is read, "
            "not run."
        ) from error
    if why := why_no_name(name):
        raise ConfigurationError(f"{path}, line {node.lineno}: the name of a {kind} {why}")
    version, facts = keywords.pop("version", None), keywords.pop("facts", None)
    return {"name": name, "version": version, "facts": facts, "preset": keywords}


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
            f"{path}, line {node.lineno}: a component writes out its parameters, since they are read from "
            "here: no *args or **kwargs."
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
            f"{path}, line {default.lineno}: the default {ast.unparse(default)!r} is not a literal: it is "
            "read, not run."
        ) from error
    return Parameter(ast.unparse(annotation) if annotation else "", value)


def _short(value: Any) -> str:
    if isinstance(value, float):
        # Never fewer digits than tell two values apart: rows of a table are told apart by this.
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, tuple):
        return "-".join(_short(item) for item in value)
    return visible(str(value))
