"""Whether scores that were committed follow from logits: how far other arithmetic may have moved them.

A committed score need not be the very number that comes out here. Each probability that it was computed from
may have been off by `off`; then a mean is off by no more than that, but a sample that lies so near the edge
of a bin may have been in the next one. The bounds here are what a score can become if every probability is
wrong by `off` and every such sample is in whichever bin makes most of it. Likewise a temperature is the right
one if its criterion can have been the least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.calibration.out_of_distribution import detectors, evaluate_on
from trainables.calibration.scores import FLOAT32_ZERO, confidences_of, probabilities_of, score
from trainables.calibrators.temperature import (
    CRITERIA,
    TEMPERATURES,
    TIE,
    best,
    confidence_rows,
    criterion_curves,
)
from trainables.metrics import BINS
from trainables.metrics.bins import bin_of, equal_mass_edges, equal_width_edges, totals
from trainables.metrics.checks import checked_logits
from trainables.metrics.confident_share import CONFIDENT
from trainables.protocols.base import Criterion

FLOAT32_OFF = 4e-6
"""Of a softmax in float32, as scores were computed from once: 63 additions in each of 16 lanes for 1,000
classes, each off by half of 1.2e-7."""

FLOAT64_OFF = 1e-11
"""Of one in float64."""

EXACT = 1e-12
"""What counts samples is the same everywhere but for the last digit of a division."""

COUNTED = ("error", "top_1_accuracy", "top_5_accuracy")
FLUSHED = (2.0**-20, 2.0**30)
"""A true class's probability this many times `FLOAT32_ZERO` may have been 0 in float32: some processors flush
its smallest numbers, below 2**-126."""


@dataclass(frozen=True)
class Bounds:
    """Least and greatest value that a score can have, and whether it can have none (NaN)."""

    least: float
    greatest: float
    may_lack: bool = False

    @classmethod
    def around(cls, value: float, slack: float) -> Bounds:
        return cls(value - slack - EXACT, value + slack + EXACT, value != value)

    def hold(self, value: float) -> bool:
        return self.may_lack if value != value else self.least <= value <= self.greatest


def differing(
    committed: Mapping[str, float],
    val_logits: Tensor,
    val_labels: Tensor,
    test_logits: Tensor,
    test_labels: Tensor,
    off: float,
) -> dict[str, tuple[float, float]]:
    """Scores, named as `evaluate` names them, that do not follow from the logits, as (committed, computed).

    What was scored after scaling is compared at the temperature that was committed.

    Args:
        committed: NaN for a score without a value. A score that is not there is not compared.
        off: By how much the probabilities may be off: `FLOAT32_OFF` or `FLOAT64_OFF`.
    """
    parts = {
        "validation": checked_logits(val_logits, val_labels),
        "test": checked_logits(test_logits, test_labels),
    }
    found: dict[str, tuple[float, float]] = {}
    temperatures: dict[str, float] = {}
    curves = criterion_curves(*parts["validation"], CRITERIA)
    confidences = confidence_rows(parts["validation"][0])
    correct = parts["validation"][0].argmax(dim=1) == parts["validation"][1]
    for criterion, curve in curves.items():
        name, right = f"temperature_{criterion}", TEMPERATURES[int(best(curve))]
        given = committed.get(name, float("nan"))
        if name in committed and not _may_be_best(confidences, correct, criterion, curve, given, off):
            found[name] = (given, right)
        temperatures[criterion] = given if given in TEMPERATURES else right
    for part, (logits, labels) in parts.items():
        found |= _scores_differing(committed, part, logits, labels, temperatures, off)
    return found


def differing_on(
    committed: Mapping[str, float],
    test_logits: Tensor,
    other_logits: Tensor,
    other_labels: Tensor,
    temperatures: Mapping[str, float],
    off: float,
) -> dict[str, tuple[float, float]]:
    """As `differing`, of the scores on a data set out of distribution, named as `evaluate_on` names them.

    Args:
        temperatures: Those of the trial's own row.
    """
    found: dict[str, tuple[float, float]] = {}
    if bool((other_labels >= 0).all()):
        found = _scores_differing(
            committed, "test", *checked_logits(other_logits, other_labels), temperatures, off
        )
    anew = evaluate_on(test_logits, other_logits, other_labels, temperatures)
    for suffix, temperature in {"": 1.0, **{f"_after_{c}": t for c, t in temperatures.items()}}.items():
        accepted = detectors(test_logits, temperature)
        for name, others in detectors(other_logits, temperature).items():
            column = f"test_auroc_{name}{suffix}"
            slack = _share_of_ties(accepted[name], others)
            given = committed.get(column)
            if given is not None and not Bounds.around(anew[column], slack).hold(given):
                found[column] = (given, anew[column])
    return found


def _share_of_ties(accepted: Tensor, others: Tensor) -> float:
    """Share of pairs that are as good as equal, of which either may have been the greater."""
    ordered, near = others.sort().values, EXACT * (1 + accepted.abs())
    pairs = torch.searchsorted(ordered, accepted + near, right=True) - torch.searchsorted(
        ordered, accepted - near
    )
    return float(pairs.double().mean()) / len(others)


def _scores_differing(
    committed: Mapping[str, float],
    part: str,
    logits: Tensor,
    labels: Tensor,
    temperatures: Mapping[str, float],
    off: float,
) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    known = {
        temperature: (score(logits, labels, temperature), score_bounds(logits, labels, temperature, off))
        for temperature in {1.0, *temperatures.values()}
    }
    for suffix, temperature in {"": 1.0, **{f"_after_{c}": t for c, t in temperatures.items()}}.items():
        anew, bounds = known[temperature]
        for name, bound in bounds.items():
            column = f"{part}_{name}{suffix}"
            given = committed.get(column)
            if given is not None and not bound.hold(given):
                found[column] = (given, anew[name])
    return found


def score_bounds(logits: Tensor, labels: Tensor, temperature: float, off: float) -> dict[str, Bounds]:
    """What each score of `score` can be if each probability is off by no more than `off`."""
    scores = score(logits, labels, temperature)
    confidences, correct = confidences_of(logits, temperature), logits.argmax(dim=1) == labels
    slacks = {
        **dict.fromkeys(COUNTED, 0.0),
        # A logarithm is off by as much again for each unit of its size.
        "nll": off * (1 + abs(scores["nll"])),
        # Of each sample the sum over classes of 2 |p - y| off, where |p - y| adds up to 2 at most.
        "brier": 4 * off,
        "mean_confidence": off,
        "ece": _gap_slack(confidences, correct, equal_width_edges(BINS, logits.device), off),
        "adaptive_ece": _equal_mass_slack(confidences, correct, off),
        "classwise_ece": _classwise_slack(logits, labels, temperature, off),
    }
    bounds = {name: Bounds.around(scores[name], slack) for name, slack in slacks.items()}
    bounds["mce"] = _largest_gap_bounds(confidences, correct, off)
    return bounds | _confident_bounds(confidences, correct, off)


def _near(values: Tensor, edges: Tensor, off: float) -> Tensor:
    """Which of the values may lie on the other side of an edge."""
    return bin_of(values - off, edges) != bin_of(values + off, edges)


def _gap_slack(confidences: Tensor, correct: Tensor, edges: Tensor, off: float) -> float:
    """Of `weighted_gap`. A sample that changes its bin changes two bins' sums by its own excess."""
    return _moving_slack(confidences, correct, _near(confidences, edges, off), off)


def _equal_mass_slack(confidences: Tensor, correct: Tensor, off: float) -> float:
    """Of `equal_mass_gap`, whose edges may be off as well."""
    moving = torch.zeros_like(correct)
    for edge in equal_mass_edges(confidences, BINS)[:-1]:
        near = (confidences - edge).abs() <= 2 * off
        # An edge that is the confidence of one sample, and of no other, is so in any arithmetic.
        if not (int(near.sum()) == 1 and bool((confidences[near] == edge).all())):
            moving |= near
    return _moving_slack(confidences, correct, moving, off)


def _moving_slack(confidences: Tensor, correct: Tensor, moving: Tensor, off: float) -> float:
    return off + 2 * float((confidences - correct.double())[moving].abs().sum()) / len(confidences)


def _classwise_slack(logits: Tensor, labels: Tensor, temperature: float, off: float) -> float:
    edges = equal_width_edges(BINS, logits.device)[1:-1]
    classes = int(labels.max()) + 1
    moving = 0.0
    for probabilities, some_labels in probabilities_of(logits, labels, temperature):
        true = probabilities.gather(1, some_labels[:, None])
        excess = probabilities.scatter(1, some_labels[:, None], 1 - true)[:, :classes]
        near = torch.bucketize(probabilities[:, :classes] - off, edges) != torch.bucketize(
            probabilities[:, :classes] + off, edges
        )
        moving += 2 * float(excess[near].sum())
        lost = (true > FLOAT32_ZERO * FLUSHED[0]) & (true < FLOAT32_ZERO * FLUSHED[1])
        moving += float(lost.sum())
    return off + moving / len(labels) / classes


def _largest_gap_bounds(confidences: Tensor, correct: Tensor, off: float) -> Bounds:
    edges = equal_width_edges(BINS, confidences.device)
    ones, excess = torch.ones_like(confidences), confidences - correct.double()
    chosen, lower, upper = (bin_of(confidences + move, edges) for move in (0, -off, off))
    counts, sums = totals(chosen, ones, BINS), totals(chosen, excess, BINS)
    gaps = sums.abs() / counts.clamp_min(1)
    moving = lower != upper
    touching = totals(lower[moving], ones[moving], BINS) + totals(upper[moving], ones[moving], BINS)
    staying = (counts - totals(chosen[moving], ones[moving], BINS)).clamp_min(1)
    # What comes or goes differs from the mean of its bin by no more than 1 and the width of a bin.
    slack = ((1 + 1 / BINS + 2 * off) * touching / staying).clamp_max(1) + off + EXACT
    return Bounds(float((gaps - slack).max()), float((gaps + slack).max()))


def _confident_bounds(confidences: Tensor, correct: Tensor, off: float) -> dict[str, Bounds]:
    surely = confidences > CONFIDENT + off
    maybe = (confidences > CONFIDENT - off) & ~surely
    right, wrong = int((maybe & correct).sum()), int((maybe & ~correct).sum())
    number, good = int(surely.sum()), int((surely & correct).sum())
    least, greatest = number / len(confidences), (number + right + wrong) / len(confidences)
    accuracy = Bounds(
        good / (number + wrong) - EXACT if number + wrong else 1 - EXACT,
        (good + right) / (number + right) + EXACT if number + right else EXACT,
        may_lack=number == 0,
    )
    return {
        "confident_share": Bounds(least - EXACT, greatest + EXACT),
        "confident_accuracy": accuracy,
    }


def _may_be_best(
    confidences: Tensor, correct: Tensor, criterion: Criterion, curve: Tensor, temperature: float, off: float
) -> bool:
    """Whether a temperature may have had the least criterion, whose values on the grid are the curve [100].

    Args:
        confidences: At each temperature of the grid, [100, N].
    """
    if temperature not in TEMPERATURES:
        return False
    positions = (TEMPERATURES.index(temperature), int(best(curve)))

    def slack(position: int) -> float:
        row = confidences[position]
        if criterion == "nll":
            return off * (1 + abs(float(curve[position])))
        if criterion == "ece":
            return _gap_slack(row, correct, equal_width_edges(BINS, row.device), off)
        return _equal_mass_slack(row, correct, off)

    if criterion == "adaptive_ece":
        least, greatest = confidences.aminmax(dim=1)
        if float((greatest - least).max()) <= 2 * off:
            return True  # There it may have seen no difference, at any temperature.
    given, right = (float(curve[position]) for position in positions)
    return given - slack(positions[0]) <= right + slack(positions[1]) + 2 * TIE
