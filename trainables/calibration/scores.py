"""All scores of a set of logits at once, before and after temperature scaling.

Computed in float64 from the unchanged logits: the same logits have the same scores on every processor. Only
last digits differ, by about 1e-15 of a probability, and nothing here amplifies that: the predicted class and
ranks come from the logits, confidences that are equal up to rounding share a bin of equal mass (`bins`), and
the edges of equal width are float32 numbers, which no confidence hits by definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainables import tasks
from trainables.calibrators.grid import TEMPERATURES
from trainables.calibrators.temperature import CRITERIA, best, criterion_curves
from trainables.catalogue import METRICS
from trainables.errors import InputError
from trainables.metrics import BINS, compute
from trainables.metrics.bins import bin_of, equal_mass_gap, equal_width_edges, totals, weighted_gap
from trainables.metrics.brier import brier_scores
from trainables.metrics.checks import checked_logits
from trainables.metrics.classwise_ece import classwise_excess, classwise_gap
from trainables.metrics.confident_share import confident
from trainables.metrics.mce import largest_gap
from trainables.metrics.top_k_accuracy import true_ranks

FLOAT32_ZERO = 2.0**-150
"""Up to this, probabilities round to 0 in float32, in which published scores of float32 logits were made."""

ELEMENTS_AT_ONCE = 2**22
"""Probabilities held at a time, 8 bytes each: 50,000 x 1,000 at once would take several times 400 MB."""


def score(logits: Tensor, labels: Tensor, temperature: float = 1.0) -> dict[str, float]:
    """The scores of softmax(logits / temperature), logits [N, K] and labels [N], with 15 bins.

    Returns:
        error, nll (nats, mean), brier, ece, adaptive_ece, classwise_ece, mce, top_1_accuracy, top_5_accuracy
        (1 if K <= 5), confident_share (of samples with confidence above 0.99), confident_accuracy (theirs,
        NaN if there are none) and mean_confidence, and each plug-in metric marked `at_commit`. All but nll
        and brier are fractions.

    Raises:
        InputError: Logits or labels are invalid, or the temperature is not positive.
    """
    return _score(*checked_logits(logits, labels), temperature)


def evaluate(
    val_logits: Tensor, val_labels: Tensor, test_logits: Tensor, test_labels: Tensor
) -> dict[str, float]:
    """Temperatures fitted on validation logits [N, K], and the scores of both parts before and after scaling.

    Returns:
        temperature_{criterion}, {part}_{score} and {part}_{score}_after_{criterion}, for the parts validation
        and test, the criteria ece, adaptive_ece and nll, and the scores of `score`.

    Raises:
        InputError: Logits or labels are invalid, or the parts have different numbers of classes.
    """
    parts = _checked_parts(val_logits, val_labels, test_logits, test_labels)
    temperatures = _temperatures(*parts["validation"])
    result = {f"temperature_{criterion}": value for criterion, value in temperatures.items()}
    for part, (logits, labels) in parts.items():
        known = {value: _score(logits, labels, value) for value in {1.0, *temperatures.values()}}
        result |= {f"{part}_{name}": value for name, value in known[1.0].items()}
        for criterion, temperature in temperatures.items():
            scores = known[temperature]
            result |= {f"{part}_{name}_after_{criterion}": value for name, value in scores.items()}
    return result


def evaluate_elsewhere(
    test_logits: Tensor, logits: Tensor, labels: Tensor, temperatures: Mapping[str, float]
) -> dict[str, float]:
    """All scores of an evaluation on another data set than the test set, before and after each scaling.

    Args:
        test_logits: [M, K], on the test set.
        logits: [N, K], on the other data set.
        labels: [N]; -1 if its classes are not those of the network: then only metrics against the test set
            are defined.
        temperatures: By criterion, as chosen on the validation part.

    Returns:
        test_{score} and test_{score}_after_{criterion}, for each metric marked `at_commit` and
        `against_test` and, if there are labels, for the scores of `score`.

    Raises:
        InputError: Logits are not finite, or have different numbers of classes.
    """
    specs = {name: METRICS[name].spec for name in METRICS.names()}
    against_test = [name for name, spec in specs.items() if spec.against_test and spec.at_commit]
    labelled = bool((labels >= 0).all())

    def scores(temperature: float) -> dict[str, float]:
        both = [all_probabilities(each, temperature) for each in (logits, test_logits)]
        found = {name: compute(name, both[0], labels, test_probabilities=both[1]) for name in against_test}
        return found | (score(logits, labels, temperature) if labelled else {})

    known = {value: scores(value) for value in {1.0, *temperatures.values()}}
    result = {f"test_{name}": value for name, value in known[1.0].items()}
    for criterion, temperature in temperatures.items():
        result |= {f"test_{name}_after_{criterion}": value for name, value in known[temperature].items()}
    return result


def after_temperatures(
    val_logits: Tensor, val_labels: Tensor, test_logits: Tensor, test_labels: Tensor
) -> dict[str, Any]:
    """The part of `evaluate` on temperatures, ECE and NLL after scaling, for a learning curve: far cheaper.

    Takes logits [N, K] and [M, K] on any device.

    Returns:
        temperature_{criterion}, {part}_ece_after_{criterion} (fraction) and {part}_nll_after_{criterion}
        (nats), for the parts validation and test and the criteria ece, adaptive_ece and nll; and
        test_bins_after_{criterion}, lists [3, 15]: number of samples, sum of their confidences and number of
        correct ones in each bin of equal width.

    Raises:
        InputError: As `evaluate`.
    """
    parts = _checked_parts(val_logits, val_labels, test_logits, test_labels)
    temperatures = _temperatures(*parts["validation"])
    numbers: dict[str, Tensor] = {}
    bins: dict[str, Tensor] = {}
    for part, (logits, labels) in parts.items():
        known = {value: _scaled_scores(logits, labels, value) for value in {*temperatures.values()}}
        for criterion, temperature in temperatures.items():
            ece, nll, _ = known[temperature]
            numbers |= {f"{part}_ece_after_{criterion}": ece, f"{part}_nll_after_{criterion}": nll}
        if part == "test":
            counted = {value: _bins(*of_samples) for value, (_, _, of_samples) in known.items()}
            bins = {f"test_bins_after_{name}": counted[value] for name, value in temperatures.items()}
    return {
        **{f"temperature_{criterion}": value for criterion, value in temperatures.items()},
        **dict(zip(numbers, torch.stack([*numbers.values()]).tolist(), strict=True)),
        **dict(zip(bins, torch.stack([*bins.values()]).tolist(), strict=True)),
    }


def _checked_parts(
    val_logits: Tensor, val_labels: Tensor, test_logits: Tensor, test_labels: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """Logits and labels by part. Raises InputError as `evaluate`."""
    parts = {
        "validation": checked_logits(val_logits, val_labels, "val_logits"),
        "test": checked_logits(test_logits, test_labels, "test_logits"),
    }
    if val_logits.shape[1] != test_logits.shape[1]:
        raise InputError(
            f"val_logits have {val_logits.shape[1]} classes, but test_logits {test_logits.shape[1]}."
        )
    return parts


def _temperatures(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """The temperature of each criterion."""
    curves = criterion_curves(logits, labels, CRITERIA)
    places = torch.stack([best(curve) for curve in curves.values()]).tolist()
    return {criterion: TEMPERATURES[place] for criterion, place in zip(curves, places, strict=True)}


def _scaled_scores(
    logits: Tensor, labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """ECE and NLL, then the confidence of each sample and whether it is correct."""
    parts, nll = [], []
    for part, some_labels in _split(logits, labels):
        gaps, _, normalisers = _scaled(part, temperature)
        parts.append(1 / normalisers)
        nll.append(normalisers.log() - gaps.gather(1, some_labels[:, None]).squeeze(1))
    confidences, correct = torch.cat(parts), logits.argmax(dim=1) == labels
    ece = weighted_gap(confidences, correct, equal_width_edges(BINS, logits.device))
    return ece, torch.cat(nll).mean(), (confidences, correct)


def _bins(confidences: Tensor, correct: Tensor) -> Tensor:
    """In bins of equal width: samples, sum of confidences and correct ones, [3, 15]."""
    counted = torch.stack([torch.ones_like(confidences), confidences, correct.double()])
    edges = equal_width_edges(BINS, confidences.device)
    return totals(bin_of(confidences, edges).expand(3, -1), counted, BINS)


def _score(logits: Tensor, labels: Tensor, temperature: float) -> dict[str, float]:
    if not 0 < temperature < float("inf"):
        raise InputError(f"temperature must be positive, not {temperature}.")
    correct = logits.argmax(dim=1) == labels
    parts = [_of_samples(*part, temperature) for part in _split(logits, labels)]
    confidences = torch.cat([part.confidences for part in parts])
    # Ranks come from the logits, which still differ where two probabilities have both become 0.
    ranks = true_ranks(logits, labels)
    share, accuracy = confident(confidences, correct)
    scores = {
        "error": 1 - correct.double().mean(),
        "nll": torch.cat([part.nll for part in parts]).mean(),
        "brier": torch.cat([part.brier for part in parts]).mean(),
        "ece": weighted_gap(confidences, correct, equal_width_edges(BINS, logits.device)),
        "adaptive_ece": equal_mass_gap(confidences, correct, BINS),
        "classwise_ece": classwise_gap(torch.stack([part.excess for part in parts]).sum(dim=0), labels),
        "mce": largest_gap(confidences, correct, BINS),
        "top_1_accuracy": (ranks < 1).double().mean(),
        "top_5_accuracy": (ranks < 5).double().mean(),
        "confident_share": share,
        "confident_accuracy": accuracy,
        "mean_confidence": confidences.mean(),
    }
    found = dict(zip(scores, torch.stack(list(scores.values())).tolist(), strict=True))
    specs = {name: METRICS[name].spec for name in METRICS.names() if name not in found}
    others = [
        name
        for name, spec in specs.items()
        if spec.at_commit and not spec.against_test and spec.task == tasks.DEFAULT
    ]
    if others:
        probabilities = all_probabilities(logits, temperature)
        found |= {name: compute(name, probabilities, labels) for name in others}
    return found


@dataclass(frozen=True)
class _Samples:
    """Intermediate values of some samples: negative log-likelihood, Brier score and confidence of each,
    float64 [n], and the sums [K, bins] of `classwise_excess`.
    """

    nll: Tensor
    brier: Tensor
    confidences: Tensor
    excess: Tensor


def _of_samples(logits: Tensor, labels: Tensor, temperature: float) -> _Samples:
    gaps, powers, normalisers = _scaled(logits, temperature)
    true = gaps.gather(1, labels[:, None]).squeeze(1)
    probabilities = powers / normalisers[:, None]
    zero = FLOAT32_ZERO if logits.dtype == torch.float32 else 0.0
    return _Samples(
        nll=normalisers.log() - true,
        brier=brier_scores(probabilities, labels),
        confidences=1 / normalisers,
        excess=classwise_excess(probabilities, labels, BINS, zero),
    )


def _scaled(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """(z - max z) / T and exp of it, float64 [N, K], and the sum of the latter, [N]."""
    # Subtract the greatest logit first: dividing large logits would cost digits that their gaps need.
    gaps = logits.double()
    gaps = (gaps - gaps.amax(dim=1, keepdim=True)) / temperature
    powers = gaps.exp()
    return gaps, powers, powers.sum(dim=1)


def _split(logits: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    rows = max(1, ELEMENTS_AT_ONCE // logits.shape[1])
    for start in range(0, len(logits), rows):
        yield logits[start : start + rows], labels[start : start + rows]


def confidences_of(logits: Tensor, temperature: float) -> Tensor:
    """The confidences that `score` uses, float64 [N]."""
    parts = _split(logits, torch.empty(len(logits)))
    return torch.cat([1 / _scaled(part, temperature)[2] for part, _ in parts])


def all_probabilities(logits: Tensor, temperature: float) -> Tensor:
    """softmax(logits / temperature), float64 [N, K].

    Raises:
        InputError: Logits are invalid.
    """
    checked, labels = checked_logits(logits, torch.zeros(len(logits), dtype=torch.int64))
    return torch.cat([part for part, _ in probabilities_of(checked, labels, temperature)])


def probabilities_of(logits: Tensor, labels: Tensor, temperature: float) -> Iterator[tuple[Tensor, Tensor]]:
    """The probabilities that `score` uses, float64 [n, K], and labels [n], some samples at a time."""
    for part, some_labels in _split(logits, labels):
        _, powers, normalisers = _scaled(part, temperature)
        yield powers / normalisers[:, None], some_labels
