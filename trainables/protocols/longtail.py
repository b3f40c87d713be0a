"""The usual training of networks on long-tailed CIFAR."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.protocols.base import Protocol
from trainables.registry import register
from trainables.trial import TrainingSettings


@register("longtail")
@dataclass(frozen=True)
class LongTail(Protocol):
    """Cao et al., 'Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss' (NeurIPS 2019).

    Their settings for CIFAR, section 4 and the released code, in which most later work on long-tailed CIFAR
    follows them: docs/protocol.md lists what differs in each published table. All data sets, networks and
    losses are trained alike.

    Attributes:
        epochs: Passes over the training part.
        drops: Epochs after which the learning rate is multiplied by 0.01.
        warmup_epochs: Epochs in which the learning rate rises to 0.1; step by step here, epoch by epoch in
            the released code.
        weight_decay: L2 penalty.
    """

    epochs: int = 200
    drops: tuple[int, ...] = (160, 180)
    warmup_epochs: int = 5
    weight_decay: float = 2e-4

    def training(self, dataset: str, model: str, loss: str) -> TrainingSettings:
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=128,
            drop_last=False,
            optimizer="sgd",
            learning_rate=0.1,
            momentum=0.9,
            weight_decay=self.weight_decay,
            milestones=self.drops,
            milestone_factor=0.01,
            gradient_clip_norm=None,
            loss_reduction="mean",
            reported_epoch="last",
            precision="float32",
            warmup_epochs=self.warmup_epochs,
        )
