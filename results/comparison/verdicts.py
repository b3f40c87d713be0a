"""Verdicts on published numbers, and what an agreement could have excluded."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd

from results.comparison.ours import Ours
from results.comparison.places import METHODS, METRICS, PLACES
from results.scoring.scores import UNCALIBRATED, Score, temperature_by
from results.statistics.binned import Floats
from results.statistics.published import Agreement, agreement, single_run
from results.tables.published import PAPERS

LEVEL = 0.95


class Outcome(Enum):
    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_COMPARABLE = "not_comparable"


class Reason(Enum):
    """Why a number is not comparable, in the order of the checks."""

    UNKNOWN_NETWORK = "unknown_network"
    UNKNOWN_LOSS = "unknown_loss"
    UNKNOWN_METRIC = "unknown_metric"
    OTHER_CALIBRATOR = "other_calibrator"
    UNREADABLE = "unreadable"
    DOUBTED = "doubted"
    AMBIGUOUS = "ambiguous"
    NOT_PLANNED = "not_planned"
    NOT_TRAINED = "not_trained"
    SEEDS_MISSING = "seeds_missing"
    NO_SCORE = "no_score"
    ONE_SEED = "one_seed"

    @property
    def text(self) -> str:
        return TEXTS[self]


TEXTS = {
    Reason.UNKNOWN_NETWORK: "calibsweep has no such data set and network",
    Reason.UNKNOWN_LOSS: "calibsweep has no such loss",
    Reason.UNKNOWN_METRIC: "calibsweep has no such metric",
    Reason.OTHER_CALIBRATOR: "its calibrator is not the table's; `calibsweep compare` has it",
    Reason.UNREADABLE: "the published number is unreadable",
    Reason.DOUBTED: "the published number is doubtful",
    Reason.AMBIGUOUS: "several trainings are equally close to the paper's",
    Reason.NOT_PLANNED: "not part of the sweep",
    Reason.NOT_TRAINED: "no finished trial",
    Reason.SEEDS_MISSING: "seeds are missing",
    Reason.NO_SCORE: "the score of a seed is missing or undefined",
    Reason.ONE_SEED: "one seed has no spread",
}


@dataclass(frozen=True)
class Verdict:
    """A published number beside ours. Numbers are in units of print: percent, and 100 x nats for NLL.

    Attributes:
        paper, table: Where it was published.
        dataset, model, loss, metric: As in print.
        scaling: 'before' or 'after' temperature scaling; 'none' for a metric that it cannot change.
        published, temperature: NaN if unreadable, or not printed.
        outcome: The verdict.
        reason: Why it is not comparable; None if it is.
        detail: More on the reason: the doubt, the missing seeds.
        seeds: Number of ours.
        mean, deviation: Of ours, n - 1; NaN without.
        low, high: The published numbers that would agree; NaN if not comparable.
        p_value: Of no difference, two-sided.
        differences: Settings of our trials that differ from the paper's.
        repeats: The table that has the same number as well, and is counted instead; 0 if there is none.
    """

    paper: str
    table: int
    dataset: str
    model: str
    loss: str
    metric: str
    scaling: str
    published: float
    temperature: float
    outcome: Outcome
    reason: Reason | None = None
    detail: str = ""
    seeds: int = 0
    mean: float = math.nan
    deviation: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    differences: tuple[str, ...] = ()
    repeats: int = 0

    @property
    def place(self) -> tuple[str, str]:
        return self.dataset, self.model

    @property
    def comparable(self) -> bool:
        return self.outcome is not Outcome.NOT_COMPARABLE

    @property
    def width(self) -> float:
        """Of the interval: what agreement could not have excluded."""
        return self.high - self.low


@dataclass(frozen=True)
class Row:
    """The numbers of a data set, network, metric and scaling, from all tables that have some.

    Attributes:
        numbers: In the order of print. A number that two tables have is there twice.
        chance: How many of the comparable numbers agree, and how many would if they were dealt to the losses
            at random; None without any. Each number counts once.
        width: Median width of the intervals, in units of print; NaN without any.
        rank_correlation: Spearman's, between our means and the published numbers of the comparable losses;
            NaN with fewer than three, or if all of one side are equal.
    """

    paper: str
    dataset: str
    model: str
    metric: str
    scaling: str
    numbers: tuple[Verdict, ...]
    chance: Agreement | None
    width: float
    rank_correlation: float

    @property
    def once(self) -> tuple[Verdict, ...]:
        """The numbers without those that repeat another table's."""
        return tuple(number for number in self.numbers if not number.repeats)

    @property
    def comparable(self) -> tuple[Verdict, ...]:
        return tuple(number for number in self.once if number.comparable)

    @property
    def trained(self) -> bool:
        """Whether there are trials of ours for any of its numbers."""
        return any(number.seeds for number in self.numbers)

    @property
    def tables(self) -> tuple[int, ...]:
        return tuple(sorted({number.table for number in self.numbers}))


@dataclass(frozen=True)
class Counts:
    """Published numbers by outcome.

    Attributes:
        numbers: All of them.
        repeats: Number of those that another table has as well; not counted below.
        agree, differ, not_comparable: Number of the others.
        reasons: Number of the incomparable ones by their `Reason`.
        share: Of the agreeing among the comparable; NaN if none is.
        by_chance: Mean number of agreements if the published numbers of each row were dealt to its losses at
            random.
    """

    numbers: int
    repeats: int
    agree: int
    differ: int
    not_comparable: int
    reasons: Mapping[Reason, int]
    share: float
    by_chance: float


def compare(
    published: pd.DataFrame,
    trials: pd.DataFrame,
    expected: pd.DataFrame | None = None,
    complete: Callable[[pd.DataFrame, Sequence[Score]], pd.DataFrame] = lambda trials, scores: trials,
) -> list[Row]:
    """Compares every published number with our seeds.

    A number of one run is judged by the 95% prediction interval of our seeds, a mean of runs by that of such
    a mean: mean +- t s sqrt(1 / n + 1 / runs). The published runs are taken to have the spread of ours, since
    neither paper prints theirs. Scores are at least 0, and percentages at most 100, so the interval ends
    there.

    Args:
        published: From `results.tables.published.published`.
        trials: One row per finished trial, from `Snapshot.evaluations()`.
        expected: One row per trial of a sweep, from `expected_frame`: other trials are ignored, and cells
            with missing ones are not comparable.
        complete: Adds scores that the rows lack.
    """
    trials = trials.reset_index(drop=True)
    ours = Ours(trials, expected)
    rows: dict[tuple[str, str, str, str, str], list[Mapping[Any, Any]]] = defaultdict(list)
    for number in _with_repeats(published).to_dict("records"):
        row = (number["paper"], number["dataset"], number["model"], number["metric"], number["scaling"])
        rows[row].append(number)
    scores = dict.fromkeys(
        score_of(paper, metric, scaling, number["loss"])
        for (paper, dataset, model, metric, scaling), numbers in rows.items()
        if metric in METRICS and ours.trained(dataset, model)
        for number in numbers
    )
    trials = complete(trials, [*scores])
    return [
        _row(*row, tuple(_verdict(number, ours, trials) for number in numbers))
        for row, numbers in rows.items()
    ]


ROW = ["dataset", "model", "metric", "scaling"]


def score_of(paper: str, metric: str, scaling: str, loss: str = "") -> Score:
    """Our score for a published one: after scaling, at the temperature chosen as in the paper.

    Args:
        loss: As in print. Its method may have a calibrator of its own.
    """
    calibrator = METHODS[loss].calibrator if loss in METHODS else UNCALIBRATED
    if scaling == "after":
        calibrator = temperature_by(PAPERS[paper].criterion)
    return Score("test", METRICS[metric], calibrator)


def _with_repeats(published: pd.DataFrame) -> pd.DataFrame:
    """Adds `repeats`, as in `Verdict`."""
    same = published.groupby(["paper", *ROW, "loss", "value"], sort=False)["table"]
    first = same.transform("first")
    return published.assign(repeats=first.where(published["table"] != first, 0).fillna(0).astype(int))


def _verdict(printed: Mapping[Any, Any], ours: Ours, trials: pd.DataFrame) -> Verdict:
    value = printed["value"]
    same = {name: printed[name] for name in ("paper", "table", *ROW, "loss", "temperature", "repeats")}
    blank = Verdict(**same, published=value, outcome=Outcome.NOT_COMPARABLE)
    if blank.place not in PLACES:
        return replace(blank, reason=Reason.UNKNOWN_NETWORK)
    if blank.loss not in METHODS:
        return replace(blank, reason=Reason.UNKNOWN_LOSS)
    if blank.metric not in METRICS:
        return replace(blank, reason=Reason.UNKNOWN_METRIC)
    if math.isnan(value):
        return replace(blank, reason=Reason.UNREADABLE)
    if printed["doubted"] == "value":
        blank = replace(blank, reason=Reason.DOUBTED, detail=printed["doubt"])
    found = ours.closest(blank.paper, *blank.place, blank.loss)
    if len(found) != 1:
        absent = Reason.AMBIGUOUS if found else Reason.NOT_PLANNED if ours.planned else Reason.NOT_TRAINED
        return replace(blank, reason=blank.reason or absent)
    ((trained, differences),) = found
    if printed["doubted"] == "epoch":
        differences = (*differences, f"the last epoch (published: {printed['doubt']})")
    values = _values(
        trials, score_of(blank.paper, blank.metric, blank.scaling, blank.loss), [*trained.rows.values()]
    )
    mine = replace(blank, seeds=len(values), differences=differences)
    if len(values) and np.isfinite(values).all():
        deviation = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        mine = replace(mine, mean=float(values.mean()), deviation=deviation)
    if mine.reason:
        return mine
    if not trained.rows:
        return replace(mine, reason=Reason.NOT_TRAINED)
    if trained.missing:
        return replace(mine, reason=Reason.SEEDS_MISSING, detail=", ".join(map(str, trained.missing)))
    if math.isnan(mine.mean):
        return replace(mine, reason=Reason.NO_SCORE)
    if len(values) == 1:
        return replace(mine, reason=Reason.ONE_SEED)
    return _judged(mine, values)


def _values(trials: pd.DataFrame, score: Score, rows: list[int]) -> Floats:
    """Scores of ours in units of print, NaN where there is none."""
    if score.column not in trials.columns:
        return np.full(len(rows), np.nan)
    return 100 * trials[score.column].to_numpy(float)[rows]


def _judged(number: Verdict, ours: Floats) -> Verdict:
    judged = single_run(ours, number.published, PAPERS[number.paper].runs, LEVEL)
    most = math.inf if number.metric == "NLL" else 100.0
    return replace(
        number,
        outcome=Outcome.AGREES if judged.agrees else Outcome.DIFFERS,
        low=max(judged.low, 0.0),
        high=min(judged.high, most),
        p_value=judged.p_value,
    )


def _row(
    paper: str, dataset: str, model: str, metric: str, scaling: str, numbers: tuple[Verdict, ...]
) -> Row:
    row = Row(paper, dataset, model, metric, scaling, numbers, None, math.nan, math.nan)
    if not row.comparable:
        return row
    judged = pd.DataFrame(row.comparable)
    low, high, theirs = judged["low"], judged["high"], judged["published"]
    # Equal means of different sums differ in their last digits.
    ours = judged["mean"].round(9)
    several = len(judged) > 2 and len(set(theirs)) > 1 and len(set(ours)) > 1
    return replace(
        row,
        chance=agreement(low, high, theirs),
        width=float((high - low).median()),
        rank_correlation=float(theirs.rank().corr(ours.rank())) if several else math.nan,
    )


def counts(rows: Sequence[Row]) -> Counts:
    """Counts the numbers of all rows."""
    numbers = sum(len(row.numbers) for row in rows)
    once = [number for row in rows for number in row.once]
    by = Counter(number.outcome for number in once)
    reasons = Counter(number.reason for number in once)
    agree, differ = by[Outcome.AGREES], by[Outcome.DIFFERS]
    return Counts(
        numbers,
        numbers - len(once),
        agree,
        differ,
        by[Outcome.NOT_COMPARABLE],
        {reason: reasons[reason] for reason in Reason if reasons[reason]},
        agree / (agree + differ) if agree + differ else math.nan,
        sum(row.chance.by_chance for row in rows if row.chance),
    )
