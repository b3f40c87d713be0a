"""Runs the conformance kit on a loss."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from sweeps.spec import selected
from trainables.catalogue import LOSSES
from trainables.errors import ConfigurationError
from trainables.losses.testing import Finding, check
from trainables.registry.plugins import PLUGINS


@dataclass(frozen=True)
class CheckedLoss:
    """Attributes:
    loss: The name, without parameters; for a file, the names of all its losses.
    findings: Violated requirements; empty if a sweep can use the loss.
    """

    loss: str
    findings: tuple[Finding, ...]


def check_loss(loss: str) -> CheckedLoss:
    """Tests a loss against every requirement of training.

    Args:
        loss: As in a sweep file: 'focal_1', or 'focal: {gamma: 2}'. Or a plug-in, 'mine.py': tests all its
            losses, and registers them in this process.

    Raises:
        ConfigurationError: An unknown name or parameter, or a file without losses.
    """
    if not loss.endswith(".py"):
        name, params = selected(LOSSES, loss, "check-loss")
        return CheckedLoss(name, tuple(check(name, **params)))
    (plugin,) = PLUGINS.add([loss])
    names = [name for name in LOSSES.names() if LOSSES[name].module == plugin.module]
    if not names:
        raise ConfigurationError(f'{loss} defines no loss: a subclass of Loss marked @register("name").')
    found = ((name, finding) for name in names for finding in check(name))
    findings = (dataclasses.replace(f, problem=f"{name}: {f.problem}") for name, f in found)
    return CheckedLoss(", ".join(names), tuple(findings))
