"""A registry: all components of one kind."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic

from trainables.errors import ConfigurationError
from trainables.registry import sources
from trainables.registry.common import Common
from trainables.registry.entries import Entry
from trainables.registry.marks import entries_of
from trainables.registry.plugins import PLUGINS
from trainables.registry.specs import Spec
from trainables.texts import closest, visible


class Registry(Generic[Spec]):
    """All components of one kind: from its package, from entry points of other packages, and from plug-ins.

    Args:
        kind: Its name in messages, e.g. 'loss'.
        package: The package whose files are read, e.g. 'trainables.losses'. Other packages provide components
            by entry points of the group 'calibsweep.losses'.
        base: 'module:Class' that a built component must be an instance of.
        spec: The dataclass of a component's spec.
        context: Parameters supplied by the code that builds the component (the protocol, the data set), and
            so absent from sweep files and from a trial's identity.
        common: Parameters of many components, which these do not declare.
    """

    def __init__(
        self,
        kind: str,
        package: str,
        base: str,
        spec: type[Spec],
        context: Iterable[str] = (),
        common: Common[Spec] | None = None,
    ):
        self.kind = kind
        self.package = package
        self.base = base
        self.spec = spec
        self.context = frozenset(context)
        self.common = common
        self._entries: dict[str, Entry[Spec]] | None = None
        # The base entries, the plug-ins, and their merged entries.
        self._plugged: tuple[Any, Any, dict[str, Entry[Spec]]] | None = None

    @property
    def entries(self) -> Mapping[str, Entry[Spec]]:
        if self._entries is None:
            self._entries = self._read()
        plugins = PLUGINS.files
        if not plugins:
            return self._entries
        if self._plugged is None or self._plugged[:2] != (self._entries, plugins):
            merged = dict(self._entries)
            self._take(sources.of_plugins(), merged, None)
            self._plugged = self._entries, plugins, merged
        return self._plugged[2]

    def names(self) -> list[str]:
        return sorted(self.entries)

    def __getitem__(self, name: str) -> Entry[Spec]:
        if name not in self.entries:
            raise ConfigurationError(f"unknown {self.kind} {name!r}.{closest(name, self.entries)}")
        return self.entries[name]

    def chosen(self, name: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The given and the preset parameters, checked and normalised; no defaults.

        Raises ConfigurationError for a parameter that is unknown, fixed by the name, or of the wrong type.
        """
        entry, params = self[name], params or {}
        for key in params:
            if key not in entry.settable:
                hint = closest(key, entry.settable) if entry.settable else " It has no parameters."
                raise ConfigurationError(f"{self.kind} {name!r} has no parameter {key!r}.{hint}")
        given, fixed = entry.in_one_form(params), entry.fixed
        for key in given.keys() & fixed.keys():
            if given[key] != fixed[key]:
                other = "" if entry.component == name else f"; for another value use {entry.component!r}"
                raise ConfigurationError(f"{self.kind} {name!r} fixes {key} = {entry.preset[key]!r}{other}.")
        return {**fixed, **given}

    def resolve(self, name: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """All parameters of `name`: given ones over presets over defaults, checked and normalised.

        Common parameters are among them only if they are in use.

        Raises ConfigurationError for a parameter that is unknown, missing, fixed by the name, or of the
        wrong type.
        """
        entry = self[name]
        resolved = {**entry.usual, **self.chosen(name, params)}
        for key in entry.parameters:
            if key not in resolved:
                raise ConfigurationError(f"{self.kind} {name!r} needs a value for {key!r}.")
        own = {key: resolved[key] for key in entry.parameters}
        common = {key: resolved[key] for key in entry.common if key in resolved}
        if common and self.common:
            common = self.common.in_use(f"{self.kind} {name!r}", common)
        return {**own, **common}

    def label(self, component: str, params: Mapping[str, Any]) -> str:
        """The shortest name of a component with these resolved parameters: 'focal_1', 'focal(gamma=4)'.

        It depends on the identity alone, so that two sweep files that name the same component differently
        find the same trial in the same place.
        """
        names = [entry for entry in self.entries.values() if entry.component == component]
        for entry in sorted(names, key=lambda e: (len(e.preset), e.name)):
            if entry.usual == dict(params):
                return entry.name
        usual = self[component].usual
        unusual = [k for k in self[component].parameters if k not in usual or params[k] != usual[k]]
        unusual += self.common.unusual(params) if self.common else []
        return self.described(component, {key: params[key] for key in unusual})

    def described(self, name: str, params: Mapping[str, Any]) -> str:
        """A name with these parameters, in the form of a label."""
        return f"{name}({','.join(f'{key}={_short(value)}' for key, value in params.items())})"

    def build(self, name: str, /, **params: Any) -> Any:
        """Imports the component's file and builds it. `params` may include context parameters.

        Raises ConfigurationError as `resolve` does, and if a required context parameter is missing.
        """
        entry = self[name]
        context = {k: v for k, v in params.items() if k in self.context}
        chosen = self.resolve(name, {k: v for k, v in params.items() if k not in context})
        target = getattr(importlib.import_module(entry.module), entry.attribute)
        accepted, required = _accepted(target)
        for missing in sorted((required & self.context) - context.keys()):
            raise ConfigurationError(
                f"{self.kind} {name!r} needs {missing!r}, which is not provided. Available: "
                f"{', '.join(sorted(context)) or 'nothing'}."
            )
        own = {key: chosen[key] for key in entry.parameters}
        built = target(**own, **{k: v for k, v in context.items() if k in accepted})
        module, _, attribute = self.base.partition(":")
        base = getattr(importlib.import_module(module), attribute)
        if not isinstance(built, base):
            raise ConfigurationError(
                f"{self.kind} {name!r} in {entry.path.name} is not a {attribute}: "
                f"make it a subclass of {self.base}."
            )
        if self.common and chosen.keys() > own.keys():
            return self.common.apply(built, f"{self.kind} {name!r}", chosen)
        return built

    def _read(self) -> dict[str, Entry[Spec]]:
        entries: dict[str, Entry[Spec]] = {}
        own = self.kind.replace(" ", "")
        self._take(sources.of_package(self.package), entries, own)
        group = f"{sources.DISTRIBUTION}.{self.package.rpartition('.')[2]}"
        self._take(sources.of_entry_points(group), entries, own)
        return entries

    def _take(
        self, files: Iterable[sources.SourceFile], entries: dict[str, Entry[Spec]], usual: str | None
    ) -> None:
        for file in files:
            for entry in entries_of(file, self.kind, usual, self.spec, self.context):
                if entry.name in entries:
                    other = entries[entry.name]
                    raise ConfigurationError(
                        f"two components are registered as {self.kind} {entry.name!r}, in {_place(other)} "
                        f"and in {_place(entry)}: rename one."
                    )
                common = self.common.of(entry.spec, entry.parameters) if self.common else {}
                entries[entry.name] = dataclasses.replace(entry, common=common)


@functools.cache
def _accepted(target: Callable[..., Any]) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the parameters that a component accepts, and of those that it requires."""
    # Context parameters may be inherited, so only the class itself is conclusive.
    parameters = inspect.signature(target).parameters.values()
    required = (p.name for p in parameters if p.default is inspect.Parameter.empty)
    return frozenset(p.name for p in parameters), frozenset(required)


def _place(entry: Entry[Any]) -> str:
    return f"{entry.path.name} of {entry.origin}" if entry.origin not in ("", "plug-in") else entry.path.name


def _short(value: Any) -> str:
    if isinstance(value, float):
        # Enough digits to distinguish any two values: they distinguish the rows of a table.
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, tuple):
        return "-".join(_short(item) for item in value)
    if isinstance(value, str) and value.startswith("sha256:"):
        return value[7:15]
    return visible(str(value))
