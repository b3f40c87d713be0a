"""The conformance kit on one loss."""

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
    loss: The name, without parameters; of a file, the names of all its losses.
    findings: Promises that the loss does not keep; none if a sweep can use it.
    """

    loss: str
    findings: tuple[Finding, ...]


def check_loss(loss: str) -> CheckedLoss:
    """Tries a loss against all that training asks of one.

    Args:
        loss: As a sweep file names it: 'focal_1', or 'focal: {gamma: 2}'. Or a plug-in, 'mine.py': all of its
            losses, which are then known to this process.

    Raises:
        ConfigurationError: An unknown name or parameter, or a file without losses.
    """
    if not loss.endswith(".py"):
        name, params = selected(LOSSES, loss, "check-loss")
        return CheckedLoss(name, tuple(check(name, **params)))
    (plugin,) = PLUGINS.add([loss])
    names = [name for name in LOSSES.names() if LOSSES[name].module == plugin.module]
    if not names:
        raise ConfigurationError(f'{loss} has no loss: a class with the mark @register("name") on Loss.')
    found = ((name, finding) for name in names for finding in check(name))
    told = (dataclasses.replace(f, problem=f"{name}: {f.problem}") for name, f in found)
    return CheckedLoss(", ".join(names), tuple(told))
