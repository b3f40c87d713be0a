"""Adds the components of plug-in files to this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainables import catalogue
from trainables.registry import Registry
from trainables.registry.plugins import PLUGINS


@dataclass(frozen=True)
class AddedPlugins:
    """Attributes:
    components: The names in these files by kind, such as 'loss'; no kind without names.
    """

    components: Mapping[str, tuple[str, ...]]


def add_plugins(*files: str | Path) -> AddedPlugins:
    """Adds the components in files of Python source, as `--plugin` does, for the rest of this process.

    The marks are read and nothing is imported yet. A run sends the files to all its workers. A file that was
    added before is read again.

    Raises:
        ConfigurationError: A path is not a readable file of Python source, a mark is wrong, or a name is
            taken. Then none of the files is added.
    """
    with PLUGINS.kept_on_error():
        modules = {plugin.module for plugin in PLUGINS.add(files)}
        found = {
            registry.kind: tuple(name for name in registry.names() if registry[name].module in modules)
            for registry in vars(catalogue).values()
            if isinstance(registry, Registry)
        }
    return AddedPlugins({kind: names for kind, names in found.items() if names})
