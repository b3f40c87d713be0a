"""Measures for judging networks: metrics in the form that tables need, and the store's columns of scores.

A score is a metric of an evaluation (the test set or another) under a calibrator. The metrics and
calibrators are those of `trainables.metrics` and `trainables.calibrators`, read without importing them.

The store holds fractions (NLL: nats). Printed numbers are a hundred times larger: percent, and 100 x nats for
NLL, as in Mukhoti et al. (2020) and Ghosh et al. (2022).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainables import tasks
from trainables.catalogue import CALIBRATORS, METRICS
from trainables.errors import ConfigurationError
from trainables.metrics import BINS, parsed
from trainables.registry import Entry, closest
from trainables.registry.specs import MetricSpec

UNCALIBRATED = "none"
"""The calibrator that leaves the network's probabilities unchanged."""


@dataclass(frozen=True, kw_only=True)
class Metric(MetricSpec):
    """A metric for tables: the spec of its mark, with its name. Percent is stored as a fraction.

    Attributes:
        name: As in the store's columns.
        number: Number of its bins.
    """

    name: str
    number: int = BINS

    @classmethod
    def of(cls, entry: Entry[MetricSpec]) -> Metric:
        # Without `asdict`, which copies deeply: a command asks for all metrics many times.
        return cls(name=entry.name, **vars(entry.spec))

    @property
    def printed_unit(self) -> str:
        return {"percent": "percent", "nats": "100 x nats", "none": ""}[self.unit]

    @property
    def stored_unit(self) -> str:
        return {"percent": "fraction", "nats": "nats", "none": ""}[self.unit]

    def printed(self, value: float) -> str:
        """A stored value as printed: 0.04347 -> '4.35', and -1e-9 -> '0.00'."""
        return f"{value:z.4f}" if self.unit == "none" else f"{100 * value:z.2f}"

    def changed_by(self, calibrator: str) -> bool:
        """Whether this calibrator, which takes logits for classification, can change it."""
        if self.task != tasks.DEFAULT or calibrator == UNCALIBRATED:
            return False
        return not (self.order_only and CALIBRATORS[calibrator].spec.keeps_order)


@dataclass(frozen=True)
class Score:
    """A metric of one evaluation under one calibrator.

    Attributes:
        evaluation: 'validation' or 'test'.
    """

    evaluation: str
    metric: str
    calibrator: str = UNCALIBRATED

    @property
    def column(self) -> str:
        """Its column in the store: 'test_ece', 'test_ece_after_nll' at the temperature chosen by NLL."""
        if self.calibrator == UNCALIBRATED:
            return f"{self.evaluation}_{self.metric}"
        return f"{self.evaluation}_{self.metric}_after_{criterion_of(self.calibrator) or self.calibrator}"


def known_metrics() -> dict[str, Metric]:
    """All metrics by name: first those of the papers' tables, then the others in rows."""
    names = {**dict.fromkeys(DEFAULT), **dict.fromkeys(METRICS.names())}
    found = [Metric.of(METRICS[name]) for name in names]
    return {metric.name: metric for metric in sorted(found, key=lambda metric: not metric.at_commit)}


def criterion_of(calibrator: str) -> str | None:
    """The metric by which a calibrator chooses a temperature of the grid; None for other calibrators."""
    criterion: str | None = CALIBRATORS[calibrator].preset.get("criterion")
    return criterion


def criteria() -> dict[str, Metric]:
    """The metrics that choose a temperature on validation data; rows have one temperature for each."""
    known = known_metrics()
    return {by: known[by] for name in CALIBRATORS.entries if (by := criterion_of(name))}


def temperature_by(criterion: str) -> str:
    """The calibrator whose temperature is chosen by this metric.

    Raises ConfigurationError if no calibrator does so.
    """
    for name in CALIBRATORS.entries:
        if criterion_of(name) == criterion:
            return name
    raise ConfigurationError(
        f"no calibrator chooses its temperature by {criterion!r}.{closest(criterion, criteria())}"
    )


def chosen(names: Iterable[str]) -> list[Metric]:
    """The metrics with these names: 'ece', 'ece(bins=20)'.

    Raises ConfigurationError if a name does not exist, or a metric has no bins.
    """
    names, known = list(names), known_metrics()
    found = []
    for name in names:
        plain, bins = parsed(name)
        if plain not in known:
            raise ConfigurationError(f"unknown metric {name!r}.{closest(name, known)}")
        metric = known[plain]
        if bins is not None:
            title = f"{metric.title} ({bins} bins)"
            metric = dataclasses.replace(
                metric, name=f"{plain}(bins={bins})", title=title, number=bins, at_commit=False
            )
        found.append(metric)
    return found


DEFAULT = ("ece", "adaptive_ece", "nll", "mce", "error", "top_1_accuracy", "top_5_accuracy")
"""The metrics with tables in the papers."""

DEFAULT_ELSEWHERE = ("auroc_max_probability", "auroc_entropy", "ece", "error")
"""The metrics with tables for evaluations on other data than the test set."""


def shown_of(task: str, usual: Sequence[str] = DEFAULT) -> tuple[str, ...]:
    """The default metrics in tables of a task.

    Args:
        usual: Those for classification.
    """
    if task == tasks.DEFAULT:
        return tuple(usual)
    return tuple(m.name for m in known_metrics().values() if m.task == task and m.at_commit)
