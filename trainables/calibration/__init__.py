"""How far predicted probabilities can be trusted: metrics, temperature scaling, and all scores at once.

Everything takes torch tensors on any device and returns Python floats, as fractions.
"""

from trainables.calibration.metrics import (
    ReliabilityBins,
    adaptive_ece,
    brier,
    classwise_ece,
    confident_share,
    ece,
    error,
    mce,
    nll,
    reliability_bins,
    top_k_accuracy,
)
from trainables.calibration.scores import evaluate, score
from trainables.calibration.temperature import TEMPERATURES, fit_temperature

__all__ = [
    "TEMPERATURES",
    "ReliabilityBins",
    "adaptive_ece",
    "brier",
    "classwise_ece",
    "confident_share",
    "ece",
    "error",
    "evaluate",
    "fit_temperature",
    "mce",
    "nll",
    "reliability_bins",
    "score",
    "top_k_accuracy",
]
