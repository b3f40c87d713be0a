"""The conformance kit on one loss."""

from __future__ import annotations

from dataclasses import dataclass

from sweeps.spec import selected
from trainables.catalogue import LOSSES
from trainables.losses.testing import Finding, check


@dataclass(frozen=True)
class CheckedLoss:
    """Attributes:
    loss: The name, without parameters.
    findings: Promises that the loss does not keep; none if a sweep can use it.
    """

    loss: str
    findings: tuple[Finding, ...]


def check_loss(loss: str) -> CheckedLoss:
    """Tries a loss against all that training asks of one.

    Args:
        loss: As a sweep file names it: 'focal_1', or 'focal: {gamma: 2}'.

    Raises:
        ConfigurationError: An unknown name or parameter.
    """
    name, params = selected(LOSSES, loss, "check-loss")
    return CheckedLoss(name, tuple(check(name, **params)))
