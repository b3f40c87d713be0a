"""Macro-averaged F1 score."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics.checks import checked_probabilities
from trainables.metrics.per_class import hits
from trainables.registry import register


@register(
    "macro_f1",
    spec={
        "title": "Macro-F1",
        "meaning": "Mean over classes of the F1 score of each",
        "unit": "percent",
        "direction": "higher",
        "order_only": True,
    },
)
def macro_f1(probabilities: Tensor, labels: Tensor) -> float:
    """Mean over classes of F1, the harmonic mean of precision and recall.

    Classes that neither occur nor are predicted are excluded. Of the two means in use this is that of the F1
    scores, as in scikit-learn: see Opitz and Burst, 'Macro F1 and Macro F1' (2019).
    """
    true, chosen, correct = hits(*checked_probabilities(probabilities, labels))
    either = true + chosen
    return float((2 * correct / either)[either > 0].mean())
