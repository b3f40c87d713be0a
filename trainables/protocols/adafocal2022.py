"""Ghosh et al., 'AdaFocal: Calibration-aware Adaptive Focal Loss' (NeurIPS 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainables.protocols.base import Criterion
from trainables.protocols.mukhoti2020 import Mukhoti2020
from trainables.registry import register
from trainables.trial import TrainingSettings


@register("adafocal2022")
@dataclass(frozen=True)
class AdaFocal2022(Mukhoti2020):
    """`mukhoti2020` with temperatures chosen by equal-mass ECE, and with settings for ImageNet.

    In AdaFocal's table only CIFAR-10 with ResNet-50 has released settings, which equal those of Mukhoti et
    al. Using these for the other cells of CIFAR and Tiny-ImageNet, including the exceptions for Brier, is
    this project's choice. The two benchmarks thus share the trials of their common cells.

    For ImageNet nothing was released. Its settings are this project's choice as well: the recipe of He et al.
    (CVPR 2016), section 3.4, with the 90 epochs of PyTorch's and torchvision's examples.

    Attributes:
        temperature_criterion: As in the caption of the published table.
        imagenet_epochs: Passes over the training part.
        imagenet_batch_size: Samples per step.
        imagenet_drops: Epochs after which the learning rate is divided by 10, from 0.1.
        imagenet_weight_decay: L2 penalty.
        imagenet_loss_reduction: Mean over the batch, since the gradient is not clipped.
        imagenet_gradient_clip_norm: None: no clipping.
    """

    temperature_criterion: Criterion = "adaptive_ece"
    imagenet_epochs: int = 90
    imagenet_batch_size: int = 256
    imagenet_drops: tuple[int, ...] = (30, 60)
    imagenet_weight_decay: float = 1e-4
    imagenet_loss_reduction: Literal["sum", "mean"] = "mean"
    imagenet_gradient_clip_norm: float | None = None

    def training(self, dataset: str, model: str, loss: str) -> TrainingSettings:
        if dataset != "imagenet":
            return super().training(dataset, model, loss)
        return TrainingSettings(
            epochs=self.imagenet_epochs,
            batch_size=self.imagenet_batch_size,
            drop_last=False,
            optimizer="sgd",
            learning_rate=0.1,
            momentum=0.9,
            weight_decay=self.imagenet_weight_decay,
            milestones=self.imagenet_drops,
            milestone_factor=0.1,
            gradient_clip_norm=self.imagenet_gradient_clip_norm,
            loss_reduction=self.imagenet_loss_reduction,
            reported_epoch="last",
            precision="float32",
        )
