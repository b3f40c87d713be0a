"""Smooth calibration error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from trainables.metrics.bins import top_label
from trainables.metrics.checks import checked_probabilities
from trainables.registry import register

CELLS = 8192
"""Cells of the grid on which gaps are smoothed; far finer than any chosen bandwidth."""

STEPS = 30
"""Bisections of the interval that contains the bandwidth."""


@register(
    "smooth_ece",
    spec={
        "title": "smECE",
        "meaning": "Smooth calibration error",
        "unit": "percent",
        "direction": "lower",
    },
)
def smooth_ece(probabilities: Tensor, labels: Tensor) -> float:
    """Calibration error with a Gaussian kernel instead of bins; the kernel's width is the error itself.

    Blasiok and Nakkiran, 'Smooth ECE: Principled Reliability Diagrams via Kernel Smoothing' (ICLR 2024): gaps
    between confidence and accuracy are smoothed by a Gaussian reflected at 0 and 1. The bandwidth is the
    unique one that equals the resulting error.
    """
    confidences, correct = top_label(*checked_probabilities(probabilities, labels))
    spectrum = gap_spectrum(confidences, correct)
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if smoothed_gap(spectrum, middle) > middle else (low, middle)
    return smoothed_gap(spectrum, high)


def gap_spectrum(confidences: Tensor, correct: Tensor) -> npt.NDArray[np.float64]:
    """Cosine series of the gaps of samples [N] over the unit interval, float64 [CELLS]."""
    # Imported here because scipy.fft loads slowly, in each process of a trial, and few trials need it.
    from scipy.fft import dct

    values = confidences.double().cpu().numpy()
    gaps = (values - correct.double().cpu().numpy()) / len(values)
    # Each gap is split between the two cells whose centres enclose it.
    places = np.clip(values * CELLS - 0.5, 0, CELLS - 1)
    below = np.minimum(places.astype(np.int64), CELLS - 2)
    share = places - below
    grid = np.bincount(below, gaps * (1 - share), CELLS) + np.bincount(below + 1, gaps * share, CELLS)
    spectrum: npt.NDArray[np.float64] = dct(grid, norm="ortho")
    return spectrum


def smoothed_gap(spectrum: npt.NDArray[np.float64], sigma: float) -> float:
    """Integral of the absolute smoothed gap, with a kernel of bandwidth sigma."""
    from scipy.fft import idct

    # Cosines are the eigenfunctions of a reflected Gaussian.
    damped = spectrum * np.exp(-((sigma * np.pi * np.arange(CELLS)) ** 2) / 2)
    return float(np.abs(idct(damped, norm="ortho")).sum())
