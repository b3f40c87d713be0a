"""Checks whether committed scores follow from logits, up to differences in arithmetic.

A committed score need not equal the number computed here. Each probability behind it may have been off by
`off`. A mean is then off by at most that, but a sample near the edge of a bin may have been in the next one.
The bounds here are the extremes of a score if every probability is wrong by `off` and every such sample is in
the bin that changes the score most. A temperature is accepted if its criterion may have been the least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.calibration.scores import (
    FLOAT32_ZERO,
    all_probabilities,
    confidences_of,
    evaluate_elsewhere,
    probabilities_of,
    score,
)
from trainables.calibrators.grid import TEMPERATURES
from trainables.calibrators.temperature import (
    CRITERIA,
    TIE,
    best,
    confidence_rows,
    criterion_curves,
)
from trainables.metrics import BINS
from trainables.metrics.auroc import detectors
from trainables.metrics.bins import bin_of, equal_mass_edges, equal_width_edges, totals
from trainables.metrics.checks import checked_logits
from trainables.metrics.confident_share import CONFIDENT
from trainables.protocols.base import Criterion

FLOAT32_OFF = 4e-6
"""Error of a softmax in float32, in which scores were once computed: 63 additions in each of 16 lanes for
1,000 classes, each off by half of 1.2e-7."""

FLOAT64_OFF = 1e-11
"""Error of a softmax in float64."""

EXACT = 1e-12
"""Counts of samples are the same everywhere except for the last digit of a division."""

COUNTED = ("error", "top_1_accuracy", "top_5_accuracy")
FLUSHED = (2.0**-20, 2.0**30)
"""A true class's probability between these multiples of `FLOAT32_ZERO` may have been 0 in float32: some
processors flush its smallest numbers, below 2**-126."""


@dataclass(frozen=True)
class Bounds:
    """Least and greatest possible value of a score, and whether it may be undefined (NaN)."""

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
    """Scores, named as in `evaluate`, that do not follow from the logits, as (committed, computed).

    Scores after scaling are compared at the committed temperature.

    Args:
        committed: NaN for an undefined score. Absent scores are not compared.
        off: Possible error of the probabilities: `FLOAT32_OFF` or `FLOAT64_OFF`.
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


def differing_elsewhere(
    committed: Mapping[str, float],
    test_logits: Tensor,
    other_logits: Tensor,
    other_labels: Tensor,
    temperatures: Mapping[str, float],
    off: float,
) -> dict[str, tuple[float, float]]:
    """Like `differing`, for the scores of another evaluation, named as in `evaluate_elsewhere`.

    Args:
        temperatures: Those of the trial's own row.
    """
    found: dict[str, tuple[float, float]] = {}
    if bool((other_labels >= 0).all()):
        found = _scores_differing(
            committed, "test", *checked_logits(other_logits, other_labels), temperatures, off
        )
    computed = evaluate_elsewhere(test_logits, other_logits, other_labels, temperatures)
    for suffix, temperature in _by_suffix(temperatures).items():
        accepted = detectors(all_probabilities(test_logits, temperature))
        for name, others in detectors(all_probabilities(other_logits, temperature)).items():
            column = f"test_auroc_{name}{suffix}"
            slack = _share_of_ties(accepted[name], others)
            given = committed.get(column)
            if given is not None and not Bounds.around(computed[column], slack).hold(given):
                found[column] = (given, computed[column])
    return found


def _by_suffix(temperatures: Mapping[str, float]) -> dict[str, float]:
    """The temperature of each score by the end of its name: '' before scaling."""
    return {"": 1.0, **{f"_after_{criterion}": value for criterion, value in temperatures.items()}}


def _share_of_ties(accepted: Tensor, others: Tensor) -> float:
    """Share of nearly equal pairs, of which either may have been the greater."""
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
    for suffix, temperature in _by_suffix(temperatures).items():
        computed, bounds = known[temperature]
        for name, bound in bounds.items():
            column = f"{part}_{name}{suffix}"
            given = committed.get(column)
            if given is not None and not bound.hold(given):
                found[column] = (given, computed[name])
    return found


def score_bounds(logits: Tensor, labels: Tensor, temperature: float, off: float) -> dict[str, Bounds]:
    """Possible values of each score of `score` if each probability is off by at most `off`."""
    scores = score(logits, labels, temperature)
    confidences, correct = confidences_of(logits, temperature), logits.argmax(dim=1) == labels
    slacks = {
        **dict.fromkeys(COUNTED, 0.0),
        # The error of a logarithm grows with its size.
        "nll": off * (1 + abs(scores["nll"])),
        # Per sample, the sum over classes of 2 |p - y| off, where |p - y| adds up to at most 2.
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
    """Mask of the values that may lie on the other side of an edge."""
    return bin_of(values - off, edges) != bin_of(values + off, edges)


def _gap_slack(confidences: Tensor, correct: Tensor, edges: Tensor, off: float) -> float:
    """Slack of `weighted_gap`. A sample that changes its bin changes two bins' sums by its own excess."""
    return _moving_slack(confidences, correct, _near(confidences, edges, off), off)


def _equal_mass_slack(confidences: Tensor, correct: Tensor, off: float) -> float:
    """Slack of `equal_mass_gap`, whose edges may be off as well."""
    moving = torch.zeros_like(correct)
    for edge in equal_mass_edges(confidences, BINS)[:-1]:
        near = (confidences - edge).abs() <= 2 * off
        # An edge that is the confidence of exactly one sample stays so in any arithmetic.
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
    # A moving sample differs from the mean of its bin by at most 1 and the width of a bin.
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
    """Whether a temperature may have had the least criterion, given its curve on the grid, [100].

    Args:
        confidences: Confidences at each temperature of the grid, [100, N].
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
