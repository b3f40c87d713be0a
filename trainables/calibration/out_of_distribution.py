"""How well confidence separates a network's own test data from other data."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from trainables.calibration.scores import score
from trainables.errors import InputError
from trainables.metrics.checks import checked_logits


def separation(test_logits: Tensor, other_logits: Tensor, temperature: float = 1.0) -> dict[str, float]:
    """Areas under the ROC curve of two detectors that should accept the test samples.

    As in Ghosh et al., 'AdaFocal' (NeurIPS 2022), section 5.4 and Figure 6: by the greatest softmax
    probability, and by the entropy of the softmax. Guessing gives 0.5; ties count half.

    Args:
        test_logits: [N, K].
        other_logits: [M, K], on other data.

    Returns:
        auroc_max_probability and auroc_entropy, as fractions.

    Raises:
        InputError: Logits are not finite, or have different numbers of classes.
    """
    # Imported here because it loads slowly, in each process of a trial, and few trials need it.
    from sklearn.metrics import roc_auc_score

    if test_logits.shape[1] != other_logits.shape[1]:
        raise InputError(f"{test_logits.shape[1]} classes against {other_logits.shape[1]}.")
    both = torch.cat([test_logits, other_logits])
    both, _ = checked_logits(both, torch.zeros(len(both), dtype=torch.int64))
    accepted = torch.cat([torch.ones(len(test_logits)), torch.zeros(len(other_logits))]).numpy()
    return {
        f"auroc_{name}": float(roc_auc_score(accepted, values.cpu().numpy()))
        for name, values in detectors(both, temperature).items()
    }


def detectors(logits: Tensor, temperature: float) -> dict[str, Tensor]:
    """Detectors of familiar samples by name: greater values for accepted samples, float64 [N].

    The logarithm of the greatest probability, and the negative entropy (nats).
    """
    gaps = logits.double()
    top, predicted = gaps.max(dim=1, keepdim=True)
    gaps = (gaps - top) / temperature
    powers = gaps.exp()
    # Computed from the other classes' share: many confidences would round to 1, even in float64 and
    # differently on each processor, and ties separate nothing.
    others = powers.scatter(1, predicted, 0.0).sum(dim=1)
    entropies = others.log1p() - (powers * gaps).sum(dim=1) / (1 + others)
    return {"max_probability": -others.log1p(), "entropy": -entropies}


def evaluate_on(
    test_logits: Tensor, other_logits: Tensor, other_labels: Tensor, temperatures: Mapping[str, float]
) -> dict[str, float]:
    """All scores of a set out of distribution, before and after each scaling.

    Args:
        other_labels: [M]; -1 if the classes differ from the network's, and only `separation` can be scored.
        temperatures: By criterion, as chosen on the validation part.

    Returns:
        test_{score} and test_{score}_after_{criterion}, for `separation` and, if there are labels, for
        `score`.
    """

    def scores(temperature: float) -> dict[str, float]:
        found = separation(test_logits, other_logits, temperature)
        if bool((other_labels >= 0).all()):
            found |= score(other_logits, other_labels, temperature)
        return found

    known = {value: scores(value) for value in {1.0, *temperatures.values()}}
    result = {f"test_{name}": value for name, value in known[1.0].items()}
    for criterion, temperature in temperatures.items():
        result |= {f"test_{name}_after_{criterion}": value for name, value in known[temperature].items()}
    return result
