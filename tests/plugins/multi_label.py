"""A second task, from outside: several labels for each sample, a sigmoid for each, predictions of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainables.datasets.base import Dataset, Split
from trainables.losses.base import Loss
from trainables.registry import register
from trainables.tasks.base import Task
from trainables.training.curves import Curves

SHAPE = (1, 2, 3)
CLASSES = 4


@dataclass
class Tags:
    """What a network says of samples with several labels each.

    Attributes:
        probabilities: float32 [N, K], each by itself.
        relevant: bool [N, K].
        sample_ids: int64 [N].
    """

    probabilities: Tensor
    relevant: Tensor
    sample_ids: Tensor


class Sums:
    """The number of labels, of wrong ones, and the sum of binary cross-entropy in nats."""

    def __init__(self, device: torch.device):
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)

    @torch.no_grad()
    def add(self, outputs: Tensor, targets: Tensor) -> None:
        wrong = ((outputs > 0) != (targets > 0.5)).double().sum()
        nll = functional.binary_cross_entropy_with_logits(outputs.double(), targets.double(), reduction="sum")
        self.sums += torch.stack([torch.full_like(wrong, targets.numel()), wrong, nll])

    def read(self, prefix: str) -> Curves:
        number, wrong, nll = self.sums.tolist()
        return {f"{prefix}_hamming": wrong / number, f"{prefix}_binary_nll": nll / number}


@register("multi_label", kind="task")
class MultiLabel(Task[Tags]):
    """Any number of K labels, each by a sigmoid; outputs and targets are float [M, K]."""

    def measures(self, device: torch.device) -> Sums:
        return Sums(device)

    def evaluated(self, outputs: Tensor, targets: Tensor, prefix: str) -> Curves:
        sums = Sums(outputs.device)
        sums.add(outputs, targets)
        return sums.read(prefix)

    def selection(self, curves: Curves) -> float:
        return -(curves["validation_hamming"] or 0.0)

    def summary(self, curves: Curves, part: str) -> dict[str, float]:
        return {"hamming": curves[f"{part}_hamming"] or 0.0}

    def batch_context(self, split: Split, indices: Tensor, targets: Tensor) -> dict[str, Tensor]:
        # Labels that somebody was not sure of.
        return {"soft_labels": targets * 0.9 + 0.05}

    def predictions(self, outputs: Tensor, targets: Tensor, sample_ids: Tensor) -> Tags:
        return Tags(torch.sigmoid(outputs), targets > 0.5, sample_ids)

    def columns(self, predictions: Tags) -> dict[str, Tensor]:
        return {
            "sample_id": predictions.sample_ids,
            "probabilities": predictions.probabilities,
            "relevant": predictions.relevant,
        }

    def from_columns(self, columns: Mapping[str, Tensor]) -> Tags:
        return Tags(columns["probabilities"], columns["relevant"], columns["sample_id"])

    def scores(self, validation: Tags, test: Tags) -> dict[str, float]:
        parts = {"validation": validation, "test": test}
        return {
            f"{part}_{metric.__name__}": metric(tags.probabilities, tags.relevant)
            for part, tags in parts.items()
            for metric in (hamming, subset_error)
        }


@register(
    "hamming",
    spec={
        "title": "Hamming loss",
        "meaning": "Share of labels that are wrong",
        "direction": "lower",
        "at_commit": True,
        "task": "multi_label",
    },
    kind="metric",
)
def hamming(probabilities: Tensor, labels: Tensor) -> float:
    """The share of labels [N, K] that are wrong."""
    return float(((probabilities > 0.5) != labels).double().mean())


@register(
    "subset_error",
    spec={
        "title": "Subset error",
        "meaning": "Share of samples with any wrong label",
        "direction": "lower",
        "at_commit": True,
        "task": "multi_label",
    },
    kind="metric",
)
def subset_error(probabilities: Tensor, labels: Tensor) -> float:
    """The share of samples with any wrong label of labels [N, K]."""
    return float(((probabilities > 0.5) != labels).any(dim=1).double().mean())


@register("sigmoid", spec={"softmax": False, "task": "multi_label"})
class Sigmoid(Loss):
    """Binary cross-entropy, summed over the labels of a sample; of soft labels where there are any."""

    def per_sample(self, logits: Tensor, labels: Tensor, soft_labels: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(logits, soft_labels, reduction="none").sum(dim=1)


@register("brier_of_labels", spec={"softmax": False, "task": "multi_label"})
class BrierOfLabels(Loss):
    """The squared error of each label's probability, summed over the labels of a sample."""

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        return (torch.sigmoid(logits) - labels).square().sum(dim=1)


@register("tagged", spec={"input": "image", "task": "multi_label"}, kind="dataset")
class Tagged(Dataset):
    """Made-up images, each with those labels whose direction it lies in.

    Args:
        samples: Of the training part.
    """

    def __init__(self, samples: int = 75):
        generator = torch.Generator().manual_seed(5)
        directions = torch.randn(6, CLASSES, generator=generator)

        def part(number: int, first_id: int) -> Split:
            images: Any = torch.randn(number, *SHAPE, generator=generator)
            labels = (images.flatten(1) @ directions > 0.3).float()
            return Split(images, labels, torch.arange(first_id, first_id + number))

        super().__init__(
            part(samples, 0), part(41, 1000), part(53, 2000), num_classes=CLASSES, input_shape=SHAPE
        )
