"""The conformance kit of metrics."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainables.catalogue import METRICS
from trainables.metrics import compute
from trainables.testing import CLASS_COUNTS, Conformance, check_task, random_logits


def sharp() -> tuple[Tensor, Tensor]:
    """Probabilities [400, 7], many of them close to 1, and labels [400]."""
    logits, labels = random_logits(400)
    return (3 * logits).softmax(dim=1), labels


class MetricConformance(Conformance):
    """The requirements of tables on a metric."""

    registry = METRICS

    def value(self, probabilities: Tensor, labels: Tensor, **params: int) -> float:
        check_task(self.entry)
        test = random_logits(90)[0].softmax(dim=1)
        if classes := self.entry.spec.classes:
            probabilities = probabilities[:, :classes] / probabilities[:, :classes].sum(dim=1, keepdim=True)
            labels = labels % classes
        return compute(
            self.entry.name,
            probabilities,
            labels,
            test_probabilities=test,
            class_counts=CLASS_COUNTS,
            **self.params,
            **params,
        )

    def test_value(self) -> None:
        """A metric is a finite number."""
        probabilities, labels = sharp()
        value = self.value(probabilities, labels)
        assert isinstance(value, float) and math.isfinite(value)

    def test_order(self) -> None:
        """The order of the samples does not matter."""
        probabilities, labels = sharp()
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
        value, shuffled = self.value(probabilities, labels), self.value(probabilities[order], labels[order])
        assert math.isclose(value, shuffled, rel_tol=1e-9, abs_tol=1e-12)

    def test_inputs(self) -> None:
        """The arguments are not changed."""
        logits, labels = random_logits()
        probabilities = logits.softmax(dim=1)
        before = probabilities.clone(), labels.clone()
        self.value(probabilities, labels)
        assert torch.equal(probabilities, before[0]) and torch.equal(labels, before[1])

    def test_order_of_classes(self) -> None:
        """If the mark says `order_only`, a change that keeps the order of the classes changes nothing."""
        if self.entry.spec.order_only:
            logits, labels = random_logits()
            sharper = self.value((3 * logits).softmax(dim=1), labels)
            assert sharper == self.value(logits.softmax(dim=1), labels)

    def test_bins(self) -> None:
        """If the mark says `bins`, any number of bins works."""
        if self.entry.spec.bins:
            logits, labels = random_logits(200)
            values = [self.value(logits.softmax(dim=1), labels, bins=bins) for bins in (1, 5, 40)]
            assert all(map(math.isfinite, values)) and len(set(values)) > 1
