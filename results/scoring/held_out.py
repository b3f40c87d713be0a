"""Scores of trained networks after calibrators, by cross-validation on the validation part alone.

A calibrator with many parameters is better on the samples of its fit than on any others. So each sample is
calibrated by a fit to the other folds. The scores are derived: `layer` keeps them.
"""

from __future__ import annotations

import contextlib
import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from results.scoring import layer
from results.scoring.layer import Line, Scorer
from results.store.address import Address
from results.store.store import Store
from trainables.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

FOLDS = 5

EVALUATION = f"validation_in_{FOLDS}_folds"
"""Name of this evaluation in the layer."""


class HeldOut:
    """The scores of a store's trials under some calibrators.

    Args:
        metrics, calibrators: Their names.

    Raises:
        StoreError: From each method: the store cannot be read or written.
        ConfigurationError: A calibrator needs an extra that is not installed.
    """

    def __init__(self, store: Store, metrics: Sequence[str], calibrators: Sequence[str]):
        self.store = store
        self.scorers = {name: [Scorer(metric, name) for metric in metrics] for name in calibrators}
        self._kept = {
            scorer: layer.read(store.folder, scorer) for each in self.scorers.values() for scorer in each
        }
        self._new: dict[Scorer, list[Line]] = defaultdict(list)
        for name in calibrators:
            _check(name)

    def scores(self, address: Address, digest: str) -> dict[str, dict[str, float]]:
        """The scores of a trial by calibrator and metric: fractions, and nats for NLL.

        NaN where a calibrator cannot be fitted, or the metric is undefined.

        Args:
            digest: Of its predictions.
        """
        place = (address.key, digest, EVALUATION)
        missing = [
            name for name, each in self.scorers.items() if any(place not in self._kept[s] for s in each)
        ]
        if missing:
            self._compute(address, place, missing)
        return {
            name: {scorer.metric: self._kept[scorer][place] for scorer in each}
            for name, each in self.scorers.items()
        }

    def keep(self) -> None:
        """Writes new scores to the store: another search, or this one after a kill, need not compute them."""
        for scorer, lines in self._new.items():
            layer.write(self.store.folder, scorer, lines)
            layer.merge(self.store.folder, scorer)
        self._new.clear()

    def _compute(self, address: Address, place: tuple[str, str, str], calibrators: Sequence[str]) -> None:
        from results.scoring.class_counts import class_counts
        from results.scoring.commit import tensors
        from results.scoring.rescoring import one_thread
        from trainables.metrics import compute

        predictions = self.store.predictions(address)
        logits, labels = tensors(predictions, "validation")
        counts = class_counts(predictions)
        with one_thread():
            for name in calibrators:
                probabilities = cross_validated(name, logits, labels, counts)
                for scorer in self.scorers[name]:
                    value = float("nan")
                    if probabilities is not None:
                        with contextlib.suppress(InputError):
                            value = compute(scorer.metric, probabilities, labels, class_counts=counts)
                    self._kept[scorer][place] = value
                    self._new[scorer].append(Line(*place, value))


def cross_validated(
    calibrator: str, logits: Tensor, labels: Tensor, class_counts: Sequence[int] | None = None
) -> Tensor | None:
    """Calibrated probabilities, float64 [N, K], of logits [N, K] with labels [N].

    Those of each fold come from a fit to the others. The samples of each class are spread over the folds in
    their order. None if the calibrator cannot be fitted.
    """
    import torch

    from trainables import calibrators

    folds = torch.empty(len(labels), dtype=torch.int64)
    folds[torch.argsort(labels, stable=True)] = torch.arange(len(labels)) % FOLDS
    found = torch.empty(logits.shape, dtype=torch.float64)
    # A fit that did not converge is judged by its score, like any other.
    with contextlib.suppress(InputError), warnings.catch_warnings(action="ignore"):
        for fold in range(FOLDS):
            inside = folds == fold
            if inside.any():
                others = logits[~inside], labels[~inside]
                fitted = calibrators.fit(calibrator, *others, class_counts=class_counts)
                found[inside] = fitted.log_probabilities(logits[inside]).exp()
        return found
    return None


def _check(calibrator: str) -> None:
    """Raises ConfigurationError if a calibrator needs an extra that is not installed, before any training."""
    import torch

    from trainables import calibrators

    with contextlib.suppress(InputError):
        labels = torch.arange(12) % 3
        calibrators.fit(calibrator, torch.eye(3).repeat(4, 1), labels, class_counts=labels.bincount())
