"""Builds the content of a report from tables and stored trials."""

from __future__ import annotations

import colorsys
import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from results.figures.looks import hex_of, look, rgb_of
from results.report.again import again
from results.report.answers import answer
from results.report.page import Answer, Cell, Column, Diagram, Loss, Metric, Network, Trial, Value
from results.report.trials import ReadCurves, curves, diagram, facts, origin
from results.scoring.samples import Samples, of_test_set
from results.scoring.scores import UNCALIBRATED, Score, criterion_of
from results.scoring.scores import Metric as Scored
from results.tables import names
from results.tables.evidence import Predictions
from results.tables.layout import Cell as TableCell
from results.tables.layout import Table
from results.tables.methods import by_method
from results.tables.statistics import CELL, described, settings_of_variants
from results.tables.warnings import AT_EDGE, FEW, at_edge
from trainables.shell import quoted

MOST_TRIALS = 1000
"""The page of more trials would be too large with their diagrams and curves."""

UNREAD = (
    f"Of more than {MOST_TRIALS:,} trials, reliability diagrams and curves are left out: report a "
    "smaller sweep."
)

LIGHTEST = 0.62
"""Least lightness of a loss's colour on a dark screen, unless it is grey."""


@dataclass(frozen=True)
class Source:
    """The stored trials behind a report.

    Attributes:
        frame: One row per finished trial on the test set, under the names of the sweep.
        predictions, curves: Read stored data by key.
        store: Its address, for commands.
        plugins: Files of components, for commands.
    """

    frame: pd.DataFrame
    predictions: Predictions
    curves: ReadCurves
    store: str
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Built:
    """The parts of a page that come from trials."""

    losses: tuple[Loss, ...]
    networks: tuple[Network, ...]
    metrics: tuple[Metric, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]
    answers: tuple[tuple[Answer | None, ...], ...]
    origins: tuple[Mapping[str, str], ...]
    omitted: str


def build(tables: Sequence[Table], source: Source) -> Built:
    """The parts of a page that come from trials.

    Args:
        tables: On the test set.
    """
    return _Building(tables, source).built()


class _Building:
    def __init__(self, tables: Sequence[Table], source: Source):
        self.tables, self.source = tables, source
        self.calibrator = tables[0].calibrator
        self.labels = list(dict.fromkeys(label for table in tables for label in table.losses))
        self.places = list(
            dict.fromkeys((row.dataset, row.model, row.settings) for table in tables for row in table.rows)
        )
        self.losses = tuple(Loss(label, names.loss(label), *_colors(label)) for label in self.labels)
        self.metrics = tuple(_metric(table) for table in tables)
        self.columns = tuple(
            Column(number, scaling, table.heading(scaling), 4 if table.metric.unit == "none" else 2)
            for number, table in enumerate(tables)
            for scaling in table.scalings
        )
        self.error = next(
            (n for n, each in enumerate(self.columns) if self.metrics[each.metric].name == "error"), None
        )
        self.scored = [self._score(column) for column in self.columns]
        self.origins: dict[str, int] = {}
        self.whole = len(source.frame) <= MOST_TRIALS
        self.settings = settings_of_variants(source.frame)
        self.rows: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        methods = by_method(source.frame)[CELL].itertuples(index=False, name=None)
        for row, cell in zip(source.frame.to_dict("records"), methods, strict=True):
            self.rows[cell].append({str(n): value for n, value in row.items()})

    def _score(self, column: Column) -> tuple[str, float]:
        """The column of a row that holds a score, and the factor to units of print."""
        metric = self.tables[column.metric].metric
        by = self.calibrator if column.scaling == "after" else UNCALIBRATED
        return Score("test", metric.name, by).column, 1.0 if metric.unit == "none" else 100.0

    def built(self) -> Built:
        cells: list[Cell] = []
        answers: list[tuple[Answer | None, ...]] = []
        for number in range(len(self.places)):
            own, found = self._network(number)
            cells += own
            answers.append(found)
        return Built(
            self.losses,
            self._networks(),
            self.metrics,
            self.columns,
            tuple(cells),
            tuple(answers),
            tuple(json.loads(each) for each in self.origins),
            "" if self.whole else UNREAD,
        )

    def _networks(self) -> tuple[Network, ...]:
        titles = names.networks(self.places)
        few = {(row.dataset, row.model, row.settings) for each in self.tables for row in each.rows if row.few}
        return tuple(Network(*place, titles[place] + FEW * (place in few)) for place in self.places)

    def _network(self, number: int) -> tuple[list[Cell], tuple[Answer | None, ...]]:
        """The cells of a network, and its answers by column."""
        of_losses = self._cells_of_tables(self.places[number])
        rows = {
            loss: self.rows[(*self.places[number][:2], self.labels[loss], variant)]
            for loss, (variant, _) in of_losses.items()
        }
        keys = [row["key"] for of_loss in rows.values() for row in of_loss]
        before, after = self._samples([row for of_loss in rows.values() for row in of_loss])
        read = self.source.curves(keys) if self.whole else {}
        trials = {
            loss: tuple(
                self._trial(row, before, after, read)
                for row in sorted(of_loss, key=lambda row: (row["seed"], row["key"]))
            )
            for loss, of_loss in rows.items()
        }
        cells = [
            self._cell(number, loss, variant, of_columns, rows[loss], trials[loss])
            for loss, (variant, of_columns) in of_losses.items()
        ]
        errors = self._values_in(cells, self.error)
        answers = []
        for position, column in enumerate(self.columns):
            metric = self.metrics[column.metric]
            values = self._values_in(cells, position)
            tested = after if column.scaling == "after" else before
            answers.append(
                answer(
                    self.losses,
                    metric,
                    column,
                    position,
                    values,
                    trials,
                    tested,
                    {} if self.tables[column.metric].metric.order_only else errors,
                )
                if metric.direction
                else None
            )
        return cells, tuple(answers)

    def _values_in(self, cells: Sequence[Cell], position: int | None) -> dict[int, Value]:
        """The values of losses with trials in a column; none in no column."""
        if position is None:
            return {}
        return {
            cell.loss: value for cell in cells if (value := cell.scores[position]) is not None and cell.trials
        }

    def _cells_of_tables(
        self, place: tuple[str, str, str]
    ) -> dict[int, tuple[str, list[tuple[Table, TableCell] | None]]]:
        """The variant of each loss of a network, and its cell in each column with the table."""
        found: dict[int, tuple[str, list[tuple[Table, TableCell] | None]]] = {}
        start = 0
        for table in self.tables:
            width = len(table.scalings)
            for row in table.rows:
                if (row.dataset, row.model, row.settings) != place:
                    continue
                for position, cell in enumerate(row.cells):
                    if cell is None or cell.says_nothing or (not cell.seeds and not cell.missing):
                        continue
                    loss = self.labels.index(table.losses[position // width])
                    _, cells = found.setdefault(loss, (cell.variant, [None] * len(self.columns)))
                    cells[start + position % width] = (table, cell)
            start += width
        return dict(sorted(found.items()))

    def _samples(self, rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Samples], dict[str, Samples]]:
        """The test samples of trials by key, before and after calibration."""
        if not self.whole:
            return {}, {}
        tables = self.source.predictions([row["key"] for row in rows])
        criterion = criterion_of(self.calibrator)
        before, after = {}, {}
        for row in rows:
            if (table := tables.get(row["key"])) is None:
                continue
            before[row["key"]] = of_test_set(table)
            temperature = row[f"temperature_{criterion}"] if criterion else None
            after[row["key"]] = of_test_set(table, self.calibrator, temperature)
        return before, after

    def _trial(
        self,
        row: Mapping[str, Any],
        before: Mapping[str, Samples],
        after: Mapping[str, Samples],
        read: Mapping[str, pd.DataFrame],
    ) -> Trial:
        key, criterion = str(row["key"]), criterion_of(self.calibrator)
        diagrams: tuple[Diagram, ...] = ()
        if key in before:
            diagrams = tuple(diagram(each[key].confidences, each[key].correct) for each in (before, after))
        epoch = row.get("reported_epoch", math.nan)
        temperature = float(row.get(f"temperature_{criterion}", math.nan))
        shared = json.dumps(origin(row), sort_keys=False)
        return Trial(
            key,
            int(row["seed"]),
            temperature,
            AT_EDGE * at_edge([temperature]),
            0 if pd.isna(epoch) else int(epoch) + 1,
            tuple(_number(row.get(column), factor) for column, factor in self.scored),
            diagrams,
            curves(read[key]) if key in read else None,
            facts(row),
            self.origins.setdefault(shared, len(self.origins)),
        )

    def _cell(
        self,
        network: int,
        loss: int,
        variant: str,
        of_columns: Sequence[tuple[Table, TableCell] | None],
        rows: Sequence[Mapping[str, Any]],
        trials: tuple[Trial, ...],
    ) -> Cell:
        place, label = self.places[network], self.labels[loss]
        there = [each for each in of_columns if each is not None]
        line: tuple[str, ...] = ()
        if rows:
            identity = json.loads(str(rows[0]["identity"]))
            line = again(identity, str(rows[0].get("protocol", "")), label, self.source.plugins)
        settings = self.settings.get(variant)
        shown = quoted("calibsweep", "show", place[0], place[1], label, "--store", self.source.store)
        return Cell(
            network,
            loss,
            there[0][1].missing,
            tuple(None if each is None else _value(*each) for each in of_columns),
            trials,
            line,
            shown,
            described(settings, settings) if settings else "",
        )


def _value(table: Table, cell: TableCell) -> Value:
    pieces, floor = table.pieces(cell), cell.floor
    scale = 1.0 if table.metric.unit == "none" else 100.0
    return Value(
        pieces.mean,
        pieces.deviation,
        scale * cell.mean,
        cell.best,
        scale * floor.mean if floor else math.nan,
        scale * floor.upper if floor else math.nan,
        cell.calibrated,
        cell.near_chance,
    )


def _metric(table: Table) -> Metric:
    scored: Scored = table.metric
    points = "points" if scored.unit == "percent" else ""
    return Metric(scored.name, scored.title, table.about, scored.direction or "", points)


def _number(value: Any, factor: float) -> float:
    return math.nan if value is None or pd.isna(value) else factor * float(value)


def _colors(label: str) -> tuple[str, str]:
    """The colour of a loss in all figures, and one of the same hue that a dark screen shows."""
    color = look(label).color
    hue, lightness, saturation = colorsys.rgb_to_hls(*rgb_of(color))
    lightness = max(lightness, LIGHTEST) if saturation >= 0.2 else 1 - 0.55 * lightness
    return color, hex_of(colorsys.hls_to_rgb(hue, lightness, saturation))


def shared_facts(origins: Sequence[Mapping[str, str]], counts: Counter[int], name: str) -> str:
    """The values of a fact over all trials, the most frequent first."""
    found: Counter[str] = Counter()
    for number, times in counts.items():
        if name in origins[number]:
            found[origins[number][name]] += times
    return ", ".join(value for value, _ in found.most_common())
