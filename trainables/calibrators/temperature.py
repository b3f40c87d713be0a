"""Temperature scaling: the best temperature of a fixed grid, in one pass over the logits.

The grid is searched without gradients, because the published temperatures were found that way (Mukhoti et al.
2020, section 5). A temperature changes only the normaliser of a row of logits,

    S(T) = sum_j exp((z_j - max z) / T)

and a criterion needs nothing else: the predicted class stays, its probability is 1 / S(T), and the negative
log-likelihood is log S(T) - (z_y - max z) / T. As a function of log T, each exp(-d / T) is the same smooth
step, shifted by log d, and analytic within pi / 2 of the real line. Chebyshev interpolation in log T
therefore gets from 40 temperatures to all 100 with an error below 1e-11, with less than half of the
exponentials and one pass over logits that stay in the cache. Everything is float64: the chosen temperature
does not depend on the last digit of a processor.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import get_args

import torch
from torch import Tensor

from trainables.calibrators.base import Calibrator
from trainables.calibrators.grid import TEMPERATURES
from trainables.errors import InputError
from trainables.metrics import BINS
from trainables.metrics.bins import ROUNDING, equal_mass_gap, equal_width_edges, weighted_gap
from trainables.metrics.checks import checked_logits
from trainables.protocols.base import Criterion
from trainables.registry import register

CRITERIA: tuple[Criterion, ...] = get_args(Criterion)

TIE = 1e-9
"""Temperatures whose criteria differ by less are equally good: far above rounding, and far below any digit
shown in a table."""

NODES = 40
SMALLEST_EXPONENT = -80.0
"""exp(-80) is negligible in a sum of at least 1, and below exp(-708) arithmetic becomes very slow."""

ELEMENTS_AT_ONCE = {"cpu": 2**16, "other": 2**23}
"""Exponentials computed together: on a CPU as many as fit its cache, on a GPU enough to keep it busy."""

CONFIDENCES_AT_ONCE = 2**18
"""Confidences binned together."""


@register(
    "temperature_ece",
    criterion="ece",
    spec={"title": "temperature scaling by ECE", "symbol": "T", "keeps_order": True},
)
@register(
    "temperature_adaptive_ece",
    criterion="adaptive_ece",
    spec={"title": "temperature scaling by AdaECE", "symbol": "T", "keeps_order": True},
)
@register(
    "temperature_nll",
    criterion="nll",
    spec={"title": "temperature scaling by NLL", "symbol": "T", "keeps_order": True},
)
class GridTemperature(Calibrator):
    """Temperature scaling with the temperature from a grid that minimises a criterion.

    Guo et al., 'On Calibration of Modern Neural Networks' (ICML 2017), section 4.2; the grid of Mukhoti et
    al. 2020, section 5.

    Args:
        criterion: 'ece' or 'adaptive_ece' with 15 bins, or 'nll'.
    """

    def __init__(self, criterion: Criterion):
        self.criterion = criterion
        self.temperature = 1.0

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        self.temperature = fit_temperature(logits, labels, self.criterion)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        # Subtract the greatest logit first: dividing large logits would cost digits that their gaps need.
        gaps = logits.double()
        return ((gaps - gaps.amax(dim=1, keepdim=True)) / self.temperature).log_softmax(dim=1)


def fit_temperature(logits: Tensor, labels: Tensor, criterion: Criterion = "ece") -> float:
    """The temperature of the grid at which softmax(logits / T) minimises a criterion.

    Of temperatures within 1e-9 of the minimum, the smallest.

    Args:
        logits: [N, K], on validation data, on any device.
        labels: [N].
        criterion: 'ece' or 'adaptive_ece' with 15 bins, or 'nll'.

    Raises:
        InputError: The criterion is unknown, or undefined for these logits or labels.
    """
    if criterion not in CRITERIA:
        raise InputError(f"criterion must be one of {', '.join(CRITERIA)}, not {criterion!r}.")
    curve = criterion_curves(*checked_logits(logits, labels), [criterion])[criterion]
    return TEMPERATURES[int(best(curve))]


def best(curve: Tensor) -> Tensor:
    """Position of the first value of a curve [100] within `TIE` of the least."""
    return (curve <= curve.min() + TIE).nonzero()[0, 0]


def criterion_curves(
    logits: Tensor, labels: Tensor, criteria: Iterable[Criterion]
) -> dict[Criterion, Tensor]:
    """Each criterion at each temperature of the grid, float64 [100], from checked logits and labels."""
    top, predictions = logits.max(dim=1)
    correct = predictions == labels
    normalisers = _normalisers(logits, top)
    confidences = 1 / normalisers
    # Several temperatures at a time: one by one, few samples would take as long as thousands.
    blocks = torch.split(confidences, max(1, CONFIDENCES_AT_ONCE // len(correct)))
    curves: dict[Criterion, Tensor] = {}
    for criterion in criteria:
        if criterion == "nll":
            true = logits.gather(1, labels[:, None]).squeeze(1)
            temperatures = torch.tensor(TEMPERATURES, dtype=torch.float64, device=logits.device)
            distance = (top.double() - true.double()).mean()
            curves[criterion] = normalisers.log().mean(dim=1) + distance / temperatures
        elif criterion == "ece":
            edges = equal_width_edges(BINS, logits.device)
            curves[criterion] = torch.cat([weighted_gap(rows, correct, edges) for rows in blocks])
        else:
            gaps = torch.cat([equal_mass_gap(rows, correct, BINS) for rows in blocks])
            # If rounding makes all confidences equal, no sample is in a bin. The measured 0 is then
            # meaningless, and would sharpen a network that is already sure of everything.
            least, greatest = confidences.aminmax(dim=1)
            curves[criterion] = torch.where(greatest - least > ROUNDING, gaps, math.inf)
    return curves


def weighted_nll(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the negative log-likelihood at each temperature, float64 [100].

    Args:
        logits: [N, K], with labels [N].
        weights: float64 [N], of sum 1.
    """
    top = logits.amax(dim=1)
    true = logits.gather(1, labels[:, None]).squeeze(1)
    temperatures = torch.tensor(TEMPERATURES, dtype=torch.float64, device=logits.device)
    distance = (top.double() - true.double()) @ weights
    return _normalisers(logits, top).log() @ weights + distance / temperatures


def confidence_rows(logits: Tensor) -> Tensor:
    """The confidences at each temperature of the grid, float64 [100, N], from logits [N, K]."""
    return 1 / _normalisers(logits, logits.amax(dim=1))


def _normalisers(logits: Tensor, top: Tensor) -> Tensor:
    """S(T) of each row at each temperature, float64 [100, N], from logits [N, K] and their maxima [N]."""
    inverses, weights = (table.to(logits.device) for table in _interpolation())
    samples, classes = logits.shape
    rows = max(1, ELEMENTS_AT_ONCE["cpu" if logits.device.type == "cpu" else "other"] // classes)
    normalisers = torch.empty(len(TEMPERATURES), samples, dtype=torch.float64, device=logits.device)
    for start in range(0, samples, rows):
        chunk = slice(start, start + rows)
        gaps = logits[chunk].double() - top[chunk, None].double()
        powers, sums = torch.empty_like(gaps), gaps.new_empty(NODES, len(gaps))
        for inverse, row in zip(inverses, sums, strict=True):
            torch.mul(gaps, inverse, out=powers)
            torch.sum(powers.clamp_min_(SMALLEST_EXPONENT).exp_(), dim=1, out=row)
        normalisers[:, chunk] = weights @ sums
    return normalisers.clamp_min_(1)


@functools.cache
def _interpolation() -> tuple[Tensor, Tensor]:
    """1 / T at the nodes, float64 [40], and the weight of each node at each temperature, float64 [100, 40].

    Berrut and Trefethen, 'Barycentric Lagrange Interpolation' (SIAM Review 2004), equation 4.2.
    """
    angles = (torch.arange(NODES, dtype=torch.float64) + 0.5) * math.pi / NODES
    targets = torch.tensor(TEMPERATURES, dtype=torch.float64).log()
    middle, half = (targets[-1] + targets[0]) / 2, (targets[-1] - targets[0]) / 2
    inverses = (-(middle + half * angles.cos())).exp()
    # Use the rounded nodes to compute the weights.
    nodes = -inverses.log()
    factors = nodes[:, None] - nodes
    terms = 1 / (factors.fill_diagonal_(1.0).prod(dim=1) * (targets[:, None] - nodes))
    return inverses, terms / terms.sum(dim=1, keepdim=True)
