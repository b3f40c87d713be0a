"""What a protocol decides. It knows names, not networks: no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from trainables.trial import Asked, TrainingSettings

Criterion = Literal["ece", "adaptive_ece", "nll"]


@dataclass(frozen=True)
class Protocol:
    """Turns a cell (data set, model, loss) into the settings it is trained with.

    Attributes:
        temperature_criterion: What the temperature of the benchmark's tables minimises on validation data.
            It changes no training: all three temperatures are stored for every trial.
    """

    temperature_criterion: Criterion = "ece"

    def training(self, dataset: str, model: str, loss: str) -> TrainingSettings:
        """Settings of one cell: plain names of data set and model, the label of the loss, e.g. 'focal_1'."""
        raise NotImplementedError

    def asked_dataset(self, dataset: Asked) -> Asked:
        """The data set with what this protocol fixes about it, unless the sweep file says otherwise."""
        return dataset

    def asked_loss(self, loss: Asked, dataset: str) -> Asked:
        """The loss with what this protocol fixes about it, unless the sweep file says otherwise."""
        return loss


def with_defaults(asked: Asked, defaults: Mapping[str, Any]) -> Asked:
    """`asked` with parameters it leaves open filled from `defaults`."""
    name, given = (asked, {}) if isinstance(asked, str) else asked
    return name, {**defaults, **given}
