"""Base class of the calibrators from probmetrics, an extra of calibsweep. Not a component itself."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables.calibrators.base import Calibrator
from trainables.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from types import ModuleType

EXTRA = "calibrators"


class OfProbmetrics(Calibrator):
    """A calibrator that probmetrics fits and applies. A subclass chooses which.

    Berta et al., 'Rethinking Early Stopping: Refine, Then Calibrate' (2025) and 'Structured Matrix Scaling
    for Multi-Class Calibration' (2025).
    """

    def made(self, calibrators: ModuleType) -> Any:
        """The unfitted calibrator from the package probmetrics.calibrators."""
        raise NotImplementedError

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        calibrators = _package("calibrators")
        try:
            self.fitted = self.made(calibrators)
        except ImportError as error:
            raise _lacking(error) from error
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                self.fitted.fit_torch(self._distribution(logits), labels.cpu())
            except (ValueError, RuntimeError) as error:
                raise InputError(f"{type(self).__name__} cannot be fitted: {error}") from error
        for each in caught:
            # It would continue with its initial parameters.
            if "Not updating" in str(each.message):
                raise InputError(f"{type(self).__name__} did not converge: {each.message}")

    def log_probabilities(self, logits: Tensor) -> Tensor:
        found = self.fitted.predict_proba_torch(self._distribution(logits))
        if isinstance(found, _package("distributions").CategoricalLogits):
            scaled: Tensor = found.get_logits().double().log_softmax(dim=1)
            return scaled.to(logits.device)
        # A spline may leave the unit interval.
        probabilities: Tensor = found.get_probs().double().clamp_min(0)
        return (probabilities / probabilities.sum(dim=1, keepdim=True)).log().to(logits.device)

    @staticmethod
    def _distribution(logits: Tensor) -> Any:
        return _package("distributions").CategoricalLogits(logits.cpu().to(torch.float64))


class OfClassesThere(OfProbmetrics):
    """One that cannot be fitted to a class without validation samples. Such a class gets probability 0."""

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        self.classes = logits.shape[1]
        self.there, positions = torch.unique(labels, return_inverse=True)
        if len(self.there) < 2:
            raise InputError(f"{type(self).__name__} needs validation samples of at least two classes.")
        super().fit(logits[:, self.there], positions)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        found = logits.new_full((len(logits), self.classes), -torch.inf, dtype=torch.float64)
        found[:, self.there] = super().log_probabilities(logits[:, self.there])
        return found


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"probmetrics.{name}")
    except ImportError as error:
        raise _lacking(error) from error


def _lacking(error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"this calibrator needs a package that is not installed ({str(error).rstrip('.')}): "
        f"pip install 'calibsweep[{EXTRA}]'."
    )
