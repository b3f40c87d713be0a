"""Probabilities, bins and curves as arrays, in float64. All scores are fractions, or nats for NLL."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from results.statistics.binned import ECE, BinnedError, Binning, Floats, Ints, Totals, equal_width_bins
from results.statistics.noise_floor import top_label
from trainables.calibrators import grid

TEMPERATURES = np.array(grid.TEMPERATURES)
"""The grid of temperature scaling, [100]."""

BAND = (0.025, 0.975)
"""Quantiles of the band that holds the accuracy of a bin in 95% of draws."""


def log_softmax(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> Floats:
    """log p of each class, [..., K]."""
    return np.asarray(special.log_softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=-1))


def top(log_probabilities: Floats, labels: Ints) -> tuple[Floats, Ints]:
    """Confidence of each sample, [N], and whether its predicted class is correct, 0 or 1 [N]."""
    predicted = log_probabilities.argmax(axis=-1)
    return np.exp(log_probabilities.max(axis=-1)), (predicted == labels).astype(np.int64)


def nll(log_probabilities: Floats, labels: Ints) -> float:
    """Mean negative log-likelihood in nats."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def entropy(log_probabilities: Floats) -> Floats:
    """Entropy of each sample's probabilities in nats, [N]."""
    terms = np.exp(log_probabilities) * np.where(np.isneginf(log_probabilities), 0, log_probabilities)
    return np.asarray(-terms.sum(axis=-1))


@dataclass(frozen=True)
class Bins:
    """The samples of each bin; NaN for the means of an empty one.

    Attributes:
        counts, confidences, accuracies: Samples, mean confidence and accuracy of each bin, [bins].
        lower, upper: Band of the accuracy if each prediction were correct with its confidence, [bins].
        ece: Expected calibration error over equal-width bins.
        floor: Its mean if each prediction were correct with its confidence.
    """

    counts: Ints
    confidences: Floats
    accuracies: Floats
    lower: Floats
    upper: Floats
    ece: float
    floor: float


def binned(
    confidences: Floats, correct: Ints, bins: int = ECE.bins, binning: Binning = equal_width_bins
) -> Bins:
    """The bins of a reliability diagram, with their band from draws.

    Args:
        confidences: [N].
        correct: Whether each prediction is correct, 0 or 1 [N].
    """
    counts, means, accuracies = by_bin(confidences, correct, bins, binning)
    # The band is that of the noise floor: each bin's hits, drawn from the confidences.
    hits = {
        str(number): BinnedError(binning, functools.partial(_hits_in, int(number)), bins)
        for number in np.flatnonzero(counts)
    }
    drawn = top_label(confidences, correct, {"ece": ECE, **hits})
    lower, upper = np.full(bins, np.nan), np.full(bins, np.nan)
    for number in np.flatnonzero(counts):
        of_bin = drawn[str(number)].drawn[0] / counts[number]
        lower[number], upper[number] = np.quantile(of_bin, BAND, method="closest_observation")
    (ece,) = drawn["ece"].of_each()
    return Bins(counts, means, accuracies, lower, upper, ece.observed, ece.mean)


def of_recorded(samples: Floats, confidences: Floats, correct: Floats) -> Bins:
    """The bins of a reliability diagram from sums, [bins] each, where single samples are not stored.

    The number of correct ones in a bin of n samples with mean confidence p is taken as binomial (n, p). Its
    mean distance from n p is that of de Moivre (Diaconis and Zabell, Statistical Science 1991, section 1).
    """
    from scipy import stats

    filled = samples > 0
    counts, at_all = samples[filled], samples.sum()
    means, accuracies, lower, upper = (np.full(len(samples), np.nan) for _ in range(4))
    means[filled], accuracies[filled] = confidences[filled] / counts, correct[filled] / counts
    p = np.clip(means[filled], 0, 1)
    lower[filled], upper[filled] = (stats.binom.ppf(level, counts, p) / counts for level in BAND)
    above = np.floor(counts * p) + 1
    distances = 2 * (1 - p) * above * stats.binom.pmf(above, counts, p)
    ece = np.abs(confidences - correct).sum() / at_all
    return Bins(
        samples.astype(np.int64), means, accuracies, lower, upper, float(ece), float(distances.sum() / at_all)
    )


def _hits_in(number: int, totals: Totals) -> Floats:
    return totals.hits[..., number]


def by_bin(confidences: Floats, correct: Ints, bins: int, binning: Binning) -> tuple[Ints, Floats, Floats]:
    """Counts, mean confidence and accuracy of each bin, [bins]; NaN for the means of an empty bin."""
    places = binning(confidences, bins) + 1

    def totals(weights: Floats) -> Floats:
        return np.bincount(places, weights, bins + 1)[1:].astype(np.float64)

    counts = totals(np.ones(len(places))).astype(np.int64)
    with np.errstate(invalid="ignore"):
        return counts, totals(confidences) / counts, totals(correct.astype(float)) / counts


def ece_of(confidences: Floats, correct: Ints) -> float:
    """Expected calibration error with 15 bins of equal width."""
    counts, means, accuracies = by_bin(confidences, correct, ECE.bins, equal_width_bins)
    gaps = np.where(counts > 0, np.abs(means - accuracies), 0)
    return float((gaps * counts).sum() / len(confidences))


def over_temperatures(logits: NDArray[np.floating[Any]], labels: Ints) -> tuple[Floats, Floats]:
    """ECE and NLL at each temperature of `TEMPERATURES`, [100] each."""
    pairs = []
    for temperature in TEMPERATURES:
        scaled = log_softmax(logits, float(temperature))
        pairs.append((ece_of(*top(scaled, labels)), nll(scaled, labels)))
    ece, likelihood = np.array(pairs).T
    return ece, likelihood


def roc(inside: Floats, outside: Floats) -> tuple[Floats, Floats]:
    """The curve of a detector of other data: false and true positive rate at each threshold, from 0 to 1.

    Args:
        inside: Its score on the test set, [N]; greater means 'other data'.
        outside: Its score on the other data, [M].
    """
    scores = np.concatenate([inside, outside])
    other = np.concatenate([np.zeros(len(inside)), np.ones(len(outside))])
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], other[order]
    # Equal scores share one threshold.
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    true = np.concatenate([[0.0], hits.cumsum()[last] / len(outside)])
    false = np.concatenate([[0.0], (1 - hits).cumsum()[last] / len(inside)])
    return false, true
