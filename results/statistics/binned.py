"""Calibration errors as functions of binned sums, for many sets of labels or weights at once.

The definitions are those of `trainables.metrics`, which compute one value with torch; the tests hold both
equal to 1e-12. Drawn labels and reweighted samples leave the bins of the confidences unchanged, so they
are found once. All values are fractions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Binning = Callable[[Floats, int], Ints]
"""Assigns confidences [N] to bins 0..bins-1, or -1 for no bin."""

BINS = 15
"""Default number of bins, as in the papers."""

ROUNDING = 1e-12
"""Confidences that differ by at most this count as equal."""


class Totals(Protocol):
    """Sums over the samples of each bin, [..., bins]; samples in no bin are left out.

    Attributes:
        counts: Number of samples.
        excess: Sum of (confidence - correct).
        hits: Number of correct samples.
        samples: Number of all samples, in bins or not.
    """

    @property
    def counts(self) -> Floats: ...
    @property
    def excess(self) -> Floats: ...
    @property
    def hits(self) -> Floats: ...
    @property
    def samples(self) -> int: ...


@dataclass(frozen=True)
class BinnedError:
    """A calibration error of the predicted class that depends on binned sums alone.

    Attributes:
        combined: The error [...] from totals [..., bins].
    """

    binning: Binning
    combined: Callable[[Totals], Floats]
    bins: int = BINS


def equal_width_edges(bins: int) -> Floats:
    """Edges [bins + 1] of bins of equal width over [0, 1], rounded to float32 like torch's `linspace`.

    The papers' programs have these edges: a confidence of exactly 0.2 or 0.6 depends on the rounding.
    """
    # Torch counts from the nearer end, and rounds product and difference together once.
    step, half = np.float64(np.float32(1) / np.float32(bins)), (bins + 1) // 2
    places = np.arange(bins + 1, dtype=np.float64)
    edges = np.where(places < half, step * places, 1 - step * (bins - places))
    return edges.astype(np.float32).astype(np.float64)


def equal_width_bins(confidences: Floats, bins: int) -> Ints:
    """Bins (lower, upper] of equal width; 0 is in none."""
    return _bin_of(confidences, equal_width_edges(bins))


def equal_mass_bins(confidences: Floats, bins: int) -> Ints:
    """Bins of equal numbers of samples, as released by Mukhoti et al. 2020.

    They are (lower, upper] and begin at the least confidence, whose samples are in no bin. Confidences that
    are equal up to `ROUNDING` share a bin.
    """
    order = np.argsort(confidences, kind="stable")
    ordered = confidences[order]
    first = np.concatenate([[True], np.diff(ordered) > ROUNDING])
    alike = np.maximum.accumulate(np.where(first, ordered, ordered[0]))
    last = len(ordered) - 1
    positions = np.arange(bins + 1) * (len(ordered) / bins)
    below = np.minimum(np.floor(positions).astype(np.int64), last)
    above = np.minimum(below + 1, last)
    edges = alike[below] + (alike[above] - alike[below]) * (positions - below)
    chosen = np.empty(len(order), dtype=np.int64)
    chosen[order] = _bin_of(alike, edges)
    return chosen


def _bin_of(values: Floats, edges: Floats) -> Ints:
    return np.minimum(np.searchsorted(edges, values, side="left") - 1, len(edges) - 2)


def weighted_gap(totals: Totals) -> Floats:
    """Mean over samples of the absolute gap of their bin; samples in no bin have none."""
    return np.asarray(np.abs(totals.excess).sum(axis=-1) / totals.samples)


def largest_gap(totals: Totals) -> Floats:
    """The largest absolute gap of any bin."""
    return np.asarray((np.abs(totals.excess) / np.maximum(totals.counts, 1)).max(axis=-1))


def root_mean_square_gap(totals: Totals) -> Floats:
    """Root of the mean over samples of the squared gap. Kumar et al. 2019, section 4, plug-in."""
    return np.sqrt(_mean_square(totals, 0.0))


def debiased_root_mean_square_gap(totals: Totals) -> Floats:
    """`root_mean_square_gap` without the bias from the randomness of labels. Kumar et al. 2019, section 4.

    A bin of one sample has no estimate of its variance, and counts 0.
    """
    counts = totals.counts
    frequencies = totals.hits / np.maximum(counts, 1)
    variances = frequencies * (1 - frequencies) / np.maximum(counts - 1, 1)
    return np.sqrt(_mean_square(totals, variances, least=2))


def _mean_square(totals: Totals, variances: Floats | float, least: int = 1) -> Floats:
    counts = totals.counts
    squares = (totals.excess / np.maximum(counts, 1)) ** 2 - variances
    weighted = (squares * counts * (counts >= least)).sum(axis=-1)
    return np.asarray(np.maximum(weighted / counts.sum(axis=-1), 0))


ECE = BinnedError(equal_width_bins, weighted_gap)
ADAPTIVE_ECE = BinnedError(equal_mass_bins, weighted_gap)
MCE = BinnedError(equal_width_bins, largest_gap)
ECE_L2 = BinnedError(equal_width_bins, root_mean_square_gap)
ECE_L2_DEBIASED = BinnedError(equal_width_bins, debiased_root_mean_square_gap)

BINNED_ERRORS = {
    "ece": ECE,
    "adaptive_ece": ADAPTIVE_ECE,
    "mce": MCE,
    "ece_l2": ECE_L2,
    "ece_l2_debiased": ECE_L2_DEBIASED,
}
"""By the name of the metric. Other metrics are correct too, but slower: see `noise_floor.any_metric`."""


@dataclass(frozen=True)
class ClasswiseError:
    """A calibration error of all classes' probabilities, from each class's bins.

    Attributes:
        zero_binned: Whether a probability of 0 is in the first bin, not in none.
        combined: The error of draws [D] from the totals [D, K, bins] and the numbers of labels [D, K].
    """

    zero_binned: bool
    combined: Callable[[Totals, Floats], Floats]
    bins: int = BINS


def _mean_of_present(totals: Totals, labels: Floats) -> Floats:
    """Mean over the classes up to the last that occurs, as released by Mukhoti et al. 2020."""
    classes = labels.shape[-1]
    last = classes - 1 - np.argmax(labels[..., ::-1] > 0, axis=-1)
    used = np.arange(classes) <= last[..., None]
    return np.asarray((weighted_gap(totals) * used).sum(axis=-1) / (last + 1))


def _root_mean_square(totals: Totals, labels: Floats) -> Floats:
    return np.asarray(np.sqrt((root_mean_square_gap(totals) ** 2).mean(axis=-1)))


def _debiased_root_mean_square(totals: Totals, labels: Floats) -> Floats:
    return np.asarray(np.sqrt((debiased_root_mean_square_gap(totals) ** 2).mean(axis=-1)))


CLASSWISE_ERRORS = {
    "classwise_ece": ClasswiseError(zero_binned=False, combined=_mean_of_present),
    "classwise_ece_l2": ClasswiseError(zero_binned=True, combined=_root_mean_square),
    "classwise_ece_l2_debiased": ClasswiseError(zero_binned=True, combined=_debiased_root_mean_square),
}
"""By the name of the metric."""
