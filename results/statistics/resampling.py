"""Scores over resampled test samples, for many scores at once.

A resample of N samples with replacement is a weight for each sample: how often it was drawn. All scores of
networks tested on the same samples are computed over the same resamples, so that their differences are
paired. Efron and Tibshirani, 'An Introduction to the Bootstrap' (1993), chapter 8.

Bins stay as they are for all samples. Bins of equal mass would move a little with each resample, which
changes the standard error by a few percent.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from results.statistics.binned import BinnedError, Binning, Floats, Ints
from results.statistics.threads import one_thread

ELEMENTS_AT_ONCE = 2**21
"""Weights held at a time."""

ENTRIES_AT_ONCE = 2**23
"""Samples times bins of all networks held at a time, 8 bytes each, up to three times."""


@dataclass(frozen=True)
class Resamples:
    """Resamples of N test samples, the same for a seed.

    Attributes:
        samples: N.
        draws: Number of resamples.
    """

    samples: int
    draws: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or self.draws < 2:
            raise ValueError(f"cannot resample {self.samples} samples {self.draws} times.")

    def places(self) -> Iterator[tuple[slice, Ints]]:
        """Drawn samples [d, N], for some draws at a time."""
        generator = np.random.default_rng(self.seed)
        rows = max(1, ELEMENTS_AT_ONCE // self.samples)
        for start in range(0, self.draws, rows):
            end = min(start + rows, self.draws)
            yield slice(start, end), generator.integers(0, self.samples, (end - start, self.samples))

    def weights(self) -> Iterator[tuple[slice, Floats]]:
        """How often each sample was drawn, [d, N], for some draws at a time."""
        for where, places in self.places():
            flat = places + np.arange(len(places))[:, None] * self.samples
            counts = np.bincount(flat.ravel(), minlength=places.size)
            yield where, counts.reshape(places.shape).astype(float)


def means(values: ArrayLike, resamples: Resamples) -> Floats:
    """Scores that are means over samples (negative log-likelihood, Brier score, error), resampled.

    Args:
        values: Each sample's value, [..., N].

    Returns:
        [..., draws].
    """
    rows = np.asarray(values, dtype=float)
    _check(rows, resamples)
    flat = rows.reshape(-1, resamples.samples)
    found = np.empty((len(flat), resamples.draws))
    with one_thread():
        for where, weights in resamples.weights():
            found[:, where] = flat @ weights.T / resamples.samples
    return found.reshape(*rows.shape[:-1], resamples.draws)


def binned_errors(
    confidences: ArrayLike, correct: ArrayLike, errors: Mapping[str, BinnedError], resamples: Resamples
) -> dict[str, Floats]:
    """Calibration errors of the predicted class, resampled. Errors with the same bins share their sums.

    Args:
        confidences: [..., N], in [0, 1].
        correct: Whether each prediction is correct, of the same shape.

    Returns:
        [..., draws] by name.
    """
    values, hits = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=float)
    if values.shape != hits.shape:
        raise ValueError(f"confidences have shape {values.shape}, but correct {hits.shape}.")
    _check(values, resamples)
    flat, flat_hits = values.reshape(-1, resamples.samples), hits.reshape(-1, resamples.samples)
    found = {name: np.empty((len(flat), resamples.draws)) for name in errors}
    binnings = dict.fromkeys((error.binning, error.bins) for error in errors.values())
    columns = max((bins for _, bins in binnings), default=1) * len(binnings)
    at_once = max(1, ENTRIES_AT_ONCE // (resamples.samples * columns))
    for start in range(0, len(flat), at_once):
        part = slice(start, start + at_once)
        sums = {key: _BinSums(flat[part], flat_hits[part], *key) for key in binnings}
        with one_thread():
            for where, weights in resamples.weights():
                totals = {key: _ReweightedTotals(weights, each) for key, each in sums.items()}
                for name, error in errors.items():
                    found[name][part, where] = error.combined(totals[error.binning, error.bins]).T
    return {name: each.reshape(*values.shape[:-1], resamples.draws) for name, each in found.items()}


class _BinSums:
    """Matrices [N, T * bins] whose product with weights [d, N] are totals of all networks' bins.

    Each is made when an error first asks for it, and kept for all weights.
    """

    def __init__(self, confidences: Floats, correct: Floats, binning: Binning, bins: int):
        self._shape, self._samples = (len(confidences), bins), confidences.shape[1]
        chosen = np.stack([binning(row, bins) for row in confidences])
        self._network, self._sample = np.nonzero(chosen >= 0)
        self._column = chosen[self._network, self._sample] + self._network * bins
        self._values = {
            "counts": np.ones_like(confidences),
            "excess": confidences - correct,
            "hits": correct,
        }
        self._matrices: dict[str, Floats] = {}

    def times(self, weights: Floats, of: str) -> Floats:
        """Sums of weight times 'counts' (1), 'excess' or 'hits' in each bin, [d, T, bins]."""
        if of not in self._matrices:
            matrix = np.zeros((self._samples, self._shape[0] * self._shape[1]))
            matrix[self._sample, self._column] = self._values[of][self._network, self._sample]
            self._matrices[of] = matrix
        return (weights @ self._matrices[of]).reshape(len(weights), *self._shape)


class _ReweightedTotals:
    """`binned.Totals` of resamples, [d, T, bins]. Computes only those that an error asks for, once."""

    def __init__(self, weights: Floats, sums: _BinSums):
        self._weights, self._sums = weights, sums
        self.samples = weights.shape[1]

    @functools.cached_property
    def counts(self) -> Floats:
        return self._sums.times(self._weights, "counts")

    @functools.cached_property
    def excess(self) -> Floats:
        return self._sums.times(self._weights, "excess")

    @functools.cached_property
    def hits(self) -> Floats:
        return self._sums.times(self._weights, "hits")


def _check(values: Floats, resamples: Resamples) -> None:
    if not values.ndim or values.shape[-1] != resamples.samples:
        raise ValueError(f"the last axis must have {resamples.samples} samples, not shape {values.shape}.")
    if not np.isfinite(values).all():
        raise ValueError("values of samples must be finite.")
