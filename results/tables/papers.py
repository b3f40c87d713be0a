"""The papers' tables by their numbers, with our numbers in their rows and columns.

Rows, columns, their order, names and decimals are those of `results.tables.published`. Our trials are those
that `calibsweep compare` sets beside a published number: the closest to the paper's settings.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from results.comparison.ours import Ours, Trained
from results.comparison.places import METHODS, METRICS, PLACES, REMARKS, TITLES
from results.comparison.verdicts import Reason, score_of
from results.scoring.scores import UNCALIBRATED, Score, known_metrics, temperature_by
from results.tables import captions
from results.tables.evidence import Predictions
from results.tables.grid import Grid, Group, Line, Printed, divided, slug
from results.tables.kept_evidence import KeptEvidence
from results.tables.layout import CALIBRATED, Cell, Row, Table
from results.tables.notes import NOT_PLANNED
from results.tables.published import PAPERS, published, published_tables, unknown_table
from results.tables.statistics import CELL
from results.tables.table import build, needed
from results.tables.warnings import AT_EDGE, FEW
from results.wording import counted
from trainables.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

WHEN = {"before": ", before temperature scaling", "after": ", after temperature scaling", "none": ""}

SCALED = {"before": "pre T", "after": "post T"}

UNAVAILABLE = {
    "mukhoti2020/3": "translation (WMT14 English to German), which calibsweep does not train",
}
"""The subjects of tables that cannot be filled, by name."""


class Column(NamedTuple):
    """As in print; `scaling` is 'before', 'after' or 'none'."""

    loss: str
    metric: str
    scaling: str


@dataclass(frozen=True)
class Layout:
    """The rows and columns of one published table, in the order of print.

    Attributes:
        name: 'mukhoti2020/5'.
        rows: Data set and network of each, as in print.
        columns: In their order.
        losses, metrics: As in print.
        scalings: 'before' and 'after' temperature scaling, one of both, or 'none'.
        digits: Decimals of the printed temperatures; 0 if the table prints none.
    """

    name: str
    rows: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    losses: tuple[str, ...]
    metrics: tuple[str, ...]
    scalings: tuple[str, ...]
    digits: int

    @classmethod
    def of(cls, name: str) -> Layout:
        """Raises ConfigurationError if no such table was published, or it is about another kind of task."""
        if name not in published_tables():
            raise unknown_table(name)
        if name in UNAVAILABLE:
            raise ConfigurationError(f"{name} is about {UNAVAILABLE[name]}.")
        cells = published((name,))
        rows = zip(cells["dataset"], cells["model"], strict=True)
        temperatures = cells["temperature"].dropna()
        return cls(
            name,
            tuple(dict.fromkeys(rows)),
            tuple(dict.fromkeys(map(Column, cells["loss"], cells["metric"], cells["scaling"]))),
            tuple(cells["loss"].unique()),
            tuple(cells["metric"].unique()),
            tuple(each for each in cells["scaling"].unique() if each != "none") or ("none",),
            max((len(f"{number:g}".partition(".")[2]) for number in temperatures), default=0),
        )

    @property
    def paper(self) -> str:
        return self.name.partition("/")[0]

    @property
    def title(self) -> str:
        """'Table 5 of Mukhoti et al. (2020)'."""
        return f"Table {self.name.partition('/')[2]} of {PAPERS[self.paper].short}"

    @property
    def calibrator(self) -> str:
        """The one of the 'after' columns: temperature scaling by the paper's criterion."""
        return temperature_by(PAPERS[self.paper].criterion) if "after" in self.scalings else UNCALIBRATED

    @property
    def scores(self) -> list[Score]:
        return [score_of(self.paper, *each) for each in itertools.product(self.metrics, self.scalings)]

    def arrange(
        self,
        tables: Sequence[Table],
        width: int,
        height: int | None = None,
        measure: Callable[[str], int] = len,
    ) -> list[Grid]:
        """The printed table as a grid, in parts if it is too wide or high; arguments as of `grid.arrange`."""
        label = max(measure(text) for row in self.rows for text in row)
        few = {row.dataset for table in tables for row in table.rows if row.few}
        grid = Grid(
            slug(self.name),
            self.title,
            f"{self.title}, with our numbers. " + " ".join(table.about for table in tables),
            tuple(dict.fromkeys(line for table in tables for line in table.reading)),
            "Model",
            tuple(Line(dataset + FEW * (dataset in few), model) for dataset, model in self.rows),
            tuple(part for group in self._groups(tables) for part in _halved(group, width - label, measure)),
            tuple(dict.fromkeys(note for table in tables for note in table.notes)),
        )
        return divided(grid, width, height, measure)

    def _groups(self, tables: Sequence[Table]) -> Iterator[Group]:
        """The columns below one heading: of a loss, or of all losses before or after scaling."""
        by_metric = dict(zip(self.metrics, tables, strict=True))
        for heading, columns in itertools.groupby(self.columns, key=self._heading):
            those = list(columns)
            cells = (
                tuple(self._cell(by_metric, row, each) for each in those) for row in range(len(self.rows))
            )
            yield Group(heading, tuple(map(self._subheading, those)), tuple(cells))

    @property
    def _losses_together(self) -> bool:
        """Whether all losses stand side by side before scaling, and again after it."""
        return len(self.scalings) > 1 and self.columns[0].loss != self.columns[1].loss

    def _heading(self, column: Column) -> str:
        if self._losses_together:
            return {"before": "Pre T", "after": "Post T"}[column.scaling]
        several = len(self.metrics) > 1 and len(self.scalings) > 1
        return f"{column.loss} ({SCALED[column.scaling]})" if several else column.loss

    def _subheading(self, column: Column) -> str:
        if self._losses_together:
            return column.loss
        if len(self.metrics) > 1:
            return TITLES.get(column.metric, column.metric)
        return SCALED[column.scaling] if len(self.scalings) > 1 else ""

    def _cell(self, tables: Mapping[str, Table], row: int, column: Column) -> Printed:
        table, width = tables[column.metric], len(tables[column.metric].scalings)
        scaling = table.scalings.index(column.scaling) if width > 1 else 0
        cell = table.rows[row].cells[self.losses.index(column.loss) * width + scaling]
        pieces = table.pieces(cell)
        if cell is None:
            return Printed()
        temperature = ""
        if pieces.temperature and self.digits:
            temperature = f"{cell.temperature:.{self.digits}f}" + AT_EDGE * cell.at_edge
        return Printed(pieces.mean, "", ", ".join(filter(None, (temperature, pieces.seeds))), cell.best)


def _halved(group: Group, width: int, measure: Callable[[str], int]) -> Iterator[Group]:
    """The columns of a group in as many groups of its heading as the width needs."""
    number = len(group.subheadings)
    if group.width(measure) <= width or number < 2:
        yield group
        return
    for part in (slice(0, number // 2), slice(number // 2, number)):
        cells = tuple(line[part] for line in group.cells)
        yield from _halved(replace(group, subheadings=group.subheadings[part], cells=cells), width, measure)


def filled(
    layout: Layout,
    trials: pd.DataFrame,
    expected: pd.DataFrame | None = None,
    complete: Callable[[pd.DataFrame, Sequence[Score], set[str]], pd.DataFrame] = lambda frame, *_: frame,
    predictions: Predictions = lambda keys: {},
    kept: KeptEvidence | None = None,
) -> tuple[tuple[Table, ...], set[str]]:
    """Our numbers for a published table: one `Table` for each of its metrics.

    Args:
        trials: One row per finished trial, evaluated on the test set, from `Snapshot.evaluations()`.
        expected: One row per trial of a sweep, from `expected_frame`: others are ignored.
        complete: Adds scores that the rows with these keys lack.
        predictions, kept: As of `table.build`.

    Returns:
        The tables, with the labels of print, and the keys of their trials. Where a cell is None, a note has
        the reason.

    Raises:
        ConfigurationError: No trial belongs to the table.
    """
    trials = trials.reset_index(drop=True)
    cells, empty = _ours(layout, Ours(trials, expected))
    places = [place for place, (found, _) in cells.items() if found.rows]
    if not places:
        datasets = ", ".join(dict.fromkeys(dataset for dataset, _ in layout.rows))
        raise ConfigurationError(f"no finished trial belongs to {layout.title} ({datasets}).")
    keys = {str(trials["key"][row]) for place in places for row in cells[place][0].rows.values()}
    metrics = [METRICS[metric] for metric in layout.metrics]
    trials = complete(trials, needed(metrics, layout.calibrator), keys)
    frame, planned, variants = _as_printed(trials, {place: found for place, (found, _) in cells.items()})
    built = build(frame, planned, layout.calibrator, metrics, (), predictions, kept)
    notes = (*_reasons(layout, empty), *_differences(cells))
    return tuple(_laid(layout, table, variants, notes) for table in built), keys


Place = tuple[str, str, str]
"""Data set, network and loss, as in print."""

Found = tuple[Trained, tuple[str, ...]]


def _ours(layout: Layout, ours: Ours) -> tuple[dict[Place, Found], dict[Place, Reason]]:
    """The trials of each cell with their differences from the paper's, and why other cells are empty."""
    cells: dict[Place, Found] = {}
    empty: dict[Place, Reason] = {}
    absent = Reason.NOT_PLANNED if ours.planned else Reason.NOT_TRAINED
    for (dataset, model), loss in itertools.product(layout.rows, layout.losses):
        place = dataset, model, loss
        if (dataset, model) not in PLACES:
            empty[place] = Reason.UNKNOWN_NETWORK
        elif loss not in METHODS:
            empty[place] = Reason.UNKNOWN_LOSS
        elif METHODS[loss].calibrator != UNCALIBRATED:
            empty[place] = Reason.OTHER_CALIBRATOR
        elif len(found := ours.closest(layout.paper, dataset, model, loss)) != 1:
            empty[place] = Reason.AMBIGUOUS if found else absent
        else:
            (cells[place],) = found
    return cells, empty


def _as_printed(
    trials: pd.DataFrame, cells: Mapping[Place, Trained]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[Place, str]]:
    """The trials under their printed names, those planned, and the variant of each cell.

    A row of print is one network, though its losses may be trained in different ways: there is one variant.
    """
    import pandas as pd

    positions, labels, planned = [], [], []
    for place, trained in cells.items():
        for seed in trained.planned:
            row = trained.rows.get(seed)
            key = f"{'/'.join(place)}/{seed}" if row is None else trials["key"][row]
            planned.append((key, seed, *place, ""))
            if row is not None:
                positions.append(row)
                labels.append((*place, ""))
    frame = trials.iloc[positions].reset_index(drop=True)
    variants = {
        (dataset, model, loss): str(variant)
        for (dataset, model, loss, _), variant in zip(labels, frame["variant"], strict=True)
    }
    named = frame.assign(**dict(zip(CELL, zip(*labels, strict=True), strict=True)))
    return named, pd.DataFrame(planned, columns=["key", "seed", *CELL]), variants


def _laid(layout: Layout, table: Table, variants: Mapping[Place, str], notes: Sequence[str]) -> Table:
    """A table in the rows and columns of print."""
    at: dict[tuple[Place, str], Cell | None] = {}
    for row in table.rows:
        for (loss, scaling), cell in zip(table.columns, row.cells, strict=True):
            place = row.dataset, row.model, loss
            at[place, scaling] = cell if cell is None else replace(cell, variant=variants.get(place, ""))
    # A metric that scaling cannot change has one column; else those of print.
    shown = table.scalings if len(table.scalings) == 1 else layout.scalings
    metric = next(m for m in layout.metrics if METRICS[m] == table.metric.name)
    rows = tuple(
        Row(*row, "", tuple(at.get(((*row, loss), each)) for loss in layout.losses for each in shown))
        for row in layout.rows
    )
    about = table.about[:-1] + (WHEN[layout.scalings[0]] if len(layout.scalings) == 1 else "") + "."
    return replace(
        table,
        metric=replace(table.metric, title=TITLES.get(metric, table.metric.title)),
        losses=layout.losses,
        rows=rows,
        about=about,
        numbers=tuple(_reading(layout, table, rows)),
        notes=(*(note for note in table.notes if note != NOT_PLANNED), *notes),
        only=shown[0] if len(shown) == 1 else "",
    )


def _reading(layout: Layout, table: Table, rows: Sequence[Row]) -> Iterable[str]:
    """How to read the numbers. As in print, there are neither deviations nor floors."""
    cells = [cell for row in rows for cell in row.cells if cell is not None]
    if "after" in table.scalings:
        yield captions.scaling(table.calibrator, bool(layout.digits))
    fewer = ", of n where n is given" if any(0 < cell.seeds < table.seeds for cell in cells) else ""
    yield f"Means over {table.seeds} seeds{fewer}." if table.seeds > 1 else "One seed."
    if any(cell.calibrated for cell in cells):
        yield (
            f"{CALIBRATED}: no more than the error of calibrated networks with the same confidences, so "
            f"calibration is not rejected at {captions.REJECTED}."
        )
    yield from captions.warning_sentences(rows, temperatures=bool(layout.digits))


def _reasons(layout: Layout, empty: Mapping[Place, Reason]) -> list[str]:
    """Notes on empty cells: by reason, the networks and, if others have numbers, their losses."""
    by_reason: dict[Reason, dict[tuple[str, ...], list[tuple[str, str]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for dataset, model in layout.rows:
        losses: dict[Reason, list[str]] = defaultdict(list)
        for loss in layout.losses:
            if reason := empty.get((dataset, model, loss)):
                losses[reason].append(loss)
        for reason, those in losses.items():
            whole = len(those) == len(layout.losses)
            by_reason[reason][() if whole else tuple(those)].append((dataset, model))
    notes = []
    for reason, by_losses in by_reason.items():
        parts = []
        for some, networks in by_losses.items():
            of = f"{', '.join(some)} on " if some else ""
            parts.append(of + "every network" * (len(networks) == len(layout.rows)))
            if len(networks) < len(layout.rows):
                parts[-1] = of + _networks(networks)
        notes.append(f"Empty ({reason.text}): {'; '.join(parts)}.")
    return notes


def _networks(places: Iterable[tuple[str, str]]) -> str:
    """'CIFAR-10 (ResNet-50, ResNet-110), SST Binary (Tree-LSTM)'."""
    models: dict[str, list[str]] = defaultdict(list)
    for dataset, model in places:
        models[dataset].append(model)
    return ", ".join(f"{dataset} ({', '.join(those)})" for dataset, those in models.items())


def _differences(cells: Mapping[Place, Found]) -> list[str]:
    """Notes on settings of our trials that differ from the paper's, and on definitions that do."""
    by_settings: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (dataset, model, loss), (_, differing) in cells.items():
        by_settings[dataset, model]["; ".join(differing)].append(loss)
    notes = []
    for place, by_text in by_settings.items():
        for text, losses in by_text.items():
            if text:
                which = f" ({', '.join(losses)})" if len(by_text) > 1 else ""
                notes.append(f"{' / '.join(place)}{which}: trained with {text}.")
        if remark := REMARKS.get(place):
            notes.append(remark)
    return notes


def listed() -> list[tuple[str, str]]:
    """The name of each published table, and its metrics, networks and losses or why it cannot be filled."""
    titles = {name: metric.title for name, metric in known_metrics().items()}
    found: list[tuple[str, str]] = []
    for name in published_tables():
        if name in UNAVAILABLE:
            found.append((name, f"not available: {UNAVAILABLE[name]}"))
            continue
        layout = Layout.of(name)
        metrics = " and ".join(TITLES.get(m, titles[METRICS[m]]) for m in layout.metrics)
        several = len(layout.scalings) > 1
        when = ", before and after temperature scaling" if several else WHEN[layout.scalings[0]]
        size = f"{len(layout.rows)} networks, {counted(len(layout.losses), 'loss')}"
        found.append((name, f"{metrics}{when}: {size}"))
    return found
