"""Single test samples in the stored predictions of a trial: confidence, correctness and losses of each.

Computed with numpy from the stored logits, so that tables need no torch. Of calibrators, the temperatures in
the trials' rows suffice; others are fitted again, with torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import log_softmax

from results.scoring.scores import UNCALIBRATED

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """The test samples of one trial under one calibrator, ordered by id.

    Attributes:
        ids: [N].
        confidences: Probability of the predicted class, fraction [N].
        correct: Whether the predicted class is the true one, [N].
        negative_log_likelihoods: Of the true class, nats [N].
        brier_scores: Squared distance of the probabilities from the one-hot label, [N].
        ranks: Rank of the true class, from 0 for the predicted one, [N].
        most_frequent: Whether the true class is the most frequent one of these samples, [N].
    """

    ids: NDArray[np.int64]
    confidences: Floats
    correct: NDArray[np.bool_]
    negative_log_likelihoods: Floats
    brier_scores: Floats
    ranks: NDArray[np.int64]
    most_frequent: NDArray[np.bool_]

    @classmethod
    def of(cls, ids: NDArray[np.int64], logits: Floats, labels: NDArray[np.int64]) -> Samples:
        """From logits or log-probabilities [N, K], in any order, and labels [N]."""
        order = np.argsort(ids, kind="stable")
        ids, logits, labels = ids[order], np.asarray(logits[order], dtype=np.float64), labels[order]
        log_probabilities = log_softmax(logits, axis=1)
        probabilities = np.exp(log_probabilities)
        rows = np.arange(len(labels))
        true = log_probabilities[rows, labels]
        earlier = np.arange(logits.shape[1]) < labels[:, None]
        above = (log_probabilities > true[:, None]) | ((log_probabilities == true[:, None]) & earlier)
        ranks = above.sum(axis=1)
        of_true = probabilities[rows, labels]
        brier_scores = (probabilities**2).sum(axis=1) - of_true**2 + (1 - of_true) ** 2
        most_frequent = labels == np.argmax(np.bincount(labels, minlength=1))
        return cls(ids, probabilities.max(axis=1), ranks == 0, -true, brier_scores, ranks, most_frequent)


def means_over(samples: Samples, metric: str) -> Floats | None:
    """Each sample's value [N] of a metric that is their mean; None for other metrics."""
    match metric:
        case "nll":
            return samples.negative_log_likelihoods
        case "brier":
            return samples.brier_scores
        case "error":
            return (~samples.correct).astype(float)
        case "top_1_accuracy":
            return samples.correct.astype(float)
        case "top_5_accuracy":
            return (samples.ranks < 5).astype(float)
    return None


def of_test_set(
    predictions: pa.Table, calibrator: str = UNCALIBRATED, temperature: float | None = None
) -> Samples:
    """The test samples of a trial's stored predictions.

    Args:
        predictions: For classification, from `Store.predictions`.
        calibrator: Its name.
        temperature: The trial's temperature, if this calibrator is one of the grid.

    Raises:
        InputError: The calibrator cannot be fitted to the validation part.
        ConfigurationError: The calibrator is unknown, or needs an extra that is not installed.
    """
    ids, logits, labels = _part(predictions, "test")
    if calibrator != UNCALIBRATED and temperature is not None:
        logits = logits / temperature
    elif calibrator != UNCALIBRATED:
        logits = _calibrated(predictions, calibrator, logits)
    return Samples.of(ids, logits, labels)


def _calibrated(predictions: pa.Table, calibrator: str, logits: Floats) -> Floats:
    import torch

    from results.scoring.class_counts import class_counts
    from trainables import calibrators

    _, fitting, labels = _part(predictions, "validation")
    validation = torch.from_numpy(fitting), torch.from_numpy(labels)
    fitted = calibrators.fit(calibrator, *validation, class_counts=class_counts(predictions))
    return np.asarray(fitted.log_probabilities(torch.from_numpy(logits)), dtype=np.float64)


def _part(predictions: pa.Table, part: str) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Sample ids [N], logits [N, K] and labels [N]."""
    table = predictions.filter(pc.equal(pc.cast(predictions["split"], pa.string()), part))
    column = table["logits"].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    logits = flat.reshape(len(table), -1).astype(np.float64)
    ids, labels = (table[name].to_numpy().astype(np.int64) for name in ("sample_id", "label"))
    return ids, logits, labels


def same_samples(several: Sequence[Samples]) -> bool:
    """Whether networks were tested on the same samples, as paired comparisons need."""
    return all(np.array_equal(each.ids, several[0].ids) for each in several)
