"""All scores of a set of logits at once, before and after temperature scaling."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.calibration.bins import equal_mass_edges, equal_width_edges, weighted_gap
from trainables.calibration.checks import checked_logits
from trainables.calibration.metrics import (
    BINS,
    brier_score,
    classwise_gap,
    confident,
    largest_gap,
    true_ranks,
)
from trainables.calibration.temperature import CRITERIA, TEMPERATURES, best, criterion_curves
from trainables.errors import InputError


def score(logits: Tensor, labels: Tensor, temperature: float = 1.0) -> dict[str, float]:
    """The scores of softmax(logits / temperature), logits [N, K] and labels [N], with 15 bins.

    Returns:
        error, nll (nats, mean), brier, ece, adaptive_ece, classwise_ece, mce, top_1_accuracy, top_5_accuracy
        (1 where K <= 5), confident_share (of samples with confidence above 0.99), confident_accuracy (theirs,
        NaN where there are none) and mean_confidence. All but nll and brier are fractions.

    Raises:
        InputError: Logits or labels that have no scores, or a temperature that is not positive.
    """
    return _score(*checked_logits(logits, labels), temperature)


def evaluate(
    val_logits: Tensor, val_labels: Tensor, test_logits: Tensor, test_labels: Tensor
) -> dict[str, float]:
    """The temperatures that validation logits [N, K] ask for, and the scores of both parts with and without.

    Returns:
        temperature_{criterion}, {part}_{score} and {part}_{score}_after_{criterion}, for the parts validation
        and test, the criteria ece, adaptive_ece and nll, and the scores of `score`.

    Raises:
        InputError: Logits or labels that have no scores, or parts with different numbers of classes.
    """
    parts = {
        "validation": checked_logits(val_logits, val_labels, "val_logits"),
        "test": checked_logits(test_logits, test_labels, "test_logits"),
    }
    if val_logits.shape[1] != test_logits.shape[1]:
        raise InputError(
            f"val_logits have {val_logits.shape[1]} classes, but test_logits {test_logits.shape[1]}."
        )
    curves = criterion_curves(*parts["validation"], CRITERIA)
    temperatures = {criterion: TEMPERATURES[int(best(curve))] for criterion, curve in curves.items()}
    result = {f"temperature_{criterion}": value for criterion, value in temperatures.items()}
    for part, (logits, labels) in parts.items():
        known = {value: _score(logits, labels, value) for value in {1.0, *temperatures.values()}}
        result |= {f"{part}_{name}": value for name, value in known[1.0].items()}
        for criterion, temperature in temperatures.items():
            scores = known[temperature]
            result |= {f"{part}_{name}_after_{criterion}": value for name, value in scores.items()}
    return result


def _score(logits: Tensor, labels: Tensor, temperature: float) -> dict[str, float]:
    if not 0 < temperature < float("inf"):
        raise InputError(f"temperature must be positive, not {temperature}.")
    top, predictions = logits.max(dim=1, keepdim=True)
    # The greatest logit is taken off first: dividing large logits would cost digits that their gaps need.
    log_probabilities = torch.log_softmax((logits - top) / temperature, dim=1)
    probabilities = log_probabilities.exp()
    confidences = probabilities.gather(1, predictions).squeeze(1)
    correct = predictions.squeeze(1) == labels
    # Ranks come from the logits, which tell classes apart whose probabilities have both become 0.
    ranks = true_ranks(logits, labels)
    share, accuracy = confident(confidences, correct)
    scores = {
        "error": 1 - correct.double().mean(),
        "nll": -log_probabilities.gather(1, labels[:, None]).double().mean(),
        "brier": brier_score(probabilities, labels),
        "ece": weighted_gap(confidences, correct, equal_width_edges(BINS, logits.device)),
        "adaptive_ece": weighted_gap(confidences, correct, equal_mass_edges(confidences, BINS)),
        "classwise_ece": classwise_gap(probabilities, labels, BINS),
        "mce": largest_gap(confidences, correct, BINS),
        "top_1_accuracy": (ranks < 1).double().mean(),
        "top_5_accuracy": (ranks < 5).double().mean(),
        "confident_share": share,
        "confident_accuracy": accuracy,
        "mean_confidence": confidences.double().mean(),
    }
    return dict(zip(scores, torch.stack(list(scores.values())).tolist(), strict=True))
