"""Warnings about scores that may mean less than they seem. They never prevent scoring."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from results.scoring.logits_input.logits import ROWS, Part
from results.scoring.logits_input.notes import Note, shortened, warning
from results.scoring.scores import criteria, known_metrics
from results.wording import counted
from trainables.metrics import BINS

PER_BIN = 20
"""Desired mean number of samples per bin: with 20, accuracy is known to about 0.1."""

SAME = 1e-12
"""Smaller differences of confidence are due to the order of summation."""

BEYOND_CHANCE = 2.0
"""Standard errors."""

TITLES = {"val": "validation", "test": "test"}


def doubts(parts: Mapping[str, Part], scores: Mapping[str, float], grid: Sequence[float]) -> list[Note]:
    """Warnings for the parts ("val" and "test", or only "test") and their scores.

    Args:
        scores: Result of `trainables.calibration.evaluate`.
        grid: The temperatures that were searched.
    """
    found = _grid_ends(scores, grid) if "val" in parts else []
    for name, part in parts.items():
        found += _of_part(f"{name}_labels", TITLES[name], part)
    return found + (_scaling_hurts(parts["val"], parts["test"], scores) if "val" in parts else [])


def _grid_ends(scores: Mapping[str, float], grid: Sequence[float]) -> list[Note]:
    found = []
    for criterion, metric in criteria().items():
        temperature = scores[f"temperature_{criterion}"]
        if temperature in (grid[0], grid[-1]):
            beyond = "lower" if temperature == grid[0] else "higher"
            line = (
                f"the temperature by {metric.title}, {temperature:.1f}, is at the end of the searched range: "
                f"a {beyond} one may be better. Check that these are unscaled logits."
            )
            found.append(warning("grid_end", line))
    return found


def _of_part(labels: str, title: str, part: Part) -> list[Note]:
    found = []
    classes = part.logits.shape[1]
    absent = np.flatnonzero(np.bincount(part.labels, minlength=classes) == 0)
    if len(absent):
        listed = shortened([str(number) for number in absent], most=5)
        line = f"{len(absent):,} of {counted(classes, 'class')} never occur in {labels}: {listed}."
        found.append(warning("absent_class", line))
    if len(part.labels) < BINS * PER_BIN:
        line = (
            f"the {title} part has {counted(len(part.labels), 'sample')} for {BINS} bins: binned scores with "
            f"fewer than {BINS * PER_BIN} are mostly noise."
        )
        found.append(warning("few_samples", line))
    confidences = _confidences(part)
    if len(confidences) > 1 and float(np.ptp(confidences)) < SAME:
        line = (
            f"every sample of the {title} part has the confidence {confidences[0]:.4g}: one bin contains "
            f"them all, and {known_metrics()['adaptive_ece'].title} is meaningless."
        )
        found.append(warning("one_confidence", line))
    return found


def _scaling_hurts(val: Part, test: Part, scores: Mapping[str, float]) -> list[Note]:
    nll = known_metrics()["nll"]
    title, printed = nll.title, nll.printed
    before, after = scores["test_nll"], scores["test_nll_after_nll"]
    if not (scores["validation_nll"] > scores["validation_nll_after_nll"] and after > before):
        return []
    # With few samples, a single hard one can decide the effect of any temperature.
    if not all(_beyond_chance(part, scores["temperature_nll"]) for part in (val, test)):
        return []
    line = (
        f"scaling lowers the {title} on validation ({printed(scores['validation_nll'])} to "
        f"{printed(scores['validation_nll_after_nll'])}) and raises it on test ({printed(before)} to "
        f"{printed(after)}): check that both parts come from one network and one distribution."
    )
    return [warning("scaling_hurts", line)]


def _beyond_chance(part: Part, temperature: float) -> bool:
    """Whether the mean change of the loss is significant, given its variation between samples."""
    change = _losses(part, temperature) - _losses(part, 1.0)
    return abs(float(change.mean())) > BEYOND_CHANCE * float(change.std()) / math.sqrt(len(change))


def _confidences(part: Part) -> npt.NDArray[np.float64]:
    return np.concatenate([1 / np.exp(gaps).sum(axis=1) for gaps in _gaps(part)])


def _losses(part: Part, temperature: float) -> npt.NDArray[np.float64]:
    """The negative log-likelihood of each sample, in nats."""
    normalisers = np.concatenate([np.log(np.exp(gaps / temperature).sum(axis=1)) for gaps in _gaps(part)])
    true = part.logits[np.arange(len(part.labels)), part.labels].astype(np.float64)
    losses: npt.NDArray[np.float64] = normalisers + (part.logits.max(axis=1) - true) / temperature
    return losses


def _gaps(part: Part) -> Iterator[npt.NDArray[np.float64]]:
    """Distance of each logit to the maximum of its row, in chunks of rows."""
    blocks = (part.logits[start : start + ROWS] for start in range(0, len(part.labels), ROWS))
    for block in blocks:
        # A gap that overflows float64 means probability 0, like many smaller ones.
        with np.errstate(over="ignore"):
            gaps = block.astype(np.float64) - block.max(axis=1, keepdims=True)
        yield gaps
