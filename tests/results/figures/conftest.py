"""The recorded trials, as figures get them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import matplotlib.figure
import pyarrow as pa
import pytest

from results.figures import kinds, style
from results.figures.data import Cell, Results, Trial
from results.figures.kinds import Picture
from results.figures.reading import cells_of
from results.store.store import Store
from sweeps.expand import expected_frame, load

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="session")
def cells() -> list[Cell]:
    sweep, store = load(GOLDEN / "store.yaml"), Store(str(GOLDEN / "store"))
    return cells_of(store, store.snapshot(sweep.trials), expected_frame(sweep.trials))


@pytest.fixture(scope="session")
def cell(cells: list[Cell]) -> Cell:
    """The MLP with two losses."""
    (found,) = [each for each in cells if each.model == "mlp"]
    return only(found, "cross_entropy", "adafocal")


def only(cell: Cell, *losses: str) -> Cell:
    return dataclasses.replace(cell, trials=tuple(t for t in cell.trials if t.loss in losses))


def pictures(name: str, results: Results) -> list[Picture]:
    with style.styled():
        return list(kinds.chosen((name,))[0].pictures(results))


def drawn(name: str, results: Results) -> matplotlib.figure.Figure:
    """The first picture of a figure."""
    return pictures(name, results)[0].drawing


def lines(axes: matplotlib.axes.Axes, label: str) -> Iterator[tuple[list[float], list[float]]]:
    """x and y of the lines with this label."""
    for line in axes.lines:
        if line.get_label() == label:
            yield line.get_xdata().tolist(), line.get_ydata().tolist()


def altered(trial: Trial, curves: pa.Table) -> Trial:
    """A trial with other curves."""
    assert trial.read is not None
    return dataclasses.replace(trial, read=(trial.read[0], lambda: curves))
