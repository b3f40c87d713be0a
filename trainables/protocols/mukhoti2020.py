"""Mukhoti et al., 'Calibrating Deep Neural Networks using Focal Loss' (NeurIPS 2020)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from trainables.catalogue import DATASETS, LOSSES, MODELS
from trainables.protocols.base import Protocol, with_defaults
from trainables.registry import register
from trainables.trial import TrainingSettings

if TYPE_CHECKING:
    from trainables.trial import Selection


@register("mukhoti2020")
@dataclass(frozen=True)
class Mukhoti2020(Protocol):
    """The paper's text, and the released code where the text is silent.

    Each attribute is a setting on which the two differ, or which only the code determines; `docs/protocol.md`
    compares them. Other image data sets are trained like CIFAR, other documents like 20 Newsgroups.

    Attributes:
        loss_reduction: Losses are summed over the batch (code only).
        gradient_clip_norm: At each step the gradient of that sum is clipped to this total norm (code only).
        brier_reduction: Brier is the only loss that is averaged over the batch (code only).
        brier_epochs: Data set, model and epochs of the cells in which Brier is trained longer, without moving
            the drops of the learning rate (code only; the text has 350 for all).
        brier_learning_rate_on_tiny_imagenet: Instead of 0.1 (code only).
        drops_early: Number of epochs by which the learning rate drops before 150 and 250, or 40 and 60 on
            Tiny-ImageNet. Text: 0. Code: 1, since its scheduler steps before the epoch.
        cifar100_test_normalisation: Source of the constants that normalise the test images. The text does not
            mention them. Code: CIFAR-10's for training and validation, but ImageNet's for test.
        tiny_imagenet_split: Text: 50 training images per class are held out for validation, and the official
            validation set is the test set. Code: the official validation set serves as both.
        tiny_imagenet_augmentation: Text: random crops and flips. Code: drawn once, then reused each epoch.
        flsc_steps_on_tiny_imagenet: Epochs at which FLSc's gamma changes, and their total number (code only).
        flsd_threshold_on_documents: Probability below which FLSD uses its first gamma. Text: 0.2. Code: 0.2
            for images, 0.19 for documents.
        mmce_weight_on_documents: lambda. Text: 2 for images, 8 for documents. Code: 2 for both, consistent
            with the printed temperatures on documents.
        reported_epoch_on_documents: On images the last epoch is reported (code only, for both).
        loss_reduction_on_documents: Losses are averaged over the batch; on SST they are summed over the nodes
            of a tree and averaged over the trees (code only).
        label_smoothing_reduction_on_documents: Only label smoothing is summed, but not on SST (code only).
        gradient_clip_norm_on_documents: None: no clipping (code only).
        drop_last_on_documents: A smaller last batch of an epoch is dropped (code only).
        sst_neutral: Treatment of neutral phrases in SST's training trees, which determines the number of
            classes in training. Text: two classes, neutral phrases not mentioned. Code: a third class.
        flsc_steps_on_sst: Epochs at which FLSc's gamma changes, and their total number (code only).
        fine_tuning_epochs: Passes over the training part for fine-tuning a pretrained network. Neither text
            nor code has one. These four fields follow Devlin et al. (NAACL 2019), appendix A.3.
        fine_tuning_batch_size: Documents per step.
        fine_tuning_learning_rate: Learning rate of Adam.
        fine_tuning_gradient_clip_norm: As in their released code.
    """

    loss_reduction: Literal["sum", "mean"] = "sum"
    gradient_clip_norm: float | None = 2.0
    brier_reduction: Literal["sum", "mean"] = "mean"
    brier_epochs: tuple[tuple[str, str, int], ...] = (
        ("cifar10", "wide_resnet_26_10", 550),
        ("cifar100", "resnet110", 430),
    )
    brier_learning_rate_on_tiny_imagenet: float = 0.035
    drops_early: int = 0
    cifar100_test_normalisation: Literal["cifar10", "imagenet"] = "cifar10"
    tiny_imagenet_split: Literal["held_out", "released"] = "held_out"
    tiny_imagenet_augmentation: Literal["live", "frozen"] = "live"
    flsc_steps_on_tiny_imagenet: tuple[int, int, int] = (30, 70, 100)
    flsd_threshold_on_documents: float = 0.2
    mmce_weight_on_documents: float = 8.0
    reported_epoch_on_documents: Literal["last", "best_validation_accuracy"] = "best_validation_accuracy"
    loss_reduction_on_documents: Literal["sum", "mean"] = "mean"
    label_smoothing_reduction_on_documents: Literal["sum", "mean"] = "sum"
    gradient_clip_norm_on_documents: float | None = None
    drop_last_on_documents: bool = True
    sst_neutral: Literal["third_class", "left_out"] = "third_class"
    flsc_steps_on_sst: tuple[int, int, int] = (3, 7, 25)
    fine_tuning_epochs: int = 4
    fine_tuning_batch_size: int = 32
    fine_tuning_learning_rate: float = 2e-5
    fine_tuning_gradient_clip_norm: float | None = 1.0

    def training(self, dataset: str, model: str, loss: str) -> TrainingSettings:
        if dataset == "sst":
            return self._of_sst(model)
        if _has_documents(dataset):
            fine_tuned = MODELS[model].spec.fine_tuned
            return self._of_fine_tuning() if fine_tuned else self._of_documents(loss)
        tiny = dataset == "tiny_imagenet"
        settings = TrainingSettings(
            epochs=100 if tiny else 350,
            batch_size=64 if tiny else 128,
            drop_last=False,
            optimizer="sgd",
            learning_rate=0.1,
            momentum=0.9,
            weight_decay=5e-4,
            milestones=tuple(drop - self.drops_early for drop in ((40, 60) if tiny else (150, 250))),
            milestone_factor=0.1,
            gradient_clip_norm=self.gradient_clip_norm,
            loss_reduction=self.loss_reduction,
            reported_epoch="last",
            precision="float32",
        )
        return self._for_brier(settings, dataset, model) if loss == "brier" else settings

    def _for_brier(self, settings: TrainingSettings, dataset: str, model: str) -> TrainingSettings:
        longer = {(data, network): epochs for data, network, epochs in self.brier_epochs}
        tiny = dataset == "tiny_imagenet"
        return dataclasses.replace(
            settings,
            epochs=longer.get((dataset, model), settings.epochs),
            learning_rate=self.brier_learning_rate_on_tiny_imagenet if tiny else settings.learning_rate,
            loss_reduction=self.brier_reduction,
        )

    def _of_documents(self, loss: str) -> TrainingSettings:
        smoothed = loss.startswith("label_smoothing")
        return TrainingSettings(
            epochs=50,
            batch_size=128,
            drop_last=self.drop_last_on_documents,
            optimizer="adam",
            learning_rate=1e-3,
            momentum=0.0,
            weight_decay=0.0,
            milestones=(),
            gradient_clip_norm=self.gradient_clip_norm_on_documents,
            loss_reduction=(
                self.label_smoothing_reduction_on_documents if smoothed else self.loss_reduction_on_documents
            ),
            reported_epoch=self.reported_epoch_on_documents,
            precision="float32",
        )

    def _of_fine_tuning(self) -> TrainingSettings:
        return TrainingSettings(
            epochs=self.fine_tuning_epochs,
            batch_size=self.fine_tuning_batch_size,
            drop_last=False,
            optimizer="adam",
            learning_rate=self.fine_tuning_learning_rate,
            momentum=0.0,
            weight_decay=0.0,
            milestones=(),
            gradient_clip_norm=self.fine_tuning_gradient_clip_norm,
            loss_reduction="mean",
            reported_epoch=self.reported_epoch_on_documents,
            precision="float32",
        )

    def _of_sst(self, model: str) -> TrainingSettings:
        averaged = self.loss_reduction_on_documents == "mean"
        return TrainingSettings(
            epochs=25,
            batch_size=25,
            drop_last=self.drop_last_on_documents,
            optimizer="adagrad",
            learning_rate=0.05,
            momentum=0.0,
            weight_decay=1e-4,
            milestones=(),
            gradient_clip_norm=self.gradient_clip_norm_on_documents,
            loss_reduction="mean_over_samples" if averaged else "sum",
            reported_epoch=self.reported_epoch_on_documents,
            precision="float32",
            embedding_learning_rate=0.1 if MODELS[model].spec.tuned_embedding else None,
        )

    def completed_dataset(self, dataset: Selection) -> Selection:
        fixed: dict[str, dict[str, Any]] = {
            "cifar100": {"test_normalisation": self.cifar100_test_normalisation},
            "tiny_imagenet": {
                "split": self.tiny_imagenet_split,
                "augmentation": self.tiny_imagenet_augmentation,
            },
            "sst": {"neutral": self.sst_neutral},
        }
        name = dataset if isinstance(dataset, str) else dataset[0]
        return with_defaults(dataset, fixed[name]) if name in fixed else dataset

    def completed_loss(self, loss: Selection, dataset: str) -> Selection:
        component = LOSSES[loss if isinstance(loss, str) else loss[0]].component
        steps = {"tiny_imagenet": self.flsc_steps_on_tiny_imagenet, "sst": self.flsc_steps_on_sst}
        if component == "flsc" and dataset in steps:
            return with_defaults(loss, {"steps": steps[dataset]})
        if component == "flsd" and _has_documents(dataset):
            return with_defaults(loss, {"threshold": self.flsd_threshold_on_documents})
        if component == "mmce" and _has_documents(dataset):
            return with_defaults(loss, {"weight": self.mmce_weight_on_documents})
        return loss


def _has_documents(dataset: str) -> bool:
    return not DATASETS[dataset].spec.is_vector
