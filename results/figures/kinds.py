"""The kinds of figure, and how one is declared."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.figures import drawings
from trainables.errors import ConfigurationError
from trainables.texts import closest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results.figures.data import Results


@dataclass(frozen=True)
class Picture:
    """One drawing of a figure.

    Attributes:
        parts: What distinguishes it from the figure's other pictures: data set, model, loss.
        title: One line.
        drawing: The picture itself.
    """

    parts: tuple[str, ...]
    title: str
    drawing: Figure


Pictures = Callable[["Results"], Iterator[Picture]]


@dataclass(frozen=True)
class Kind:
    """A figure.

    Attributes:
        name: As for `--figure`: the name of its file.
        title: One line.
        source: The published figure, section or equation that it redraws; empty for our own.
        pictures: Draws it. Raises NothingToDrawError if the results lack something.
        of_theory: Whether it needs no results.
        of_any_epoch: Whether it can show another epoch than the reported one.
    """

    name: str
    title: str
    source: str
    pictures: Pictures
    of_theory: bool
    of_any_epoch: bool


def figure(
    title: str, source: str = "", *, of_theory: bool = False, of_any_epoch: bool = False
) -> Callable[[Pictures], Kind]:
    """Marks the function that draws a figure. The figure is named after the function's file."""

    def marked(pictures: Pictures) -> Kind:
        name = pictures.__module__.rpartition(".")[2]
        return Kind(name, title, source, pictures, of_theory, of_any_epoch)

    return marked


def names() -> list[str]:
    """The names of all figures, in alphabetical order. Imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(drawings.__path__))


def chosen(asked: tuple[str, ...]) -> list[Kind]:
    """The figures with these names, each once; without names, all.

    Raises ConfigurationError for a name that does not exist.
    """
    known = names()
    for name in asked:
        if name not in known:
            raise ConfigurationError(f"unknown figure {name!r}.{closest(name, known)}")
    return [_load(name) for name in dict.fromkeys(asked or known)]


def _load(name: str) -> Kind:
    kind: Kind = importlib.import_module(f"{drawings.__name__}.{name}").pictures
    return kind
