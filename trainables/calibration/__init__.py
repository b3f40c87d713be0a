"""Measures how far to trust predicted probabilities: metrics, temperature scaling, all scores at once.

Everything takes torch tensors on any device and returns Python floats, as fractions. Metrics live in
`trainables.metrics` and the search for a temperature in `trainables.calibrators`, one file each.
"""

from trainables.calibration.reliability import ReliabilityBins, classwise_reliability_bins, reliability_bins
from trainables.calibration.scores import evaluate, score
from trainables.calibrators.grid import TEMPERATURES
from trainables.calibrators.temperature import fit_temperature
from trainables.metrics.adaptive_ece import adaptive_ece
from trainables.metrics.brier import brier
from trainables.metrics.classwise_ece import classwise_ece
from trainables.metrics.ece import ece
from trainables.metrics.error import error
from trainables.metrics.mce import mce
from trainables.metrics.nll import nll
from trainables.metrics.top_k_accuracy import top_k_accuracy

__all__ = [
    "TEMPERATURES",
    "ReliabilityBins",
    "adaptive_ece",
    "brier",
    "classwise_ece",
    "classwise_reliability_bins",
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
