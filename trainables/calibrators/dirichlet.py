"""Dirichlet calibration."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.calibrators.base import Calibrator
from trainables.errors import InputError
from trainables.registry import register


@register("dirichlet", spec={"title": "Dirichlet calibration", "symbol": "Dir", "keeps_order": False})
class Dirichlet(Calibrator):
    """softmax(W log p + b): logistic regression on log-probabilities, with an L2 penalty on W.

    Kull et al., 'Beyond temperature scaling: Obtaining well-calibrated multiclass probabilities with
    Dirichlet calibration' (NeurIPS 2019), section 3. Classes without a validation sample get no probability.

    Args:
        penalty: Weight of the squared entries of W, relative to the mean negative log-likelihood.
    """

    def __init__(self, penalty: float = 1e-3):
        self.penalty = penalty

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        # Imported here because it loads slowly, in each process of a trial, and few trials need it.
        from sklearn.linear_model import LogisticRegression

        if int(labels.min()) == int(labels.max()):
            raise InputError("Dirichlet calibration needs validation samples of two classes or more.")
        # scikit-learn halves the penalty and sums the likelihood over samples.
        self.model = LogisticRegression(C=1 / (2 * self.penalty * len(labels)), tol=1e-6, max_iter=1000)
        self.model.fit(logits.double().log_softmax(dim=1).cpu().numpy(), labels.cpu().numpy())

    def log_probabilities(self, logits: Tensor) -> Tensor:
        known = torch.from_numpy(
            self.model.predict_log_proba(logits.double().log_softmax(dim=1).cpu().numpy())
        )
        found = known.new_full(logits.shape, -torch.inf)
        found[:, torch.from_numpy(self.model.classes_)] = known
        return found.to(logits.device)
