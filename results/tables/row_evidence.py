"""Computes the evidence on the losses of one row: noise floors, and the p-values of all pairs.

Everything follows from the scores and the test samples of its trials, which `kept_evidence` relies on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from results.scoring.scores import Metric
from results.statistics import chance, noise_floor, resampling, ties
from results.statistics.binned import BINNED_ERRORS, BinnedError
from results.statistics.noise_floor import Calibrated, Floor
from results.tables.layout import LEVEL
from trainables.metrics import parsed

if TYPE_CHECKING:
    from results.scoring.samples import Samples

DRAWS = 1000
"""Number of label draws for a floor, and of resamples of the test samples."""


@dataclass(frozen=True)
class Scored:
    """The trials of a row with their scores by one metric, before or after calibration.

    Attributes:
        metric: The metric.
        after: Whether the scores are after calibration.
        scores: Of L losses and S seeds, [L, S]; NaN for a missing trial, or an undefined score.
        keys: Of each loss the keys of its trials with a score, in the order of the seeds.
    """

    metric: Metric
    after: bool
    scores: NDArray[np.float64]
    keys: Sequence[Sequence[str]]

    @property
    def every_key(self) -> tuple[str, ...]:
        return tuple(key for of_loss in self.keys for key in of_loss)


@dataclass(frozen=True)
class RowEvidence:
    """The evidence on the losses of a row.

    Attributes:
        floors: Of each loss's mean over its seeds; None for a metric without a floor, or without samples.
        tests: Of all pairs of losses.
        over_samples: Whether these include resamples of the test samples: else they are over seeds alone.
        samples: Number of test samples; None if unknown.
        near_chance: Whether each loss has a trial that is near chance; no loss without samples.
        standard_errors: Of each loss's mean, over the test samples; NaN if unknown.
    """

    floors: Sequence[Floor | None]
    tests: ties.Tests
    over_samples: bool
    samples: int | None
    near_chance: Sequence[bool]
    standard_errors: Sequence[float]


def over_seeds_alone(all_scored: Sequence[Scored]) -> list[RowEvidence]:
    """The evidence on one row by several metrics, without test samples."""
    return [
        RowEvidence(
            floors=[None] * len(scored.keys),
            tests=tests,
            over_samples=False,
            samples=None,
            near_chance=[False] * len(scored.keys),
            standard_errors=[math.nan] * len(scored.keys),
        )
        for scored, tests in zip(
            all_scored, ties.each_tested([scored.scores for scored in all_scored]), strict=True
        )
    ]


def of_row(
    all_scored: Sequence[Scored], samples: Mapping[str, tuple[Samples, Samples]]
) -> list[RowEvidence | None]:
    """The evidence on one row by several metrics, before and after calibration.

    Args:
        all_scored: The trials of the row with each of their scores.
        samples: Test samples of trials, before and after calibration.

    Returns:
        The evidence in this order; None where a trial has no samples, or was tested on others.
    """
    from results.scoring.samples import same_samples

    found: list[RowEvidence | None] = [None] * len(all_scored)
    groups: dict[tuple[bool, tuple[str, ...]], list[int]] = {}
    for number, scored in enumerate(all_scored):
        groups.setdefault((scored.after, scored.every_key), []).append(number)
    for (after, keys), numbers in groups.items():
        tested = [samples[key][after] for key in keys if key in samples]
        if tested and len(tested) == len(keys) and same_samples(tested):
            for number, evidence in zip(
                numbers, _of_samples([all_scored[number] for number in numbers], tested), strict=True
            ):
                found[number] = evidence
    return found


def _of_samples(all_scored: Sequence[Scored], tested: Sequence[Samples]) -> list[RowEvidence]:
    """The evidence by several metrics on the same trials, with the samples of each: labels and samples are
    drawn once for all metrics.
    """
    from results.scoring.samples import means_over

    errors = {each.metric.name: error for each in all_scored if (error := binned(each.metric)) is not None}
    resamples = resampling.Resamples(len(tested[0].ids), DRAWS)
    drawn: dict[str, Calibrated] = {}
    resampled: dict[str, NDArray[np.float64]] = {}
    if errors:
        confidences, correct = (
            np.stack([getattr(each, name) for each in tested]) for name in ("confidences", "correct")
        )
        drawn = noise_floor.top_label(confidences, correct, errors, DRAWS)
        resampled |= resampling.binned_errors(confidences, correct, errors, resamples)
    plain = {
        each.metric.name: np.stack(values)
        for each in all_scored
        if each.metric.name not in errors
        and (values := [value for one in tested if (value := means_over(one, each.metric.name)) is not None])
        # A calibrator may give a true class probability 0.
        and all(np.isfinite(value).all() for value in values)
    }
    if plain:
        means = resampling.means(np.stack(list(plain.values())), resamples)
        resampled |= dict(zip(plain, means, strict=True))
    near = [chance.near(each.correct, each.most_frequent, LEVEL) for each in tested]
    found = []
    for each in all_scored:
        flat, whole = resampled.get(each.metric.name), None
        if flat is not None:
            whole = np.full((*each.scores.shape, DRAWS), math.nan)
            whole[np.isfinite(each.scores)] = flat
        numbers = [len(of_loss) for of_loss in each.keys]
        found.append(
            RowEvidence(
                floors=_floors(drawn.get(each.metric.name), numbers),
                tests=ties.tested(each.scores, whole),
                over_samples=whole is not None,
                samples=len(tested[0].ids),
                near_chance=[any(near[start:end]) for start, end in _parts(numbers)],
                standard_errors=[math.nan] * len(numbers) if whole is None else _standard_errors(whole),
            )
        )
    return found


def _standard_errors(resampled: NDArray[np.float64]) -> list[float]:
    """The deviation of each loss's mean over its seeds, from resamples [L, S, draws]; NaN without seeds."""
    return [
        float(there.mean(axis=0).std(ddof=1)) if len(there) else math.nan
        for of_loss in resampled
        for there in [of_loss[np.isfinite(of_loss).all(axis=1)]]
    ]


def _parts(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last position of each loss's trials, from their numbers."""
    ends = np.cumsum(numbers).tolist()
    return list(zip([0, *ends], ends, strict=False))


def _floors(drawn: Calibrated | None, numbers: Sequence[int]) -> list[Floor | None]:
    """The floor of each loss's mean over its trials, from their numbers."""
    if drawn is None:
        return [None] * len(numbers)
    return [
        Calibrated(drawn.observed[start:end], drawn.drawn[start:end]).of_mean(LEVEL) if end > start else None
        for start, end in _parts(numbers)
    ]


def binned(metric: Metric) -> BinnedError | None:
    """The form of a metric that depends on binned sums alone; None for other metrics."""
    name, bins = parsed(metric.name)
    error = BINNED_ERRORS.get(name)
    return error if error is None or bins is None else BinnedError(error.binning, error.combined, bins)
