"""The noise floor: a calibration error as it would be if the network were calibrated.

Few samples give even a calibrated network an error above 0. Its distribution follows from drawing the labels
from the network's own probabilities; an observed error within it is no evidence of miscalibration. Broecker
and Smith, 'Increasing the Reliability of Reliability Diagrams' (Weather and Forecasting 2007), call this
consistency resampling; Vaicenavicius et al., 'Evaluating model calibration in classification' (AISTATS 2019),
section 4.2, test calibration by it.

Several networks tested on the same samples are drawn together, from one random number per sample: their mean
error then varies as much as such networks' errors can. All values are fractions, and the same for a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from results.statistics.binned import BinnedError, Binning, ClasswiseError, Floats, Ints, equal_width_edges
from results.statistics.threads import one_thread

DRAWS = 1000

ELEMENTS_AT_ONCE = 2**21
"""Random numbers held at a time: 1,000 draws of 50,000 labels at once would take gigabytes."""


@dataclass(frozen=True)
class Floor:
    """The error of a network, or the mean error of several, beside its noise floor.

    Attributes:
        observed: The error.
        mean: Its mean if calibrated.
        upper: Its quantile at the level if calibrated, such as the 95% point.
        p_value: Probability of at least the observed error if calibrated; from 1 / (draws + 1) to 1.
    """

    observed: float
    mean: float
    upper: float
    p_value: float


@dataclass(frozen=True)
class Calibrated:
    """Errors observed and drawn for T networks.

    Attributes:
        observed: [T].
        drawn: Errors with labels drawn from the networks' own probabilities, [T, draws].
    """

    observed: Floats
    drawn: Floats

    def of_each(self, level: float = 0.95) -> list[Floor]:
        """The floor of each network."""
        return [
            _floor(observed, drawn, level) for observed, drawn in zip(self.observed, self.drawn, strict=True)
        ]

    def of_mean(self, level: float = 0.95) -> Floor:
        """The floor of the mean over the networks, such as the seeds of a cell."""
        return _floor(self.observed.mean(), self.drawn.mean(axis=0), level)


def _floor(observed: float, drawn: Floats, level: float) -> Floor:
    # The observed error counts as one more draw, so that a p-value is never 0 (Davison and Hinkley 1997,
    # 4.2). # Rounding must not decide between an equal and a greater error.
    exceeding = int((drawn >= observed - 1e-12).sum())
    return Floor(
        float(observed),
        float(drawn.mean()),
        float(np.quantile(drawn, level)),
        (1 + exceeding) / (1 + len(drawn)),
    )


@dataclass(frozen=True)
class _DrawnTotals:
    """`binned.Totals` of drawn labels: only the hits differ between draws."""

    counts: Floats
    sums: Floats
    hits: Floats
    samples: int

    @property
    def excess(self) -> Floats:
        return self.sums - self.hits


def top_label(
    confidences: ArrayLike,
    correct: ArrayLike,
    errors: Mapping[str, BinnedError],
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Calibrated]:
    """Errors of the predicted class, observed and if each prediction were correct with its confidence.

    Args:
        confidences: Of T networks on the same N samples, [T, N], in [0, 1]; or [N].
        correct: Whether each prediction is correct, of the same shape.
        errors: Such as `binned.BINNED_ERRORS`. Errors with the same bins share their sums.

    Raises:
        ValueError: Shapes differ, there are no samples, or a confidence is outside [0, 1].
    """
    values, hits = np.atleast_2d(np.asarray(confidences, dtype=float)), np.atleast_2d(np.asarray(correct))
    _check(values, hits)
    networks, samples = values.shape
    binned = [_Bins.of(row, errors) for row in values]
    found = {name: Calibrated(np.empty(networks), np.empty((networks, draws))) for name in errors}
    thresholds = values.astype(np.float32)
    with one_thread():
        for network, bins in enumerate(binned):
            for name, error in bins.errors(hits[network].astype(np.float32), errors).items():
                found[name].observed[network] = error
        for where, uniforms in _uniforms(draws, samples, seed):
            for network, bins in enumerate(binned):
                drawn = (uniforms < thresholds[network]).astype(np.float32)
                for name, error in bins.errors(drawn, errors).items():
                    found[name].drawn[network, where] = error
    return found


@dataclass(frozen=True)
class _Bins:
    """The bins of one network's confidences, for all binnings of some errors side by side.

    Attributes:
        places: For each binning, the bin of each sample, [N]; -1 for none.
        columns: The columns of each binning's bins among all, by function and number of bins.
        counts, sums: Number and sum of the confidences in all bins.
    """

    places: Mapping[tuple[Binning, int], Ints]
    columns: Mapping[tuple[Binning, int], slice]
    counts: Floats
    sums: Floats

    @classmethod
    def of(cls, confidences: Floats, errors: Mapping[str, BinnedError]) -> _Bins:
        places, columns, counts, sums = {}, {}, [], []
        start = 0
        for binning, bins in dict.fromkeys((error.binning, error.bins) for error in errors.values()):
            chosen = binning(confidences, bins)
            places[binning, bins] = chosen
            columns[binning, bins] = slice(start, start + bins)
            counts.append(np.bincount(chosen + 1, minlength=bins + 1)[1:])
            sums.append(np.bincount(chosen + 1, confidences, bins + 1)[1:])
            start += bins
        return cls(places, columns, np.concatenate(counts).astype(float), np.concatenate(sums))

    def errors(self, correct: NDArray[np.float32], errors: Mapping[str, BinnedError]) -> dict[str, Floats]:
        """Each error [...] of correctness [..., N]."""
        samples = correct.shape[-1]
        # Counts below 2**24 are exact in float32, which takes half the time.
        membership = np.zeros((samples, len(self.counts)), dtype=np.float32)
        for key, chosen in self.places.items():
            inside = np.flatnonzero(chosen >= 0)
            membership[inside, self.columns[key].start + chosen[inside]] = 1
        hits = (correct @ membership).astype(np.float64)
        found = {}
        for name, error in errors.items():
            part = self.columns[error.binning, error.bins]
            totals = _DrawnTotals(self.counts[part], self.sums[part], hits[..., part], samples)
            found[name] = error.combined(totals)
        return found


def _uniforms(draws: int, samples: int, seed: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Random numbers [d, N] in [0, 1) for some draws at a time. Their values do not depend on how many."""
    generator = np.random.default_rng(seed)
    rows = max(1, ELEMENTS_AT_ONCE // samples)
    for start in range(0, draws, rows):
        end = min(start + rows, draws)
        yield slice(start, end), generator.random((end - start, samples), dtype=np.float32)


def classwise(
    probabilities: ArrayLike,
    labels: ArrayLike,
    errors: Mapping[str, ClasswiseError],
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Calibrated]:
    """Errors of all classes' probabilities, observed and with labels drawn from these.

    Args:
        probabilities: Of T networks on the same N samples, [T, N, K], rows that sum to 1; or [N, K].
        labels: True classes, [N].
        errors: Such as `binned.CLASSWISE_ERRORS`.

    Raises:
        ValueError: Shapes differ, or probabilities or labels are invalid.
    """
    values = np.asarray(probabilities, dtype=float)
    values = values[None] if values.ndim == 2 else values
    truth = np.asarray(labels)
    _check_probabilities(values, truth)
    parts = [_classwise_of(network, truth, errors, draws, seed) for network in values]
    return {
        name: Calibrated(
            np.array([part[name].observed[0] for part in parts]),
            np.concatenate([part[name].drawn for part in parts]),
        )
        for name in errors
    }


def _classwise_of(
    probabilities: Floats, labels: Ints, errors: Mapping[str, ClasswiseError], draws: int, seed: int
) -> dict[str, Calibrated]:
    samples, classes = probabilities.shape
    found = {name: Calibrated(np.empty(1), np.empty((1, draws))) for name in errors}
    totals_by = {
        (error.bins, error.zero_binned): _ClassBins.of(probabilities, error.bins, error.zero_binned)
        for error in errors.values()
    }
    sampler = _LabelSampler(probabilities)
    observed = np.arange(samples)[None] * classes + labels
    for name, error in errors.items():
        totals = totals_by[error.bins, error.zero_binned]
        found[name].observed[:] = error.combined(*totals.with_labels(observed))
    for where, uniforms in _uniforms(draws, samples, seed):
        drawn = sampler.places(uniforms)
        with_labels = {key: totals.with_labels(drawn) for key, totals in totals_by.items()}
        for name, error in errors.items():
            found[name].drawn[0, where] = error.combined(*with_labels[error.bins, error.zero_binned])
    return found


@dataclass(frozen=True)
class _ClassBins:
    """The bins of all probabilities of a network.

    Attributes:
        places: Class and bin of each probability as one number, [N * K]; -1 for no bin.
        counts, sums: Number and sum of the probabilities in each class's bins, [K, bins].
    """

    places: Ints
    counts: Floats
    sums: Floats
    samples: int

    @classmethod
    def of(cls, probabilities: Floats, bins: int, zero_binned: bool) -> _ClassBins:
        samples, classes = probabilities.shape
        chosen = np.searchsorted(equal_width_edges(bins)[1:-1], probabilities, side="left")
        places: Ints = chosen + np.arange(classes) * bins
        if not zero_binned:
            places[probabilities <= 0] = -1
        places = np.ravel(places)
        shape, size = (classes, bins), classes * bins
        counts = np.bincount(places + 1, minlength=size + 1)[1:].reshape(shape)
        sums: Floats = np.bincount(places + 1, np.ravel(probabilities), size + 1)[1:].astype(np.float64)
        return cls(places, counts.astype(float), sums.reshape(shape), samples)

    def with_labels(self, positions: Ints) -> tuple[_DrawnTotals, Floats]:
        """Totals [D, K, bins] and numbers of labels [D, K], for labels at these places of [N * K], [D, N]."""
        draws, (classes, bins) = len(positions), self.counts.shape
        chosen, size = self.places[positions], classes * bins + 1
        flat = chosen + 1 + np.arange(draws)[:, None] * size
        hits = np.bincount(flat.ravel(), minlength=draws * size).reshape(draws, size)[:, 1:]
        labels = positions % classes + np.arange(draws)[:, None] * classes
        counts = np.bincount(labels.ravel(), minlength=draws * classes).reshape(draws, classes)
        binned = hits.reshape(draws, classes, bins).astype(float)
        return _DrawnTotals(self.counts, self.sums, binned, self.samples), counts.astype(float)


class _LabelSampler:
    """Draws a class for each sample by its probabilities, through one search in all samples' sums."""

    def __init__(self, probabilities: Floats):
        samples, classes = probabilities.shape
        sums = probabilities.cumsum(axis=1)
        sums /= sums[:, -1:]
        # A class without probability cannot be drawn: its sum equals the one before. The last sum is exactly
        # 1.
        self._sums = (sums + np.arange(samples)[:, None]).ravel()
        self._first = np.arange(samples) * classes
        self._last = self._first + _last_possible(probabilities)

    def places(self, uniforms: NDArray[np.float32]) -> Ints:
        """Places [D, N] in [N * K] from random numbers [D, N]."""
        sought = uniforms.astype(np.float64) + np.arange(uniforms.shape[1])
        found = np.searchsorted(self._sums, sought.ravel(), side="right").reshape(sought.shape)
        return np.clip(found, self._first, self._last)


def _last_possible(probabilities: Floats) -> Ints:
    """The last class of each sample whose probability is not 0, [N]."""
    return np.asarray(probabilities.shape[1] - 1 - np.argmax(probabilities[:, ::-1] > 0, axis=1))


def any_metric(
    metric: Callable[[Floats, Ints], float],
    probabilities: ArrayLike,
    labels: ArrayLike,
    draws: int = 200,
    seed: int = 0,
) -> Calibrated:
    """Like `classwise`, for any metric of probabilities [N, K] and labels [N], called once per draw."""
    values = np.asarray(probabilities, dtype=float)
    values = values[None] if values.ndim == 2 else values
    truth = np.asarray(labels)
    _check_probabilities(values, truth)
    drawn = np.empty((len(values), draws))
    for network, rows in enumerate(values):
        sampler = _LabelSampler(rows)
        for where, uniforms in _uniforms(draws, len(truth), seed):
            places = sampler.places(uniforms) % rows.shape[1]
            drawn[network, where] = [metric(rows, of_draw) for of_draw in places]
    return Calibrated(np.array([metric(rows, truth) for rows in values]), drawn)


def _check(confidences: Floats, correct: NDArray[np.generic]) -> None:
    if confidences.ndim != 2 or confidences.shape != correct.shape:
        raise ValueError(
            "confidences and correct must have one shape [T, N], "
            f"not {confidences.shape} and {correct.shape}."
        )
    if not confidences.size:
        raise ValueError("there are no samples.")
    if not (confidences.min() >= 0 and confidences.max() <= 1 + 1e-6):
        raise ValueError("confidences must lie in [0, 1].")


def _check_probabilities(probabilities: Floats, labels: Ints) -> None:
    if probabilities.ndim != 3 or labels.shape != probabilities.shape[1:2]:
        raise ValueError(
            "probabilities must have shape [T, N, K] and labels [N], "
            f"not {probabilities.shape} and {labels.shape}."
        )
    if not probabilities.size:
        raise ValueError("there are no samples.")
    if not (probabilities.min() >= 0 and np.abs(probabilities.sum(axis=-1) - 1).max() <= 1e-3):
        raise ValueError("probabilities must not be negative and must sum to 1 in each row.")
    if labels.min() < 0 or labels.max() >= probabilities.shape[-1]:
        raise ValueError(f"labels must lie in 0..{probabilities.shape[-1] - 1}.")
