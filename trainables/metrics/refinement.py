"""Parts of proper scores: the part that recalibration could remove, and the rest."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.calibrators.continuous_temperature import nll_temperature
from trainables.metrics.brier import brier_scores
from trainables.metrics.checks import checked_probabilities
from trainables.registry import register


@register(
    "nll_refinement",
    spec={
        "title": "NLL refinement",
        "meaning": "Refinement part of the negative log-likelihood",
        "unit": "nats",
        "direction": "lower",
    },
)
def nll_refinement(probabilities: Tensor, labels: Tensor) -> float:
    """The negative log-likelihood (nats) that remains at the best temperature for the same samples.

    Berta et al., 'Rethinking Early Stopping: Refine, Then Calibrate' (2025), section 4: an upper bound on the
    refinement error, by temperature scaling.
    """
    log_probabilities, labels = _logarithms(probabilities, labels)
    return _nll(_at_best_temperature(log_probabilities, labels), labels)


@register(
    "nll_calibration",
    spec={
        "title": "NLL calibration",
        "meaning": "Calibration part of the negative log-likelihood",
        "unit": "nats",
        "direction": "lower",
    },
)
def nll_calibration(probabilities: Tensor, labels: Tensor) -> float:
    """The negative log-likelihood (nats) that the best temperature would remove. Berta et al. 2025."""
    log_probabilities, labels = _logarithms(probabilities, labels)
    scaled = _at_best_temperature(log_probabilities, labels)
    return _nll(log_probabilities, labels) - _nll(scaled, labels)


@register(
    "brier_refinement",
    spec={
        "title": "Brier refinement",
        "meaning": "Refinement part of the Brier score",
        "unit": "percent",
        "direction": "lower",
    },
)
def brier_refinement(probabilities: Tensor, labels: Tensor) -> float:
    """The Brier score that remains at the temperature with the least negative log-likelihood.

    Berta et al. 2025, who fit by likelihood whichever score is decomposed.
    """
    log_probabilities, labels = _logarithms(probabilities, labels)
    return _brier(_at_best_temperature(log_probabilities, labels), labels)


@register(
    "brier_calibration",
    spec={
        "title": "Brier calibration",
        "meaning": "Calibration part of the Brier score",
        "unit": "percent",
        "direction": "lower",
    },
)
def brier_calibration(probabilities: Tensor, labels: Tensor) -> float:
    """The Brier score minus `brier_refinement`; negative if the temperature makes it worse."""
    log_probabilities, labels = _logarithms(probabilities, labels)
    scaled = _at_best_temperature(log_probabilities, labels)
    return _brier(log_probabilities, labels) - _brier(scaled, labels)


def _logarithms(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """log p, float64 [N, K], with 0 replaced by the least positive number, and the labels [N]."""
    probabilities, labels = checked_probabilities(probabilities, labels)
    values = probabilities.double()
    return values.clamp_min(torch.finfo(values.dtype).tiny).log(), labels


def _at_best_temperature(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    return (log_probabilities / nll_temperature(log_probabilities, labels)).log_softmax(dim=1)


def _nll(log_probabilities: Tensor, labels: Tensor) -> float:
    return float(-log_probabilities.gather(1, labels[:, None]).mean())


def _brier(log_probabilities: Tensor, labels: Tensor) -> float:
    return float(brier_scores(log_probabilities.exp(), labels).mean())
