"""Calibrators, one file each. A new one is a new file here with a class marked `@register("name")`.

A calibrator is fitted to validation logits and labels, and then maps logits to log-probabilities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.catalogue import CALIBRATORS

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.calibrators.base import Calibrator


def build(name: str, **params: Any) -> Calibrator:
    """The calibrator called `name`, not yet fitted.

    Raises:
        ConfigurationError: The name or a parameter is unknown; the message names the nearest valid one.
    """
    calibrator: Calibrator = CALIBRATORS.build(name, **params)
    return calibrator


def fit(name: str, logits: Tensor, labels: Tensor, **params: Any) -> Calibrator:
    """The calibrator called `name`, fitted to validation logits [N, K] and labels [N].

    Raises:
        ConfigurationError: As in `build`.
        InputError: The calibrator cannot be fitted to these logits or labels.
    """
    from trainables.metrics.checks import checked_logits

    calibrator = build(name, **params)
    calibrator.fit(*checked_logits(logits, labels))
    return calibrator
