"""Result tables in the papers' layout, from a data frame of finished trials alone.

One table per metric: a row for each data set and model, a column for each loss, before and after calibration.
`build` makes the tables, `render` writes them as Markdown, LaTeX, HTML or CSV.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    shown_of,
)
from results.store import code
from results.tables import captions, names, warnings
from results.tables.classes import classes_of, says_nothing
from results.tables.evaluations import Part, grouped, named, on_test_set, parts
from results.tables.evidence import MOST_TRIALS, Evidence, Known, Predictions, compared_in
from results.tables.kept_evidence import KeptEvidence
from results.tables.layout import TEST_SET, Cell, Row, Table, scalings
from results.tables.methods import by_method
from results.tables.notes import (
    notes_on_code,
    notes_on_few_classes,
    notes_on_holes,
    notes_on_training,
    notes_on_undefined,
)
from results.tables.rendering import FORMATS, render
from results.tables.statistics import CELL, settings_of_variants, summarise, with_current_names
from trainables import tasks

__all__ = ["FORMATS", "Cell", "Row", "Table", "build", "render"]

UNREAD = (
    f"Of more than {MOST_TRIALS:,} trials the logits are not read: no noise floors, and losses are compared "
    "over seeds alone. `calibsweep store rescore` computes both, and keeps them."
)


def build(
    evaluations: pd.DataFrame,
    expected: pd.DataFrame | None = None,
    calibrator: str = "temperature_ece",
    metrics: Sequence[str] = DEFAULT,
    elsewhere: Sequence[str] = (),
    predictions: Predictions = lambda keys: {},
    kept: KeptEvidence | None = None,
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
        predictions: Returns the stored predictions of trials on the test set. Without them there are no noise
            floors, and losses are compared over seeds alone.
        kept: The evidence in the store, where it is looked up first.

    Raises:
        ConfigurationError: The calibrator or a metric is unknown, no trial is finished, trials lack a column,
            or two trials of one cell have the same seed.
    """
    return [
        table
        for part in split(evaluations, expected, metrics, elsewhere)
        for table in named(part, _built(grouped(part), calibrator, predictions, kept))
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
    evaluations = by_method(evaluations)
    expected = None if expected is None else by_method(expected)
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


def default_metrics(
    trials: pd.DataFrame, predictions: Predictions, usual: Sequence[str] = DEFAULT
) -> list[str]:
    """The default metrics of tables, for each task of the trials, without those that say nothing of any.

    Args:
        predictions: As for `build`.
        usual: Those for classification.
    """
    found = trials["task"].fillna(tasks.DEFAULT) if "task" in trials.columns else [tasks.DEFAULT]
    metrics = chosen(name for task in dict.fromkeys(sorted(found)) for name in shown_of(task, usual))
    own = on_test_set(only(trials, tasks.DEFAULT))
    classes, datasets = _classes(own, metrics, predictions), set(own["dataset"])
    return [
        metric.name
        for metric in metrics
        if metric.task != tasks.DEFAULT or not all(says_nothing(metric, classes, each) for each in datasets)
    ]


def _classes(trials: pd.DataFrame, metrics: Iterable[Metric], predictions: Predictions) -> Mapping[str, int]:
    """The number of classes of each data set, if one of the metrics needs it."""
    return classes_of(trials, predictions) if any(metric.same_up_to > 1 for metric in metrics) else {}


def only(frame: pd.DataFrame, task: str) -> pd.DataFrame:
    """The trials of one task. A frame without tasks is for classification."""
    if "task" not in frame.columns:
        return frame
    return frame[frame["task"].fillna(tasks.DEFAULT) == task]


def _built(part: Part, calibrator: str, predictions: Predictions, kept: KeptEvidence | None) -> list[Table]:
    """The tables of one part."""
    trials, expected, metrics = part.frame, part.expected, part.metrics
    chosen_metrics = chosen(metrics)
    temperature = _temperature(part, calibrator)
    summary = _summary(part, calibrator)
    losses = tuple(sorted(set(summary["loss"]), key=lambda label: names.rank(names.LOSSES, label)))
    where = [*zip(*(summary[name] for name in ("dataset", "model", "settings", "loss")), strict=True)]
    places = [*dict.fromkeys(place[:3] for place in where)]
    full = int((summary["seeds"] + summary["missing"].map(len)).max())
    holes = notes_on_holes(summary, len(places) * len(losses), expected is not None)
    training = notes_on_training(summary, settings_of_variants(trials, expected))
    mixed = code.mixed(trials, expected)
    absent = None if expected is not None else Cell("", math.nan, math.nan, 0, (), math.nan)

    named_now = with_current_names(trials, expected)
    classes = _classes(named_now, chosen_metrics, predictions)
    compared = compared_in(summary)
    evidence = Evidence(
        named_now,
        predictions,
        calibrator,
        chosen_metrics,
        # Evaluations on other data have no floors: nothing is left unread.
        None if part.form else kept,
        thorough=bool(part.form),
    )
    evidence.prepare(compared.values())
    unread = [UNREAD] if evidence.unread else []
    tables = []
    for metric in chosen_metrics:
        cells = []
        for scaling in scalings(metric, calibrator):
            with_temperature = temperature if scaling == "after" else None
            of_column = _cells(summary, _column(metric, scaling, calibrator), with_temperature, mixed)
            cells.append(dict(zip(where, of_column, strict=True)))
        rows, known = [], []
        for dataset, model, settings in places:
            by_scaling = []
            for of_scaling, scaling in zip(cells, scalings(metric, calibrator), strict=True):
                row = {loss: of_scaling.get((dataset, model, settings, loss), absent) for loss in losses}
                if says_nothing(metric, classes, dataset):
                    by_scaling.append([*map(_left_out, row.values())])
                    continue
                there = compared[dataset, model, settings]
                found = evidence.of_row(there, metric, scaling == "after")
                known.append(found)
                by_scaling.append(marked(row, [place.loss for place in there], found, metric))
            ordered = tuple(cell for loss in zip(*by_scaling, strict=True) for cell in loss)
            rows.append(Row(dataset, model, settings, ordered))
        undefined = (*notes_on_undefined(rows), *notes_on_few_classes(rows, metric))
        notes = (*holes, *training, *undefined, *notes_on_code(mixed), *unread)
        tables.append(
            Table(
                metric,
                calibrator,
                losses,
                tuple(rows),
                full,
                captions.about(metric, part.data),
                tuple(captions.numbers(metric, calibrator, full, rows, known)),
                captions.bold(metric, full, known),
                notes,
                part.data,
            )
        )
    return tables


def keep_evidence(
    evaluations: pd.DataFrame,
    expected: pd.DataFrame | None,
    calibrator: str,
    metrics: Sequence[str],
    predictions: Predictions,
    kept: KeptEvidence,
    progress: Callable[[int], object] = lambda done: None,
) -> None:
    """Computes and keeps the evidence in tables of classification on the test set, of any number of trials.

    Args:
        progress: Called with the number of trials whose evidence is kept.
        evaluations, expected, calibrator, metrics, predictions, kept: As for `build`.
    """
    for part in split(evaluations, expected, metrics):
        trials = with_current_names(part.frame, part.expected)
        evidence = Evidence(
            trials, predictions, calibrator, chosen(part.metrics), kept, thorough=True, progress=progress
        )
        evidence.prepare(compared_in(_summary(part, calibrator)).values())


def _temperature(part: Part, calibrator: str) -> str | None:
    """The column of the temperatures in tables of a part; None if they have none."""
    criterion = criterion_of(calibrator)
    scaled = any("after" in scalings(metric, calibrator) for metric in chosen(part.metrics))
    return f"temperature_{criterion}" if scaled and criterion else None


def _summary(part: Part, calibrator: str) -> pd.DataFrame:
    """The means of a part over seeds, sorted as in the papers, and whether a temperature is at an edge."""
    columns = sorted({score.column for score in needed(part.metrics, calibrator)})
    temperature = _temperature(part, calibrator)
    summary = in_print_order(
        summarise(part.frame, [*([temperature] if temperature else []), *columns], part.expected)
    )
    if temperature:
        by_seed = zip(summary["seeds"].tolist(), summary[f"{temperature}_by_seed"].tolist(), strict=True)
        summary[f"{temperature}_at_edge"] = [
            bool(seeds) and warnings.at_edge(found.values()) for seeds, found in by_seed
        ]
    return summary


def marked(
    row: Mapping[str, Cell | None], there: Sequence[str], known: Known, metric: Metric
) -> list[Cell | None]:
    """The cells of one row with floors and marks.

    The best loss shares its mark with all that do not differ from it. Where all losses would share it, there
    is none: nothing is known about which is best.
    """
    tied = dict(zip(there, known.comparison.tied, strict=True))
    floors = dict(zip(there, known.floors, strict=True))
    ruled_out = known.comparison.known & ~known.comparison.tied
    tells = metric.direction is not None and bool(ruled_out.any())
    near_chance = dict(zip(there, known.near_chance, strict=True))
    errors = dict(zip(there, known.standard_errors, strict=True))
    cells: list[Cell | None] = []
    for loss, plain in row.items():
        # An infinite score of one seed is left out of the comparison, and is not the best.
        best = bool(tells and tied.get(loss)) and plain is not None and not math.isinf(plain.mean)
        # Copying tens of thousands of cells takes long.
        if plain is None or loss not in floors or not (best or known.samples):
            cells.append(plain)
            continue
        cells.append(
            replace(
                plain,
                best=best,
                floor=floors[loss],
                samples=known.samples,
                near_chance=near_chance[loss],
                standard_error_samples=errors[loss],
            )
        )
    return cells


def _left_out(cell: Cell | None) -> Cell | None:
    """A cell whose score says nothing, without the score."""
    if cell is None:
        return None
    return Cell(cell.variant, math.nan, math.nan, cell.seeds, cell.missing, math.nan, says_nothing=True)


def needed(metrics: Sequence[str], calibrator: str) -> list[Score]:
    """The scores in tables of these metrics, before and after a calibrator."""
    return [
        Score("test", metric.name, calibrator if scaling == "after" else UNCALIBRATED)
        for metric in chosen(metrics)
        for scaling in scalings(metric, calibrator)
    ]


def _column(metric: Metric, scaling: str, calibrator: str) -> str:
    return Score("test", metric.name, calibrator if scaling == "after" else UNCALIBRATED).column


def in_print_order(summary: pd.DataFrame) -> pd.DataFrame:
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
    values = [summary[name].tolist() for name in ("variant", *numbers, f"{column}_by_seed")]
    means: list[float] = [math.nan] * len(summary)
    by_seed: list[Mapping[int, float]] = [{}] * len(summary)
    at_edge = [False] * len(summary)
    if temperature:
        means, by_seed, at_edge = (
            summary[f"{temperature}_{name}"].tolist() for name in ("mean", "by_seed", "at_edge")
        )
    places = zip(*(summary[name].tolist() for name in CELL), strict=True)
    return [
        Cell(
            variant,
            mean,
            deviation,
            seeds,
            missing,
            mean_temperature,
            mixed=place in mixed,
            by_seed=scores if seeds else {},
            temperatures=temperatures if seeds else {},
            standard_error=deviation / math.sqrt(seeds) if seeds else math.nan,
            at_edge=edge,
        )
        for (
            place,
            variant,
            mean,
            deviation,
            seeds,
            missing,
            scores,
            mean_temperature,
            temperatures,
            edge,
        ) in zip(places, *values, means, by_seed, at_edge, strict=True)
    ]
