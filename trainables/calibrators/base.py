"""Base class of all calibrators."""

from __future__ import annotations

from torch import Tensor


class Calibrator:
    """Maps logits to log-probabilities, after fitting to validation data.

    Its mark says whether it keeps the order of the classes in each sample, and so the accuracy, and which
    extra of calibsweep it needs (`CalibratorSpec`).
    """

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        """Fits to validation logits [N, K] and labels [N] (int64).

        Raises:
            InputError: It cannot be fitted to these logits or labels.
        """
        raise NotImplementedError

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """log p of each class, float64 [N, K], from logits [N, K]; -inf for a probability of 0."""
        raise NotImplementedError
