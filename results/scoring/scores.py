"""The scores of a finished trial: their columns in the store, and how they are printed.

The store holds fractions (NLL: nats). What is printed is a hundred times that: percent, and 100 x nats for
NLL, as Mukhoti et al. (2020) and Ghosh et al. (2022) print theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from trainables.errors import ConfigurationError
from trainables.registry import closest

BINS = 15
"""Bins of every binned score, in the store as in the papers."""

SCALINGS = ("before", "after")
"""Temperature scaling, for the scores that it changes. The others have the one scaling 'none'."""


@dataclass(frozen=True)
class Score:
    """One score of a trial.

    Attributes:
        name: As in the store's columns.
        title: As the papers head their tables.
        meaning: In words, for captions.
        unit: What is stored.
        better: Which way is good; None for a score that describes and does not judge.
        scaled: Whether temperature scaling changes it. It keeps the order of the classes, so it changes no
            accuracy.
        binned: Whether it depends on the number of bins.
    """

    name: str
    title: str
    meaning: str
    unit: Literal["fraction", "nats"] = "fraction"
    better: Literal["lower", "higher"] | None = "lower"
    scaled: bool = True
    binned: bool = False

    @property
    def scalings(self) -> tuple[str, ...]:
        return SCALINGS if self.scaled else ("none",)

    @property
    def printed_unit(self) -> str:
        return "percent" if self.unit == "fraction" else "100 x nats"

    def column(self, scaling: str, criterion: str, split: str = "test") -> str:
        """The store's column of this score with 'none', 'before' or 'after' temperature scaling."""
        after = f"_after_{criterion}" if scaling == "after" else ""
        return f"{split}_{self.name}{after}"

    def printed(self, value: float) -> str:
        """A stored value as it is printed: 0.04347 -> '4.35', and -1e-9 -> '0.00'."""
        return f"{100 * value:z.2f}"


SCORES = {
    score.name: score
    for score in (
        Score("ece", "ECE", "Expected calibration error", binned=True),
        Score("adaptive_ece", "AdaECE", "Adaptive expected calibration error", binned=True),
        Score("nll", "NLL", "Negative log-likelihood", unit="nats"),
        Score("mce", "MCE", "Maximum calibration error", binned=True),
        Score("error", "Error", "Classification error", scaled=False),
        Score("top_1_accuracy", "Top-1", "Top-1 accuracy", better="higher", scaled=False),
        Score("top_5_accuracy", "Top-5", "Top-5 accuracy", better="higher", scaled=False),
        Score("brier", "Brier", "Brier score"),
        Score("classwise_ece", "Classwise-ECE", "Classwise expected calibration error", binned=True),
        Score("confident_share", "|S99|", "Share of samples at confidence above 0.99", better=None),
        Score("confident_accuracy", "S99 accuracy", "Accuracy at confidence above 0.99", better="higher"),
        Score("mean_confidence", "Confidence", "Mean confidence", better=None),
    )
}

SEPARATION = {
    score.name: score
    for score in (
        Score(
            "auroc_max_probability",
            "AUROC by confidence",
            "Area under the ROC curve of the greatest softmax probability as a detector of other data",
            better="higher",
        ),
        Score(
            "auroc_entropy",
            "AUROC by entropy",
            "Area under the ROC curve of the entropy of the softmax as a detector of other data",
            better="higher",
        ),
    )
}
"""Scores of a data set out of distribution: how well confidence tells it from the test set."""

DEFAULT = ("ece", "adaptive_ece", "nll", "mce", "error", "top_1_accuracy", "top_5_accuracy")
"""The scores that the papers have tables of."""

CRITERIA = {name: SCORES[name] for name in ("ece", "adaptive_ece", "nll")}
"""The validation scores by which a trial's temperature is chosen: each finished trial has one for each."""


def chosen(names: Iterable[str]) -> list[Score]:
    """The scores of these names. Raises ConfigurationError for a name that does not exist."""
    names, known = list(names), {**SCORES, **SEPARATION}
    for name in names:
        if name not in known:
            raise ConfigurationError(f"there is no score {name!r}.{closest(name, SCORES)}")
    return [known[name] for name in names]


def checked_criterion(name: str) -> str:
    """`name`, if temperatures are chosen by it. Raises ConfigurationError if they are not."""
    if name not in CRITERIA:
        raise ConfigurationError(f"no temperature is chosen by {name!r}.{closest(name, CRITERIA)}")
    return name
