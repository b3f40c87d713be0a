"""One class per sample, out of K: logits, their softmax, and how far its probabilities can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainables.calibration import ece, evaluate
from trainables.calibration.agreement import differing, differing_elsewhere
from trainables.calibration.scores import after_temperatures, evaluate_elsewhere
from trainables.datasets.base import Dataset
from trainables.metrics import BINS
from trainables.metrics.bins import bin_of, equal_width_edges
from trainables.registry import register
from trainables.tasks.base import Task
from trainables.training.curves import Curves


@dataclass
class Predictions:
    """A trained network's predictions on one part of a data set, on the CPU.

    Attributes:
        logits: float32 [N, K].
        labels: int64 [N]; -1 if the class of a sample is not one of the K.
        sample_ids: int64 [N], each sample's position in the published data set.
    """

    logits: Tensor
    labels: Tensor
    sample_ids: Tensor


@register("classification", spec={"other_evaluations": True})
class Classification(Task[Predictions]):
    """One of K classes, by the softmax of logits [M, K]; targets are classes, int64 [M]."""

    def measures(self, device: torch.device) -> ClassificationCurves:
        return ClassificationCurves(device)

    def loss_context(self, dataset: Dataset) -> dict[str, Any]:
        """`class_counts`: the number of training labels of each class, int64 [K]."""
        labels = dataset.train.trained_labels().cpu()
        return {"class_counts": torch.bincount(labels, minlength=dataset.training_classes)}

    def evaluated(self, outputs: Tensor, targets: Tensor, prefix: str) -> Curves:
        measured = ClassificationCurves(outputs.device)
        measured.add(outputs, targets)
        return {**measured.read(prefix), f"{prefix}_ece": ece(torch.softmax(outputs, dim=1), targets)}

    def calibrated(self, validation: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> Curves:
        """ECE and NLL of both parts at the temperatures that validation chooses, as in a trial's row."""
        return after_temperatures(*validation, *test)

    def selection(self, curves: Curves) -> float:
        """The accuracy."""
        return 1.0 - (curves["validation_error"] or 0.0)

    def summary(self, curves: Curves, part: str) -> dict[str, float]:
        named = {"error": curves[f"{part}_error"], "ECE": curves[f"{part}_ece"]}
        return {name: value for name, value in named.items() if value is not None}

    def predictions(self, outputs: Tensor, targets: Tensor, sample_ids: Tensor) -> Predictions:
        return Predictions(outputs, targets, sample_ids)

    def columns(self, predictions: Predictions) -> dict[str, Tensor]:
        return {
            "sample_id": predictions.sample_ids,
            "label": predictions.labels,
            "logits": predictions.logits.float(),
        }

    def from_columns(self, columns: Mapping[str, Tensor]) -> Predictions:
        return Predictions(columns["logits"], columns["label"], columns["sample_id"])

    def scores(self, validation: Predictions, test: Predictions) -> dict[str, float]:
        return evaluate(validation.logits, validation.labels, test.logits, test.labels)

    def differing(
        self, scores: Mapping[str, float], validation: Predictions, test: Predictions, off: float
    ) -> dict[str, tuple[float, float]]:
        parts = (validation.logits, validation.labels, test.logits, test.labels)
        return differing(scores, *parts, off)

    def elsewhere(
        self, outputs: Tensor, targets: Tensor, sample_ids: Tensor, same_targets: bool
    ) -> Predictions:
        labels = targets if same_targets else torch.full_like(targets, -1)
        return Predictions(outputs, labels, sample_ids)

    def scores_elsewhere(
        self, scores: Mapping[str, float], test: Predictions, other: Predictions
    ) -> dict[str, float]:
        return evaluate_elsewhere(test.logits, other.logits, other.labels, temperatures_of(scores))

    def differing_elsewhere(
        self,
        committed: Mapping[str, float],
        scores: Mapping[str, float],
        test: Predictions,
        other: Predictions,
        off: float,
    ) -> dict[str, tuple[float, float]]:
        temperatures = temperatures_of(scores)
        return differing_elsewhere(committed, test.logits, other.logits, other.labels, temperatures, off)


def temperatures_of(scores: Mapping[str, float]) -> dict[str, float]:
    """The temperature of each criterion, from the scores of a trial."""
    prefix = "temperature_"
    return {name.removeprefix(prefix): v for name, v in scores.items() if name.startswith(prefix)}


class ClassificationCurves:
    """Sums over batches, on their device: only reading them at the end of an epoch waits for it.

    Negative log-likelihood (nats), entropy of the softmax (nats) and confidence, separately for correctly and
    wrongly classified samples, by bin of the confidence.
    """

    def __init__(self, device: torch.device):
        self.edges = equal_width_edges(BINS, device)
        # Wrong and correct samples; no bin and each bin; count, and sums of NLL, entropy and confidence.
        # float64: order matters less.
        self.sums = torch.zeros(2, BINS + 1, 4, dtype=torch.float64, device=device)

    @torch.no_grad()
    def add(self, outputs: Tensor, targets: Tensor) -> None:
        log_probabilities = functional.log_softmax(outputs.detach().float(), dim=1)
        nll = functional.nll_loss(log_probabilities, targets, reduction="none")
        probabilities = log_probabilities.exp()
        entropy = -(probabilities * log_probabilities).sum(dim=1)
        confidences = probabilities.amax(dim=1)
        correct = (outputs.argmax(dim=1) == targets).long()
        places = correct * (BINS + 1) + bin_of(confidences, self.edges) + 1
        values = torch.stack([torch.ones_like(nll), nll, entropy, confidences], dim=1).double()
        self.sums.view(-1, 4).index_add_(0, places, values)

    def read(self, prefix: str) -> Curves:
        """error (fraction), nll and entropy (nats), each over all, correct and wrong samples, and bins.

        bins, lists [3, 15], are of equal width: number of samples, sum of their confidences, and number of
        correct ones.
        """
        by_bin = self.sums.cpu()
        wrong, correct = by_bin.sum(dim=1).tolist()
        both = [a + b for a, b in zip(wrong, correct, strict=True)]

        def mean(sums: list[float], column: int) -> float | None:
            return sums[column] / sums[0] if sums[0] else None

        curves: Curves = {f"{prefix}_error": wrong[0] / both[0]}
        for suffix, sums in (("", both), ("_correct", correct), ("_wrong", wrong)):
            curves[f"{prefix}_nll{suffix}"] = mean(sums, 1)
            curves[f"{prefix}_entropy{suffix}"] = mean(sums, 2)
        samples, confidences = by_bin[:, 1:].sum(dim=0)[:, [0, 3]].T
        curves[f"{prefix}_bins"] = torch.stack([samples, confidences, by_bin[1, 1:, 0]]).tolist()
        return curves
