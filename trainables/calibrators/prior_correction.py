"""Prior correction: logits less the logarithm of how much more frequent their class was in training."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.calibrators.base import Calibrator
from trainables.errors import ConfigurationError
from trainables.registry import register


@register(
    "prior_correction",
    spec={"title": "prior correction", "symbol": "P", "keeps_order": False, "class_counts": True},
)
class PriorCorrection(Calibrator):
    """The softmax of z_k - log(p_k / q_k), with the logits z, training priors p and priors of use q.

    Saerens et al., 'Adjusting the Outputs of a Classifier to New a Priori Probabilities' (Neural Computation
    2002), section 2; with equal q Menon et al., 'Long-Tail Learning via Logit Adjustment' (ICLR 2021),
    section 4.1. It fits nothing: the form of the validation part does not matter.

    It is for networks that learn the priors of their training part, by cross-entropy or another proper loss
    on samples as they come. It would correct a second time after a loss or sampler that balances the classes.

    Args:
        class_counts: Training labels of each class, int64 [K]. An empty class counts as one sample.
        target: Priors of use, positive, of any sum; empty for equal ones.
    """

    def __init__(self, class_counts: Tensor, target: tuple[float, ...] = ()):
        counts = class_counts.double().clamp_min(1)
        priors = torch.tensor(target or [1.0] * len(counts), dtype=torch.float64, device=counts.device)
        if len(priors) != len(counts) or not bool((priors > 0).all()):
            raise ConfigurationError(
                f"target must have a positive prior for each of {len(counts)} classes, not {list(target)}."
            )
        self.target = priors / priors.sum()
        self.shift = self.target.log() - (counts / counts.sum()).log()

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        """Does nothing."""

    def log_probabilities(self, logits: Tensor) -> Tensor:
        return (logits.double() + self.shift).log_softmax(dim=1)
