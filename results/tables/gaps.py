"""The gap matrix: for each training loss and calibrator, the improvement of NLL and Brier score.

Beside it are the error and both parts of the score, refinement and calibration (Berta et al., 'Rethinking
Early Stopping: Refine, Then Calibrate', 2025, section 4): the best temperature for the test set itself would
remove the calibration part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from results.scoring.scores import UNCALIBRATED, Metric, Score, chosen
from results.statistics import ties
from results.store import code
from results.tables.layout import LEVEL
from results.tables.methods import by_method
from results.tables.notes import notes_on_code, notes_on_holes, notes_on_training
from results.tables.statistics import CELL, settings_of_variants, summarise
from results.tables.table import in_print_order
from trainables.catalogue import CALIBRATORS

METRICS = ("nll", "brier")
"""The proper scores, whose improvement is measured."""

ERROR = Score("test", "error")


@dataclass(frozen=True)
class Number:
    """A score over the seeds of a loss, or the improvement of a score; in the stored unit.

    Attributes:
        mean: NaN without seeds, or if a seed has no value; -inf if the score is infinite after calibration.
        deviation: Standard deviation (n-1); of paired differences for an improvement.
        standard_error: Of the mean over the seeds.
        by_seed: The value of each seed.
        best: Whether it is the greatest improvement of its loss, or cannot be told from it.
    """

    mean: float
    deviation: float
    standard_error: float
    by_seed: Mapping[int, float]
    best: bool = False


@dataclass(frozen=True)
class Line:
    """One training loss.

    Attributes:
        loss: Its label.
        variant: Digest of the training settings.
        seeds: Number of finished seeds.
        missing: Expected seeds without a finished trial.
        mixed: Whether its trials were made by code that computes different numbers.
        error: Classification error, as trained.
        score: The proper score, as trained.
        refinement: Its part that remains at the best temperature for the test set.
        calibration: The rest of it.
        gains: The improvement by each calibrator.
    """

    loss: str
    variant: str
    seeds: int
    missing: tuple[int, ...]
    mixed: bool
    error: Number
    score: Number
    refinement: Number
    calibration: Number
    gains: tuple[Number, ...]


@dataclass(frozen=True)
class Matrix:
    """One proper score of one network.

    Attributes:
        dataset, model: Their labels.
        settings: Training settings that distinguish it from other networks of these labels; else ''.
        metric: The proper score.
        calibrators: Their names, those of the greatest mean improvement first.
        lines: Of each loss.
        seeds: The usual number of seeds of a line.
        notes: Sentences below the table.
    """

    dataset: str
    model: str
    settings: str
    metric: Metric
    calibrators: tuple[str, ...]
    lines: tuple[Line, ...]
    seeds: int
    notes: tuple[str, ...]


def needed() -> list[Score]:
    """The scores of a gap matrix that belong to no calibrator."""
    refinements = [Score("test", f"{metric}_refinement") for metric in METRICS]
    return [ERROR, *(Score("test", metric) for metric in METRICS), *refinements]


def of_calibrator(calibrator: str) -> list[Score]:
    """The scores of a calibrator's column."""
    return [Score("test", metric, calibrator) for metric in METRICS]


def known_calibrators() -> list[str]:
    """All calibrators by name."""
    return [name for name in CALIBRATORS.names() if name != UNCALIBRATED]


def build(
    evaluations: pd.DataFrame, expected: pd.DataFrame | None, calibrators: Sequence[str]
) -> list[Matrix]:
    """The matrices of each network: of NLL, then of the Brier score.

    Args:
        evaluations: One row per finished trial of classification, on the test set, with the columns of
            `needed` and `of_calibrator`.
        expected: The trials of a sweep: others are ignored, and unfinished ones are missing.
        calibrators: Their names.

    Raises:
        ConfigurationError: No trial is finished, or two trials of one cell have the same seed.
    """
    evaluations = by_method(evaluations)
    expected = None if expected is None else by_method(expected)
    columns = {score.column: evaluations[score.column] for score in needed()}
    for metric in METRICS:
        plain = evaluations[Score("test", metric).column]
        columns[_calibration(metric)] = plain - evaluations[Score("test", f"{metric}_refinement").column]
        for score in (Score("test", metric, calibrator) for calibrator in calibrators):
            columns[_gain(metric, score.calibrator)] = plain - evaluations[score.column]
    kept = evaluations[["key", "seed", "identity", *CELL]]
    summary = in_print_order(summarise(kept.assign(**columns), [*columns], expected))
    holes = notes_on_holes(summary, len(summary), planned=expected is not None)
    mixed = code.mixed(evaluations, expected)
    notes = (
        *holes,
        *notes_on_training(summary, settings_of_variants(evaluations, expected)),
        *notes_on_code(mixed),
    )
    networks: dict[tuple[str, str, str], list[pd.Series]] = {}
    for _, row in summary.iterrows():
        networks.setdefault((row["dataset"], row["model"], row["settings"]), []).append(row)
    return [
        _matrix(network, metric, calibrators, rows, mixed, notes)
        for network, rows in networks.items()
        for metric in chosen(METRICS)
    ]


def _calibration(metric: str) -> str:
    return f"calibration of {metric}"


def _gain(metric: str, calibrator: str) -> str:
    return f"gain of {metric} by {calibrator}"


def _matrix(
    network: tuple[str, str, str],
    metric: Metric,
    calibrators: Sequence[str],
    rows: Sequence[pd.Series],
    mixed: Mapping[tuple[str, ...], list[str]],
    notes: Sequence[str],
) -> Matrix:
    gains = {name: [_number(row, _gain(metric.name, name)) for row in rows] for name in calibrators}
    there = [place for place, row in enumerate(rows) if row["seeds"]]

    def rank(calibrator: str) -> float:
        means = [gains[calibrator][place].mean for place in there]
        return -float(np.mean(means)) if not any(map(math.isnan, means)) else math.inf

    # Python's sort keeps the order of equals.
    ordered = tuple(sorted(calibrators, key=rank))
    lines = []
    for place, row in enumerate(rows):
        of_row = _marked([gains[name][place] for name in ordered])
        error, score, refinement, calibration = (
            _number(row, column)
            for column in (
                ERROR.column,
                Score("test", metric.name).column,
                Score("test", f"{metric.name}_refinement").column,
                _calibration(metric.name),
            )
        )
        cell = tuple(row[name] for name in CELL)
        counts = str(row["loss"]), str(row["variant"]), int(row["seeds"]), tuple(row["missing"])
        lines.append(Line(*counts, cell in mixed, error, score, refinement, calibration, tuple(of_row)))
    seeds = max(line.seeds + len(line.missing) for line in lines)
    return Matrix(*network, metric, ordered, tuple(lines), seeds, tuple(notes))


def _number(row: pd.Series, column: str) -> Number:
    if not row["seeds"]:
        return Number(math.nan, math.nan, math.nan, {})
    deviation = float(row[f"{column}_deviation"])
    error = deviation / math.sqrt(row["seeds"])
    return Number(float(row[f"{column}_mean"]), deviation, error, row[f"{column}_by_seed"])


def _marked(gains: Sequence[Number]) -> list[Number]:
    """Marks the greatest improvement, and those that cannot be told from it, unless those are all.

    A calibrator without a finite score for each seed is not compared.
    """
    seeds = sorted({seed for number in gains for seed in number.by_seed})
    table = np.full((len(gains), len(seeds)), math.nan)
    for place, number in enumerate(gains):
        if math.isfinite(number.mean):
            table[place] = [number.by_seed.get(seed, math.nan) for seed in seeds]
    comparison = ties.compare(table, None, "higher", LEVEL)
    tells = bool((comparison.known & ~comparison.tied).any())
    return [
        replace(number, best=tells and bool(tied))
        for number, tied in zip(gains, comparison.tied, strict=True)
    ]
