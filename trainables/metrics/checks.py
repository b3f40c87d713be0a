"""Refuses input for which a metric is undefined, in one line that names the argument."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from trainables.errors import InputError

SUM_TOLERANCE = 1e-3
RANGE_TOLERANCE = 1e-6


def checked_logits(logits: Tensor, labels: Tensor, name: str = "logits") -> tuple[Tensor, Tensor]:
    """Returns the logits [N, K] in float32 or wider, and the labels [N] as int64 on their device.

    Raises:
        InputError: Shape or type is wrong, there are no samples, labels are outside 0..K-1, or logits are not
            finite.
    """
    logits, labels = _checked_shapes(logits, labels, name)
    least, greatest = _extremes(logits)
    if not (math.isfinite(least) and math.isfinite(greatest)):
        raise InputError(f"{name} must be finite, but contain NaN or infinite values.")
    return logits, labels


def checked_probabilities(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the probabilities [N, K] in float32 or wider, and the labels [N] as int64 on their device.

    Raises:
        InputError: Shape or type is wrong, there are no samples, labels are outside 0..K-1, values are
            outside [0, 1], or rows do not sum to 1.
    """
    probabilities, labels = checked_one_vs_all(probabilities, labels)
    worst = float((probabilities.sum(dim=1) - 1).abs().max())
    if not worst <= SUM_TOLERANCE:
        raise InputError(f"probabilities must sum to 1 in each row, but one sum is off by {worst:.4g}.")
    return probabilities, labels


def checked_one_vs_all(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """As `checked_probabilities`, of each class against all others: rows need not sum to 1."""
    probabilities, labels = _checked_shapes(probabilities, labels, "probabilities")
    least, greatest = _extremes(probabilities)
    if not (least >= -RANGE_TOLERANCE and greatest <= 1 + RANGE_TOLERANCE):
        raise InputError(
            f"probabilities must lie in [0, 1], but they run from {least:.4g} to {greatest:.4g}; "
            "for logits apply softmax first."
        )
    return probabilities, labels


def checked_binary(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the probabilities of the second of two classes, float64 [N], and which samples are of it, [N].

    Args:
        probabilities: [N, 2].

    Raises:
        InputError: As `checked_probabilities`, or there are not two classes.
    """
    probabilities, labels = checked_probabilities(probabilities, labels)
    if probabilities.shape[1] != 2:
        raise InputError(f"it is defined for 2 classes, but there are {probabilities.shape[1]}.")
    return probabilities[:, 1].double().contiguous(), labels == 1


def checked_class_counts(counts: Sequence[int] | Tensor | None, scores: Tensor, name: str) -> Tensor:
    """Returns the class counts as int64 [K], on the device of the scores [N, K].

    Args:
        name: The component that needs them, for messages.

    Raises:
        InputError: They are unknown (None), or of another number of classes.
    """
    if counts is None:
        raise InputError(f"{name!r} needs class_counts: the number of training labels of each class.")
    found = torch.as_tensor(counts, dtype=torch.int64, device=scores.device)
    if scores.ndim != 2 or found.shape != scores.shape[1:]:
        raise InputError(
            f"class_counts must have one number per class, but have shape {list(found.shape)} with scores "
            f"of shape {list(scores.shape)}."
        )
    return found


def checked_bins(bins: int) -> int:
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise InputError(f"bins must be a whole number of at least 1, not {bins!r}.")
    return bins


def _checked_shapes(scores: Tensor, labels: Tensor, name: str) -> tuple[Tensor, Tensor]:
    of_labels = name.replace("logits", "labels") if "logits" in name else "labels"
    for tensor, called in ((scores, name), (labels, of_labels)):
        if not isinstance(tensor, Tensor):
            raise InputError(f"{called} must be a torch tensor, not {type(tensor).__name__}.")
    if scores.ndim != 2 or labels.ndim != 1:
        raise InputError(
            f"{name} must have shape [N, K] and {of_labels} [N], "
            f"not {list(scores.shape)} and {list(labels.shape)}."
        )
    if len(scores) != len(labels):
        raise InputError(f"{name} has {len(scores)} samples, but {of_labels} has {len(labels)}.")
    if scores.numel() == 0:
        raise InputError(f"{name} is empty: shape {list(scores.shape)}.")
    if not scores.is_floating_point():
        raise InputError(f"{name} must be floating point, not {scores.dtype}.")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise InputError(f"{of_labels} must be whole numbers, not {labels.dtype}.")
    classes = scores.shape[1]
    labels = labels.detach().to(scores.device, torch.int64)
    first, last = (int(value) for value in labels.aminmax())
    if first < 0 or last >= classes:
        raise InputError(f"{of_labels} must lie in 0..{classes - 1}, but they run from {first} to {last}.")
    scores = scores.detach()
    return scores.float() if scores.element_size() < 4 else scores, labels


def _extremes(values: Tensor) -> tuple[float, float]:
    """Least and greatest value; both are NaN if any value is."""
    least, greatest = values.aminmax()
    return float(least), float(greatest)
