"""The difference of two losses in one score, over matched seeds and over test samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from results.scoring import samples
from results.scoring.samples import Samples
from results.scoring.scores import chosen
from results.statistics import resampling
from results.statistics.differences import Difference, over_seeds, over_seeds_and_samples
from results.tables.row_evidence import DRAWS, binned


def difference(
    metric: str, scores: Sequence[Sequence[float]], tested: Sequence[Sequence[Samples]]
) -> Difference | None:
    """The first loss less the second, in units of print; None if a score is missing.

    As a mark in tables needs both tests to reject, the interval is the wider one at each end.

    Args:
        scores: Of both losses, seed by seed.
        tested: The test samples of both, seed by seed. If any are missing, the seeds alone count.
    """
    if not np.isfinite(scores).all():
        return None
    seeds = over_seeds(scores[0], scores[1])
    drawn = _resampled(metric, tested) if [*map(len, tested)] == [*map(len, scores)] else None
    if drawn is None:
        return seeds
    both = over_seeds_and_samples(scores[0], scores[1], *drawn)
    if len(scores[0]) == 1:
        return both
    return replace(
        both,
        low=min(both.low, seeds.low),
        high=max(both.high, seeds.high),
        p_value=max(both.p_value, seeds.p_value),
    )


def _resampled(
    metric: str, tested: Sequence[Sequence[Samples]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Scores of both losses over resamples of the test samples, [seeds, draws] each, in units of print."""
    every = [each for side in tested for each in side]
    if not samples.same_samples(every):
        return None
    (found,) = chosen([metric])
    scale = 1.0 if found.unit == "none" else 100.0
    resamples = resampling.Resamples(len(every[0].ids), DRAWS)
    means = [samples.means_over(each, metric) for each in every]
    if (error := binned(found)) is not None:
        confidences, correct = (np.stack([getattr(each, name) for each in every]) for name in _BINNED)
        drawn = resampling.binned_errors(confidences, correct, {metric: error}, resamples)[metric]
    elif all(each is not None for each in means):
        drawn = resampling.means(np.stack([each for each in means if each is not None]), resamples)
    else:
        return None
    drawn = scale * drawn
    return drawn[: len(tested[0])], drawn[len(tested[0]) :]


_BINNED = ("confidences", "correct")
