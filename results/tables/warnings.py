"""Warnings beside numbers that need care: a mark, and the sentence that explains it where it occurs."""

from __future__ import annotations

from collections.abc import Iterable

from results.statistics.chance import MARGIN, few_samples
from trainables.calibrators.grid import TEMPERATURES
from trainables.metrics import BINS

NEAR_CHANCE = "‡"
FEW = "§"
AT_EDGE = "¶"

NOISE = 0.05
"""A mean ECE that no network should have by noise alone, fraction."""

ENOUGH = few_samples(BINS, NOISE)
"""Number of test samples from which the mean ECE of calibrated networks is below `NOISE`."""

MEANING = {
    NEAR_CHANCE: (
        f"near chance: in at least one seed, it is not certain (95%) that the network avoids {MARGIN:.0%} of "
        "the errors made by always predicting the most frequent class; calibration then says little."
    ),
    FEW: (
        f"fewer than {ENOUGH} test samples, so the mean ECE ({BINS} bins) of calibrated networks can exceed "
        f"{NOISE:.0%}."
    ),
    AT_EDGE: (
        f"in at least one seed the temperature is the first or last of its grid, {TEMPERATURES[0]:g} or "
        f"{TEMPERATURES[-1]:g}, so a better one may lie outside."
    ),
}


def at_edge(temperatures: Iterable[float]) -> bool:
    """Whether one of some temperatures is at an edge of the grid."""
    return not {TEMPERATURES[0], TEMPERATURES[-1]}.isdisjoint(temperatures)


def too_few(samples: int | None) -> bool:
    """Whether a number of test samples is too small; False if it is unknown."""
    return samples is not None and samples < ENOUGH
