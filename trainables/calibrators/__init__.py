"""Calibrators, one file each. A new one is a new file here with a class marked `@register("name")`.

A calibrator is fitted to validation logits and labels, and then maps logits to log-probabilities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.catalogue import CALIBRATORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from trainables.calibrators.base import Calibrator


def build(name: str, **params: Any) -> Calibrator:
    """The calibrator called `name`, not yet fitted.

    Raises:
        ConfigurationError: The name or a parameter is unknown; the message names the nearest valid one.
    """
    calibrator: Calibrator = CALIBRATORS.build(name, **params)
    return calibrator


def fit(
    name: str,
    logits: Tensor,
    labels: Tensor,
    *,
    class_counts: Sequence[int] | Tensor | None = None,
    **params: Any,
) -> Calibrator:
    """The calibrator called `name`, fitted to validation logits [N, K] and labels [N].

    Args:
        class_counts: Number of training labels of each class, [K], for a calibrator marked
            `class_counts`.

    Raises:
        ConfigurationError: As in `build`.
        InputError: The calibrator cannot be fitted to these logits or labels.
    """
    import torch

    from trainables.metrics.checks import checked_class_counts, checked_logits

    logits, labels = checked_logits(logits, labels)
    if CALIBRATORS[name].spec.class_counts:
        params = {**params, "class_counts": checked_class_counts(class_counts, logits, name)}
    # Fits that use random numbers must be reproducible.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        calibrator = build(name, **params)
        calibrator.fit(logits, labels)
    return calibrator
