"""CPC: cross-entropy plus the losses of the binary problems between each two classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register


@register("cpc")
class CPC(Loss):
    """Cross-entropy + discrimination * D + exclusion * E, with logits z and the logistic function s.

    D = mean_{k != y} -log s(z_y - z_k): the true class against each other one. E = mean of
    -1/2 log s(z_j - z_k) over the (K - 1)(K - 2) ordered pairs of two wrong classes: neither is to win. With
    two classes there is no such pair, and E is 0. Cheng and Vasconcelos, 'Calibrating Deep Neural Networks by
    Pairwise Constraints' (CVPR 2022).

    Args:
        discrimination: Weight of D. The paper chose both weights for each data set. The defaults are those
            of Liu et al., 'Class Adaptive Network Calibration' (CVPR 2023), for this loss as a baseline.
        exclusion: Weight of E.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, discrimination: float = 0.1, exclusion: float = 1.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not (discrimination >= 0 and exclusion >= 0):
            raise ConfigurationError(
                f"cpc: discrimination and exclusion must not be negative, but are {discrimination} and "
                f"{exclusion}."
            )
        self.discrimination = discrimination
        self.exclusion = exclusion

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        classes = logits.shape[1]
        wrong = torch.ones_like(logits).scatter(1, labels[:, None], 0.0)
        true = logits.gather(1, labels[:, None])
        discriminated = (wrong * functional.softplus(logits - true)).sum(dim=1) / max(classes - 1, 1)
        first, second = torch.triu_indices(classes, classes, 1, device=logits.device)
        distance = logits[:, first] - logits[:, second]
        undecided = (functional.softplus(distance) + functional.softplus(-distance)) / 2
        pairs = max((classes - 1) * (classes - 2), 1)
        excluded = (wrong[:, first] * wrong[:, second] * undecided).sum(dim=1) / pairs
        cross_entropy = functional.cross_entropy(logits, labels, reduction="none")
        return cross_entropy + self.discrimination * discriminated + self.exclusion * excluded
