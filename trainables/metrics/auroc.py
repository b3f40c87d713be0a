"""Area under the ROC curve of confidence as a detector of other data."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.metrics.checks import checked_probabilities
from trainables.registry import register


@register(
    "auroc_max_probability",
    detector="max_probability",
    spec={
        "title": "AUROC by confidence",
        "meaning": "Area under the ROC curve of the greatest softmax probability as a detector of other data",
        "direction": "higher",
        "at_commit": True,
        "against_test": True,
    },
)
@register(
    "auroc_entropy",
    detector="entropy",
    spec={
        "title": "AUROC by entropy",
        "meaning": "Area under the ROC curve of the entropy of the softmax as a detector of other data",
        "direction": "higher",
        "at_commit": True,
        "against_test": True,
    },
)
def auroc(
    probabilities: Tensor,
    labels: Tensor,
    test_probabilities: Tensor,
    detector: Literal["max_probability", "entropy"] = "max_probability",
) -> float:
    """Area under the ROC curve of a detector that should accept the test samples and reject the others.

    As in Ghosh et al., 'AdaFocal' (NeurIPS 2022), section 5.4 and Figure 6: by the greatest softmax
    probability, or by the entropy of the softmax. Guessing gives 0.5; ties count half.

    Args:
        probabilities: [N, K], on other data. Their labels do not matter.
        test_probabilities: [M, K], on the test set.

    Raises:
        InputError: Probabilities are invalid, or have different numbers of classes.
    """
    # Imported here because it loads slowly, in each process of a trial, and few trials need it.
    from scipy.stats import rankdata

    if probabilities.shape[1:] != test_probabilities.shape[1:]:
        raise InputError(f"{test_probabilities.shape[1]} classes against {probabilities.shape[1]}.")
    test, other = (detectors(each)[detector] for each in (test_probabilities, probabilities))
    # The statistic of Mann and Whitney: the number of pairs in the right order.
    ranks = float(rankdata(torch.cat([test, other]).cpu().numpy())[: len(test)].sum())
    return (ranks - len(test) * (len(test) + 1) / 2) / (len(test) * len(other))


def detectors(probabilities: Tensor) -> dict[str, Tensor]:
    """Detectors of familiar samples by name: greater values for accepted samples, float64 [N].

    The greatest probability, less 1, and the negative entropy (nats).
    """
    checked, _ = checked_probabilities(probabilities, torch.zeros(len(probabilities), dtype=torch.int64))
    exact = checked.double()
    rest = exact.scatter(1, exact.argmax(dim=1, keepdim=True), 0.0)
    # Computed from the other classes' share: many confidences would round to 1, even in float64 and
    # differently on each processor, and ties separate nothing.
    others = rest.sum(dim=1)
    entropies = -torch.xlogy(rest, rest).sum(dim=1) - (1 - others) * torch.log1p(-others)
    return {"max_probability": -others, "entropy": -entropies}
