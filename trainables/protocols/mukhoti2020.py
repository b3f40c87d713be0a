"""Mukhoti et al., 'Calibrating Deep Neural Networks using Focal Loss' (NeurIPS 2020)."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.protocols.base import Protocol
from trainables.registry import register
from trainables.trial import TrainingSettings


@register("mukhoti2020")
@dataclass(frozen=True)
class Mukhoti2020(Protocol):
    """The image benchmark as the paper's text has it, and as its released code where the text is silent."""

    def training(self, dataset: str, model: str, loss: str) -> TrainingSettings:
        return TrainingSettings()
