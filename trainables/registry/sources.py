"""Sources of components: the folder of a package, plug-ins, and entry points of installed packages.

Reading them imports nothing except our own packages, which are light.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.errors import ConfigurationError
from trainables.registry.plugins import PLUGINS, PREFIX

DISTRIBUTION = "calibsweep"


@dataclass(frozen=True)
class SourceFile:
    """A file whose marks are read.

    Attributes:
        module: The name under which it is imported.
        origin: Its source: '' for our own package, 'plug-in', or the name and version of a distribution.
        attribute: The only class or function that is registered; '' for all.
    """

    path: Path
    module: str
    text: bytes
    origin: str = ""
    attribute: str = ""


def of_package(package: str) -> Iterator[SourceFile]:
    """The files of one of our packages."""
    # Instead of find_spec: our packages import nothing heavy.
    folder = Path(importlib.import_module(package).__path__[0])
    for path in sorted(folder.glob("*.py")):
        yield SourceFile(path, f"{package}.{path.stem}", path.read_bytes())


def of_plugins() -> Iterator[SourceFile]:
    """The plug-ins of this process."""
    for plugin in PLUGINS.files:
        yield SourceFile(plugin.path, plugin.module, plugin.text, "plug-in")


def of_entry_points(group: str) -> Iterator[SourceFile]:
    """The files that installed packages declare as `[project.entry-points."calibsweep.losses"]` and the like.

    An entry point names a module, a package (then each of its files is read), or one class or function as
    'module:name'.

    Raises:
        ConfigurationError: An entry point names a missing module.
    """
    for point in sorted(_entry_points().select(group=group), key=lambda point: (point.name, point.value)):
        distribution = point.dist
        origin = f"{distribution.name} {distribution.version}" if distribution else point.value
        found = file_of(point.module)
        if found is None:
            raise ConfigurationError(
                f"the package {origin} names {point.module!r} under {group!r}, but has no such module: "
                "reinstall it."
            )
        if found.name == "__init__.py":
            for path in sorted(found.parent.glob("*.py")):
                module = point.module if path == found else f"{point.module}.{path.stem}"
                yield SourceFile(path, module, path.read_bytes(), origin, point.attr or "")
        else:
            yield SourceFile(found, point.module, found.read_bytes(), origin, point.attr or "")


@functools.cache
def _entry_points() -> Any:
    """Those of every installed package: reading them takes as long for one group as for all."""
    return importlib.metadata.entry_points()


def file_of(module: str) -> Path | None:
    """The file of a module, found without importing it or its parent packages."""
    path: list[str] | None = None
    spec = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def text_of(module: str) -> bytes | None:
    """The source of a plug-in or of a module on the path; None if it has none."""
    if module.startswith(PREFIX):
        plugin = PLUGINS.of_module(module)
        return plugin.text if plugin else None
    path = file_of(module)
    return path.read_bytes() if path else None
