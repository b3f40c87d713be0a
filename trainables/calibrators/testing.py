"""The conformance kit of calibrators."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.catalogue import CALIBRATORS
from trainables.testing import CLASS_COUNTS, Conformance, random_logits

FITTED, APPLIED = 400, 24


class CalibratorConformance(Conformance):
    """The requirements of scores on a calibrator."""

    registry = CALIBRATORS

    def fitted(self) -> Tensor:
        """log p from a new calibrator, on other logits than those it was fitted to."""
        logits, labels = random_logits(FITTED, seed=1)
        calibrator = self.build(class_counts=torch.tensor(CLASS_COUNTS))
        before = logits.clone(), labels.clone()
        calibrator.fit(logits, labels)
        assert torch.equal(logits, before[0]) and torch.equal(labels, before[1]), "fit changes its inputs"
        self.calibrator = calibrator
        found: Tensor = calibrator.log_probabilities(self.logits)
        return found

    @property
    def logits(self) -> Tensor:
        return random_logits(APPLIED)[0]

    def test_probabilities(self) -> None:
        """Returns log-probabilities, float64 [N, K], whose exponentials sum to one."""
        found = self.fitted()
        assert found.shape == self.logits.shape and found.dtype == torch.float64
        assert torch.allclose(found.exp().sum(dim=1), torch.ones(APPLIED, dtype=torch.float64))

    def test_order_of_classes(self) -> None:
        """If the mark says `keeps_order`, each sample keeps its predicted class."""
        found = self.fitted()
        if self.entry.spec.keeps_order:
            assert torch.equal(found.argmax(dim=1), self.logits.argmax(dim=1))

    def test_samples(self) -> None:
        """Each sample is mapped independently of the others."""
        found = self.fitted()
        alone = torch.cat([self.calibrator.log_probabilities(one[None]) for one in self.logits])
        assert torch.allclose(found, alone)

    def test_repeated(self) -> None:
        """Fitting to the same data again gives the same map."""
        assert torch.allclose(self.fitted(), self.fitted(), rtol=1e-9)
