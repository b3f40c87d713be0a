"""What every calibrator is."""

from __future__ import annotations

from torch import Tensor


class Calibrator:
    """Maps logits to log-probabilities, as fitted to validation data.

    Its mark says whether it keeps the order of the classes in each sample, so that it changes no accuracy,
    and which extra of calibsweep it needs (`CalibratorSpec`).
    """

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        """Fits to validation logits [N, K] and labels [N] (int64).

        Raises:
            InputError: Logits or labels that it cannot be fitted to.
        """
        raise NotImplementedError

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """log p of each class, float64 [N, K], from logits [N, K]; -inf for a probability of 0."""
        raise NotImplementedError
