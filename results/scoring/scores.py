"""What networks are judged on: metrics as tables need them, and the store's columns of scores.

A score is a metric of an evaluation ('validation', 'test' or another set) under a calibrator. The metrics and
calibrators are those of `trainables.metrics` and `trainables.calibrators`, read without importing them.

The store holds fractions (NLL: nats). What is printed is a hundred times that: percent, and 100 x nats for
NLL, as Mukhoti et al. (2020) and Ghosh et al. (2022) print theirs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from trainables import tasks
from trainables.catalogue import CALIBRATORS, METRICS
from trainables.errors import ConfigurationError
from trainables.metrics import BINS, parsed
from trainables.registry import Entry, closest
from trainables.registry.specs import MetricSpec

UNCALIBRATED = "none"
"""The calibrator that leaves probabilities as the network gives them."""


@dataclass(frozen=True)
class Metric:
    """One metric, as tables need it.

    Attributes:
        name: As in the store's columns.
        title: As the papers head their tables.
        meaning: In words, for captions.
        unit: What is stored: 'percent' is stored as a fraction.
        direction: Which way is good; None for a metric that describes and does not judge.
        order_only: Whether it depends on the order of the classes alone.
        bins: Whether it depends on the number of bins.
        at_commit: Whether each finished trial of its task has it in its row.
        task: The task whose predictions it measures.
        number: Of its bins.
    """

    name: str
    title: str
    meaning: str
    unit: Literal["percent", "nats", "none"] = "percent"
    direction: Literal["lower", "higher"] | None = None
    order_only: bool = False
    bins: bool = False
    at_commit: bool = False
    task: str = tasks.DEFAULT
    number: int = BINS

    @classmethod
    def of(cls, entry: Entry[MetricSpec]) -> Metric:
        return cls(entry.name, **dataclasses.asdict(entry.spec))

    @property
    def printed_unit(self) -> str:
        return {"percent": "percent", "nats": "100 x nats", "none": ""}[self.unit]

    @property
    def stored_unit(self) -> str:
        return {"percent": "fraction", "nats": "nats", "none": ""}[self.unit]

    def printed(self, value: float) -> str:
        """A stored value as it is printed: 0.04347 -> '4.35', and -1e-9 -> '0.00'."""
        return f"{value:z.4f}" if self.unit == "none" else f"{100 * value:z.2f}"

    def changed_by(self, calibrator: str) -> bool:
        """Whether it can differ before and after this calibrator, which takes logits of a classification."""
        return self.task == tasks.DEFAULT and not (
            self.order_only and CALIBRATORS[calibrator].spec.keeps_order
        )


@dataclass(frozen=True)
class Score:
    """A metric of one evaluation under one calibrator.

    Attributes:
        evaluation: 'validation', 'test', or the label of another set.
    """

    evaluation: str
    metric: str
    calibrator: str = UNCALIBRATED

    @property
    def column(self) -> str:
        """The store's name for it: 'test_ece', 'test_ece_after_nll' at the temperature that NLL chose."""
        if self.calibrator == UNCALIBRATED:
            return f"{self.evaluation}_{self.metric}"
        return f"{self.evaluation}_{self.metric}_after_{criterion_of(self.calibrator) or self.calibrator}"


def known_metrics() -> dict[str, Metric]:
    """All metrics by name: those of the papers' tables first, then the others that rows have."""
    names = {**dict.fromkeys(DEFAULT), **dict.fromkeys(METRICS.names())}
    found = [Metric.of(METRICS[name]) for name in names]
    return {metric.name: metric for metric in sorted(found, key=lambda metric: not metric.at_commit)}


def criterion_of(calibrator: str) -> str | None:
    """The metric by which a calibrator chooses a temperature of the grid, for one that does."""
    criterion: str | None = CALIBRATORS[calibrator].preset.get("criterion")
    return criterion


def criteria() -> dict[str, Metric]:
    """The metrics that choose a trial's temperatures on validation data, of which rows have one for each."""
    known = known_metrics()
    return {by: known[by] for name in CALIBRATORS.entries if (by := criterion_of(name))}


def temperature_by(criterion: str) -> str:
    """The calibrator whose temperature is chosen by this metric.

    Raises ConfigurationError if there is none.
    """
    for name in CALIBRATORS.entries:
        if criterion_of(name) == criterion:
            return name
    raise ConfigurationError(f"no temperature is chosen by {criterion!r}.{closest(criterion, criteria())}")


def chosen(names: Iterable[str]) -> list[Metric]:
    """The metrics of these names: 'ece', 'ece(bins=20)'.

    Raises ConfigurationError for a name that does not exist, or bins for a metric that has none.
    """
    names, known = list(names), {**known_metrics(), **SEPARATION}
    found = []
    for name in names:
        plain, bins = parsed(name)
        if plain not in known:
            raise ConfigurationError(f"there is no metric {name!r}.{closest(name, known)}")
        metric = known[plain]
        if bins is not None:
            title = f"{metric.title} ({bins} bins)"
            metric = dataclasses.replace(
                metric, name=f"{plain}(bins={bins})", title=title, number=bins, at_commit=False
            )
        found.append(metric)
    return found


SEPARATION = {
    metric.name: metric
    for metric in (
        Metric(
            "auroc_max_probability",
            "AUROC by confidence",
            "Area under the ROC curve of the greatest softmax probability as a detector of other data",
            direction="higher",
        ),
        Metric(
            "auroc_entropy",
            "AUROC by entropy",
            "Area under the ROC curve of the entropy of the softmax as a detector of other data",
            direction="higher",
        ),
    )
}
"""Metrics of a data set out of distribution: how well confidence tells it from the test set."""

DEFAULT = ("ece", "adaptive_ece", "nll", "mce", "error", "top_1_accuracy", "top_5_accuracy")
"""The metrics that the papers have tables of."""


def shown_of(task: str, usual: Sequence[str] = DEFAULT) -> tuple[str, ...]:
    """The metrics that a task has tables of where none is asked for.

    Args:
        usual: Those of classification.
    """
    if task == tasks.DEFAULT:
        return tuple(usual)
    return tuple(m.name for m in known_metrics().values() if m.task == task and m.at_commit)
