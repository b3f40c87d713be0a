"""Metrics of predicted probabilities, one file each. A new one is a new file here with a marked function.

A metric is a function `(probabilities [N, K], labels [N]) -> float` of tensors on any device, with a third
argument `bins: int = BINS` if it bins, `test_probabilities [M, K]` if it compares with the test set, or
`class_counts [K]` if it depends on the number of training labels of each class. Its mark states these and its
other properties for tables (`MetricSpec`). The predicted class is the first of the most probable ones; the
confidence is its probability.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from trainables.catalogue import METRICS
from trainables.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

BINS = 15
"""Default number of bins of every binned metric, as in the papers."""


_WITH_BINS = re.compile(r"(?P<name>.+)\(bins=(?P<bins>[1-9][0-9]{0,4})\)")


def parsed(name: str) -> tuple[str, int | None]:
    """A metric's name and number of bins: 'ece' and 20 from 'ece(bins=20)', None for the default number.

    Raises:
        ConfigurationError: The metric is unknown or has no bins.
    """
    match = _WITH_BINS.fullmatch(name)
    if match is None:
        return name, None
    if not METRICS[match["name"]].spec.bins:
        raise ConfigurationError(f"metric {match['name']!r} has no bins.")
    bins = int(match["bins"])
    return match["name"], None if bins == BINS else bins


def compute(
    name: str,
    probabilities: Tensor,
    labels: Tensor,
    *,
    test_probabilities: Tensor | None = None,
    class_counts: Sequence[int] | Tensor | None = None,
    **params: Any,
) -> float:
    """The metric called `name` of probabilities [N, K] and labels [N], a fraction, or nats.

    Args:
        name: Such as 'ece', or with a number of bins 'ece(bins=20)'.
        test_probabilities: Those on the test set [M, K], for a metric marked `against_test`.
        class_counts: Number of training labels of each class, [K], for a metric marked `class_counts`.
        params: The metric's own parameters, and `bins` if it bins.

    Raises:
        ConfigurationError: The name or a parameter is unknown; the message names the nearest valid one.
        InputError: The metric is undefined for these probabilities or labels.
    """
    from trainables.metrics.checks import checked_class_counts

    name, bins = parsed(name)
    params = params if bins is None else {"bins": bins, **params}
    if "bins" in params and not METRICS[name].spec.bins:
        raise ConfigurationError(f"metric {name!r} has no bins.")
    if METRICS[name].spec.against_test:
        if test_probabilities is None:
            raise InputError(f"metric {name!r} compares with the test set: it needs test_probabilities.")
        params = {**params, "test_probabilities": test_probabilities}
    if METRICS[name].spec.class_counts:
        params = {**params, "class_counts": checked_class_counts(class_counts, probabilities, name)}
    value: float = METRICS.build(name, probabilities=probabilities, labels=labels, **params)
    return value
