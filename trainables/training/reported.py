"""The reported epoch: its predictions, and the network that made them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainables.trial import Trial

PARTS = ("validation", "test")


class Reported:
    """The reported epoch of a trial, chosen by `TrainingSettings.reported_epoch`.

    Attributes:
        epoch: Its number, from 0; -1 before the first.
        outputs: Outputs of the network on each of `PARTS`, on the device.
        model: The network's state, if it is needed after training has changed it.
    """

    def __init__(self, trial: Trial):
        self.trial = trial
        self.epoch = -1
        self.best = -math.inf
        self.outputs: dict[str, Tensor] = {}
        self.model: dict[str, Tensor] | None = None

    @property
    def keeps_model(self) -> bool:
        settings = self.trial.training
        return bool(self.trial.evaluations) and (settings.reported_epoch != "last" or settings.averages)

    def consider(self, epoch: int, selection: float, outputs: Mapping[str, Tensor], model: nn.Module) -> None:
        """Replaces the reported epoch if this one is better, or if the last is to be reported.

        Args:
            selection: The criterion that the best epoch maximises; of equal epochs the first counts.
        """
        best_counts = self.trial.training.reported_epoch == "best_validation_accuracy"
        if best_counts and selection <= self.best:
            return
        self.epoch, self.best, self.outputs = epoch, selection, dict(outputs)
        if self.keeps_model:
            self.model = {name: value.clone() for name, value in model.state_dict().items()}

    def state(self) -> dict[str, Any]:
        outputs = {part: outputs.cpu() for part, outputs in self.outputs.items()}
        return {"epoch": self.epoch, "best": self.best, "outputs": outputs, "model": self.model}

    def restore(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Restores a state. Raises ValueError if it lacks a network that is needed."""
        self.epoch, self.best, self.model = state["epoch"], state["best"], state["model"]
        self.outputs = {part: outputs.to(device) for part, outputs in state["outputs"].items()}
        if self.keeps_model and self.epoch >= 0 and self.model is None:
            raise ValueError(
                "the checkpoint lacks the network of the reported epoch, which the evaluations need"
            )
