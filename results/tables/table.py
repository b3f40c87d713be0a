"""Result tables in the papers' layout, from a data frame of finished trials alone.

One table per metric: a row for each data set and model, a column for each loss, before and after calibration.
`build` makes the tables, `render` writes them as Markdown, LaTeX, HTML or CSV.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from results.scoring.scores import (
    DEFAULT,
    UNCALIBRATED,
    Metric,
    Score,
    chosen,
    criterion_of,
    known_metrics,
    shown_of,
)
from results.store import code
from results.tables import names
from results.tables.evaluations import Part, grouped, named, parts
from results.tables.layout import MISSING, MIXED, TEST_SET, UNDEFINED, Cell, Row, Table, scalings
from results.tables.rendering import FORMATS, render
from results.tables.statistics import CELL, Settings, described, differing, settings_of_variants, summarise
from trainables import tasks
from trainables.catalogue import CALIBRATORS

__all__ = ["FORMATS", "Cell", "Row", "Table", "build", "render"]

KINDS = {"dataset": "data set", "model": "model", "loss": "loss", "training": "training"}

TOLD_HOLES = 8
"""Most cells with missing trials that a note names; the rest are counted."""


def build(
    evaluations: pd.DataFrame,
    expected: pd.DataFrame | None = None,
    calibrator: str = "temperature_ece",
    metrics: Sequence[str] = DEFAULT,
    elsewhere: Sequence[str] = (),
) -> list[Table]:
    """Builds a table for each metric on the test set, then those for other data.

    Args:
        evaluations: One row per finished trial and evaluation, from `Snapshot.evaluations()`.
        expected: One row per trial and evaluation of the sweep, from `expected_frame`: other trials are
            ignored, and unfinished ones are shown as missing. Without it a hole is a cell that a row lacks
            and another loss has.
        calibrator: The calibrator, fitted to validation data, after which scores are shown as well.
        metrics: Names of metrics on the test set.
        elsewhere: Names of metrics on other data.

    Raises:
        ConfigurationError: The calibrator or a metric is unknown, no trial is finished, trials lack a column,
            or two trials of one cell have the same seed.
    """
    return [
        table
        for part in split(evaluations, expected, metrics, elsewhere)
        for table in named(part, _built(grouped(part), calibrator))
    ]


def split(
    evaluations: pd.DataFrame,
    expected: pd.DataFrame | None,
    metrics: Sequence[str],
    elsewhere: Sequence[str] = (),
) -> list[Part]:
    """The parts of `build`: first those on the test set, one for each task, then the others.

    Raises ConfigurationError for a metric that does not exist.
    """
    by_tasks, elsewhere_by_tasks = by_task(metrics), by_task(elsewhere)
    found = [
        part
        for task in dict.fromkeys([*by_tasks, *elsewhere_by_tasks])
        for part in parts(
            only(evaluations, task),
            None if expected is None else only(expected, task),
            by_tasks.get(task, ()),
            elsewhere_by_tasks.get(task, ()),
        )
    ]
    return sorted(found, key=lambda part: part.data != TEST_SET)


def by_task(metrics: Sequence[str]) -> dict[str, list[str]]:
    """Groups names of metrics by their task.

    Raises ConfigurationError for a name that does not exist.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for metric in chosen(metrics):
        found[metric.task].append(metric.name)
    return found


def default_metrics(trials: pd.DataFrame, usual: Sequence[str] = DEFAULT) -> list[str]:
    """The default metrics of tables, for each task of the trials.

    Args:
        usual: Those for classification.
    """
    found = trials["task"].fillna(tasks.DEFAULT) if "task" in trials.columns else [tasks.DEFAULT]
    return [name for task in dict.fromkeys(sorted(found)) for name in shown_of(task, usual)]


def only(frame: pd.DataFrame, task: str) -> pd.DataFrame:
    """The trials of one task. A frame without tasks is for classification."""
    if "task" not in frame.columns:
        return frame
    return frame[frame["task"].fillna(tasks.DEFAULT) == task]


def _built(part: Part, calibrator: str) -> list[Table]:
    """The tables of one part."""
    trials, expected, metrics = part.frame, part.expected, part.metrics
    chosen_metrics = chosen(metrics)
    criterion = criterion_of(calibrator)
    temperature = f"temperature_{criterion}" if criterion else None
    columns = {score.column for score in needed(metrics, calibrator)}
    scaled = any("after" in scalings(metric, calibrator) for metric in chosen_metrics)
    summary = _in_print_order(
        summarise(trials, [*([temperature] if scaled and temperature else []), *sorted(columns)], expected)
    )
    losses = tuple(sorted(set(summary["loss"]), key=lambda label: names.rank(names.LOSSES, label)))
    where = [*zip(*(summary[name] for name in ("dataset", "model", "settings", "loss")), strict=True)]
    places = [*dict.fromkeys(place[:3] for place in where)]
    full = int((summary["seeds"] + summary["missing"].map(len)).max())
    holes = _notes_on_holes(summary, len(places) * len(losses), expected is not None)
    training = _notes_on_training(summary, settings_of_variants(trials, expected))
    mixed = code.mixed(trials, expected)
    absent = None if expected is not None else Cell("", math.nan, math.nan, 0, (), math.nan)

    tables = []
    for metric in chosen_metrics:
        cells = []
        for scaling in scalings(metric, calibrator):
            with_temperature = temperature if scaling == "after" else None
            of_column = _cells(summary, _column(metric, scaling, calibrator), with_temperature, mixed)
            cells.append(dict(zip(where, of_column, strict=True)))
        rows = []
        for dataset, model, settings in places:
            by_scaling = [
                with_best(metric, [part.get((dataset, model, settings, loss), absent) for loss in losses])
                for part in cells
            ]
            ordered = tuple(cell for loss in zip(*by_scaling, strict=True) for cell in loss)
            rows.append(Row(dataset, model, settings, ordered))
        caption = _caption(metric, calibrator, full, rows, part.data)
        notes = (*holes, *training, *_notes_on_undefined(rows), *_notes_on_code(mixed))
        tables.append(Table(metric, calibrator, losses, tuple(rows), full, caption, notes, part.data))
    return tables


def needed(metrics: Sequence[str], calibrator: str) -> list[Score]:
    """The scores in tables of these metrics, before and after a calibrator."""
    return [
        Score("test", metric.name, calibrator if scaling == "after" else UNCALIBRATED)
        for metric in chosen(metrics)
        for scaling in scalings(metric, calibrator)
    ]


def _column(metric: Metric, scaling: str, calibrator: str) -> str:
    return Score("test", metric.name, calibrator if scaling == "after" else UNCALIBRATED).column


def _in_print_order(summary: pd.DataFrame) -> pd.DataFrame:
    """Sorts data sets, models and losses of the summary as in the papers, and keeps the order of settings."""
    places = [*zip(summary["dataset"], summary["model"], summary["settings"], summary["loss"], strict=True)]
    settings = {place[:3]: position for position, place in reversed([*enumerate(places)])}

    def key(row: int) -> tuple[object, ...]:
        dataset, model, _, loss = place = places[row]
        ranks = names.rank(names.DATASETS, dataset), names.rank(names.MODELS, model)
        return (*ranks, settings[place[:3]], names.rank(names.LOSSES, loss))

    return summary.iloc[sorted(range(len(places)), key=key)]


def _cells(
    summary: pd.DataFrame, column: str, temperature: str | None, mixed: Mapping[tuple[Any, ...], list[str]]
) -> list[Cell]:
    """The cell of each row of the summary, for one column of the store."""
    numbers = [f"{column}_mean", f"{column}_deviation", "seeds", "missing"]
    temperatures = summary[f"{temperature}_mean"].tolist() if temperature else [math.nan] * len(summary)
    values = (summary[name].tolist() for name in ("variant", *numbers))
    places = zip(*(summary[name] for name in CELL), strict=True)
    cells = zip(places, zip(*values, temperatures, strict=True), strict=True)
    return [replace(Cell(*cell), mixed=place in mixed) for place, cell in cells]


def with_best(metric: Metric, cells: Sequence[Cell | None]) -> list[Cell | None]:
    """The cells of one row and scaling with the best means marked, including all that print alike.

    A mean without competitors is not marked.
    """
    printed = [
        float(metric.printed(cell.mean)) if cell is not None and not math.isnan(cell.mean) else math.nan
        for cell in cells
    ]
    there = [value for value in printed if not math.isnan(value)]
    if metric.direction is None or len(there) < 2:
        return list(cells)
    best = min(there) if metric.direction == "lower" else max(there)
    return [
        replace(cell, best=True) if cell is not None and value == best else cell
        for cell, value in zip(cells, printed, strict=True)
    ]


def _caption(metric: Metric, calibrator: str, full: int, rows: Iterable[Row], data: str) -> str:
    cells = [cell for row in rows for cell in row.cells if cell is not None]
    title = f" ({metric.title})" if metric.title not in metric.meaning else ""
    facts = [f"in {metric.printed_unit}"] if metric.printed_unit else []
    number = f"{metric.number} bins"
    facts += [number] if metric.bins and number not in metric.title else []
    facts += [f"{metric.direction} is better"] if metric.direction else []
    sentences = [", ".join([f"{metric.meaning}{title} on {data}", *facts]) + "."]
    changed = metric.changed_by(calibrator)
    if changed and (criterion := criterion_of(calibrator)):
        by = known_metrics()[criterion]
        bins = f" ({by.number} bins)" if by.bins else ""
        there = any(not math.isnan(cell.temperature) for cell in cells)
        brackets = "mean temperature in brackets, " if there else ""
        sentences.append(
            f"Pre T: as trained; post T: after temperature scaling, {brackets}the "
            f"temperature of each trial chosen by validation {by.title}{bins}."
        )
    elif changed:
        spec = CALIBRATORS[calibrator].spec
        sentences.append(
            f"Pre {spec.symbol}: as trained; post {spec.symbol}: after {spec.title}, fitted to each "
            "trial's validation data."
        )
    elif calibrator == UNCALIBRATED:
        sentences.append("As trained, without calibration.")
    if full > 1:
        fewer = ", of n seeds where n is given" if any(0 < cell.seeds < full for cell in cells) else ""
        sentences.append(f"Mean ± standard deviation (n-1) over {full} seeds{fewer}.")
    else:
        sentences.append("One seed.")
    if any(cell.best for cell in cells):
        symbol = CALIBRATORS[calibrator].spec.symbol
        apart = f", pre {symbol} and post {symbol} apart" if changed else ""
        sentences.append(f"Bold: best mean of each row{apart}.")
    return " ".join(sentences)


def _notes_on_holes(summary: pd.DataFrame, cells: int, planned: bool) -> list[str]:
    if not planned:
        holes = cells - len(summary)
        return [f"—: no finished trial ({holes} of {cells} cells)."] if holes else []
    notes = []
    gaps: list[Any] = [row for row in summary.itertuples() if row.missing]
    if gaps:
        parts = []
        for row in gaps[:TOLD_HOLES]:
            seeds = "seeds" if len(row.missing) > 1 else "seed"
            parts.append(
                f"{_place(row)} / {names.loss(row.loss)}: {seeds} {', '.join(map(str, row.missing))}"
            )
        if len(gaps) > TOLD_HOLES:
            parts.append(f"and {len(gaps) - TOLD_HOLES} more cells")
        missing = sum(len(row.missing) for row in gaps)
        total = missing + int(summary["seeds"].sum())
        dash = f" ({MISSING} where a cell has none)" if any(row.seeds == 0 for row in gaps) else ""
        notes.append(f"Missing{dash}: {missing} of {total} trials. {'; '.join(parts)}.")
    if len(summary) < cells:
        notes.append("Empty cells are not part of the sweep.")
    return notes


def _notes_on_training(summary: pd.DataFrame, known: Mapping[str, Settings]) -> list[str]:
    """Notes on losses that share a row but were trained differently."""
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in summary.itertuples():
        rows[_place(row)].append(row)
    notes: dict[str, list[str]] = defaultdict(list)
    for place, cells in rows.items():
        if len({cell.variant for cell in cells}) == 1:
            continue
        # Each loss has its own versions, so a difference between them means nothing.
        trained = {
            cell.loss: {name: value for name, value in known[cell.variant].items() if name != "loss version"}
            for cell in cells
            if cell.variant in known
        }
        if not trained:
            continue
        (usual_text, _), *_ = Counter(map(repr, trained.values())).most_common(1)
        usual = next(settings for settings in trained.values() if repr(settings) == usual_text)
        for loss, settings in trained.items():
            if settings != usual:
                changed = differing([usual, settings])
                here, elsewhere = described(settings, changed), described(usual, changed)
                notes[f"{names.loss(loss)} with {here} (else {elsewhere})"].append(place)
    return [
        f"Trained unlike the rest of its row: {text}: {'; '.join(where)}." for text, where in notes.items()
    ]


def _notes_on_undefined(rows: Iterable[Row]) -> list[str]:
    cells = [cell for row in rows for cell in row.cells if cell is not None and cell.seeds]
    undefined = any(math.isnan(cell.mean) for cell in cells)
    return [f"{UNDEFINED}: the score has no value for at least one of the seeds."] if undefined else []


def _notes_on_code(mixed: Mapping[tuple[Any, ...], list[str]]) -> list[str]:
    if not mixed:
        return []
    parts = []
    for (dataset, model, loss, _), kinds in mixed.items():
        changed = ", ".join(KINDS[kind] for kind in kinds)
        parts.append(f"{names.dataset(dataset)} / {names.model(model)} / {names.loss(loss)} ({changed})")
    more = [f"and {len(parts) - TOLD_HOLES} more cells"] if len(parts) > TOLD_HOLES else []
    return [
        f"{MIXED}: trials made by different code, or versions of torch, that do not compute the same: "
        f"{'; '.join([*parts[:TOLD_HOLES], *more])}."
    ]


def _place(row: Any) -> str:
    settings = f" ({row.settings})" if row.settings else ""
    return f"{names.dataset(row.dataset)} / {names.model(row.model)}{settings}"
