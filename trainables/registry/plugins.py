"""Plug-ins: component files at any location, named by `--plugin FILE` or in a sweep file.

A plug-in is one file. Its text is sent to every process that needs it and imported there from memory, under a
module name that contains its digest: workers need no file, and an edited plug-in is another module.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from trainables.errors import ConfigurationError
from trainables.texts import closest

PREFIX = "calibsweep_plugin_"
MOST_BYTES = 2**20
"""Size limit of a plug-in: a larger file is not source code."""


@dataclass(frozen=True)
class Plugin:
    """A file with components, and its text at the time of reading."""

    path: Path
    text: bytes

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text).hexdigest()

    @functools.cached_property
    def module(self) -> str:
        """The name under which it is imported."""
        return f"{PREFIX}{re.sub(r'[^A-Za-z0-9_]', '_', self.path.stem)}_{self.digest[:12]}"


class Plugins:
    """The plug-ins of this process, in the order they were named."""

    def __init__(self) -> None:
        self._files: tuple[Plugin, ...] = ()

    @property
    def files(self) -> tuple[Plugin, ...]:
        return self._files

    def add(self, paths: Iterable[str | Path]) -> tuple[Plugin, ...]:
        """Adds the components of these files to every registry of this process; returns the plug-ins.

        A file that was added before is read again.

        Raises:
            ConfigurationError: A path is not a readable file of Python source.
        """
        added = tuple(_read(Path(path)) for path in paths)
        self.install(added)
        return added

    def install(self, plugins: Sequence[Plugin]) -> None:
        """Adds plug-ins that another process has read."""
        known = {plugin.path: plugin for plugin in self._files}
        new = {**known, **{plugin.path: plugin for plugin in plugins}}
        if new == known:
            return
        # Identity is the text: one file under two paths is one plug-in.
        self._files = tuple({plugin.module: plugin for plugin in new.values()}.values())
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.append(_Finder())

    @contextlib.contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """Inside this context, an exception takes back all additions: one bad file spoils all registries."""
        before = self._files
        try:
            yield
        except BaseException:
            self._files = before
            raise

    def of_module(self, module: str) -> Plugin | None:
        """The plug-in with this module name."""
        if not module.startswith(PREFIX):
            return None
        return next((plugin for plugin in self._files if plugin.module == module), None)


PLUGINS = Plugins()
"""The plug-ins that every registry of this process reads."""


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        plugin = PLUGINS.of_module(fullname)
        return None if plugin is None else importlib.util.spec_from_loader(fullname, _Loader(plugin))


class _Loader(importlib.abc.SourceLoader):
    """Imports a plug-in from its text. Tracebacks and `inspect` show its lines, even without the file."""

    def __init__(self, plugin: Plugin):
        self.plugin = plugin

    def get_filename(self, fullname: str) -> str:
        return str(self.plugin.path)

    def get_data(self, path: str | bytes) -> bytes:
        # Also called for compiled code, which does not exist.
        if os.fspath(path) != str(self.plugin.path):
            raise FileNotFoundError(path)
        return self.plugin.text


def _read(named: Path) -> Plugin:
    # Lexically, so that copies of a folder resolve to the same relative paths.
    path = Path(os.path.normpath(Path.cwd() / named))
    if path.suffix != ".py":
        raise ConfigurationError(f"plug-in {str(named)!r} is not a Python file, FILE.py.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigurationError(f"plug-in {str(named)!r} is larger than {MOST_BYTES} bytes.")
        text = path.read_bytes()
        text.decode("utf-8")
    except FileNotFoundError:
        beside = [file.name for file in path.parent.glob("*.py")] if path.parent.is_dir() else []
        hint = closest(path.name, beside) if beside else ""
        raise ConfigurationError(f"plug-in {str(named)!r}: no such file.{hint}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"plug-in {str(named)!r} cannot be read: {reason}.") from error
    return Plugin(path, text)
