"""Estimates from a sweep's finished trials how many seeds would distinguish its losses.

The best loss is that of the same seeds, so its difference from the others is on average too large, and the
numbers of seeds are lower bounds rather than promises.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.use_cases.rescore import with_scores
from orchestrator.use_cases.standing import Standing
from results.scoring.scores import Metric, Score, chosen, temperature_by
from results.statistics import power as statistics
from results.statistics.power import Power
from results.tables.evaluations import on_test_set
from results.tables.methods import by_method
from results.tables.statistics import CELL, summarise, with_current_names
from results.tables.table import needed
from sweeps.expand import expected_frame
from trainables.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

TARGET_POWER = 0.8
"""Probability of showing a difference of the size seen, as is usual."""

LEVEL = 0.95


@dataclass(frozen=True)
class LossPower:
    """A loss compared with the best of its row over matched seeds.

    Attributes:
        seen: The difference from the best, in the unit of the store: fraction, or nats. None if the two share
            fewer than two finished seeds.
        needed_in_row: Number of seeds as `seen.needed`, if all pairs of the row are corrected by Bonferroni,
            as Holm's method does for the smallest p-value.
    """

    loss: str
    seen: Power | None
    needed_in_row: int | None


@dataclass(frozen=True)
class RowPower:
    """The losses of one data set and model by one score.

    Attributes:
        settings: Training settings that distinguish rows of one data set and model; else empty.
        metric: As in `calibsweep list metrics`.
        calibrator: 'none' for the score before calibration.
        best: The loss with the best mean over its finished seeds.
        others: In the order of their means, best first.
    """

    dataset: str
    model: str
    settings: str
    metric: str
    calibrator: str
    best: str
    others: tuple[LossPower, ...]


def power(standing: Standing, metric: str) -> tuple[RowPower, ...]:
    """Estimates the seeds that each row of a sweep's table needs. Rows with one finished loss are left out.

    Args:
        metric: Its name, such as 'ece'.

    Raises:
        ConfigurationError: The metric is unknown, has no direction, or is not of these trials; or a score is
            missing (with the command that computes it).
    """
    judged = chosen([metric])[0]
    if judged.direction is None:
        raise ConfigurationError(f"no value of {metric!r} is best, so no seeds can show a best loss.")
    expected = by_method(on_test_set(expected_frame(standing.sweep.trials)))
    if judged.task not in set(expected["task"]):
        raise ConfigurationError(
            f"{metric!r} is a metric of the task {judged.task}, but no trial of this sweep has it."
        )
    expected = expected[expected["task"] == judged.task]
    scores = needed([metric], temperature_by(standing.sweep.temperature_criterion))
    finished = standing.snapshot.trials()
    keys = set(finished["key"]) & set(expected["key"])
    if not keys:
        return ()
    finished = with_scores(standing.store, finished, scores, keys)
    summary = summarise(finished, [score.column for score in scores], expected)
    by_cell = with_current_names(finished, expected).groupby(CELL)
    return tuple(_rows(summary, dict(iter(by_cell)), judged, scores))


def _rows(
    summary: pd.DataFrame, trials: Mapping[Any, pd.DataFrame], metric: Metric, scores: Sequence[Score]
) -> Iterator[RowPower]:
    for (dataset, model, settings), row in summary.groupby(["dataset", "model", "settings"], sort=False):
        for score in scores:
            mean = f"{score.column}_mean"
            ordered = row[row[mean].abs() < math.inf].sort_values(
                mean, ascending=metric.direction == "lower", kind="stable"
            )
            if len(ordered) < 2:
                continue
            of_losses = [
                trials[cell].set_index("seed")[score.column].astype(float)
                for cell in ordered[CELL].itertuples(index=False, name=None)
            ]
            pairs = len(ordered) * (len(ordered) - 1) // 2
            others = tuple(
                _of_loss(str(loss), of_loss, of_losses[0], pairs)
                for loss, of_loss in zip(ordered["loss"].iloc[1:], of_losses[1:], strict=True)
            )
            best = str(ordered["loss"].iloc[0])
            yield RowPower(
                str(dataset), str(model), str(settings), score.metric, score.calibrator, best, others
            )


def _of_loss(loss: str, scores: pd.Series[float], best: pd.Series[float], pairs: int) -> LossPower:
    common = sorted(set(scores.index) & set(best.index))
    if len(common) < 2:
        return LossPower(loss, None, None)
    matched = scores[common].to_numpy(), best[common].to_numpy()
    in_row = statistics.of_pair(*matched, target=TARGET_POWER, level=1 - (1 - LEVEL) / pairs)
    return LossPower(loss, statistics.of_pair(*matched, target=TARGET_POWER, level=LEVEL), in_row.needed)
