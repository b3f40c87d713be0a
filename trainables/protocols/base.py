"""Base class of protocols. A protocol works with names, not networks, so nothing here loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from trainables.trial import Selection, TrainingSettings

Criterion = Literal["ece", "adaptive_ece", "nll"]


@dataclass(frozen=True)
class Protocol:
    """Defines the training settings of a cell (data set, model, loss).

    Attributes:
        temperature_criterion: The score that the temperature of the benchmark's tables minimises on the
            validation part. It does not affect training: every trial stores all three temperatures.
    """

    temperature_criterion: Criterion = "ece"

    def training(self, dataset: str, model: str, loss: str) -> TrainingSettings:
        """Settings of one cell, by the names of data set and model and the label of the loss ('focal_1')."""
        raise NotImplementedError

    def completed_dataset(self, dataset: Selection) -> Selection:
        """The data set with this protocol's parameters, unless the sweep file overrides them."""
        return dataset

    def completed_loss(self, loss: Selection, dataset: str) -> Selection:
        """The loss with this protocol's parameters, unless the sweep file overrides them."""
        return loss


def with_defaults(selection: Selection, defaults: Mapping[str, Any]) -> Selection:
    """Adds `defaults` for the parameters that `selection` leaves open."""
    name, given = (selection, {}) if isinstance(selection, str) else selection
    return name, {**defaults, **given}
