"""The record of a search, as its figure and its page show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.search import Objective
from trainables.catalogue import METRICS


@dataclass(frozen=True)
class Suggested:
    """A suggestion with a result.

    Attributes:
        number: Its place in the search, from 0.
        loss: Its name in the search file.
        values: The searched parameters and settings, by full name, such as 'focal.gamma'.
        key: Of its trial; '' if the combination of values is impossible.
        calibrator: With which its scores are; '' for objectives without one.
        scores: In the order of the objectives, as stored: fractions, and nats for NLL. None without scores.
        end: 'finished', 'score undefined', 'stopped after 5 epochs', 'failed', or why the combination of
            values is impossible.
        stopped: Whether it stopped early.
        best: Whether it is the best, or on the front.
    """

    number: int
    loss: str
    values: Mapping[str, Any]
    key: str
    calibrator: str
    scores: tuple[float, ...] | None
    end: str
    stopped: bool
    best: bool


@dataclass(frozen=True)
class Record:
    """A search up to now.

    Attributes:
        trials: Number of suggestions that it may make.
        importance: The share of each parameter in the variance of an objective, greatest first, by objective;
            empty where it is unknown.
    """

    name: str
    trials: int
    objectives: Sequence[Objective]
    suggested: Sequence[Suggested]
    importance: Mapping[str, Mapping[str, float]]

    @property
    def scored(self) -> list[Suggested]:
        return [each for each in self.suggested if each.scores is not None]

    @property
    def best(self) -> list[Suggested]:
        return [each for each in self.suggested if each.best]


def in_percent(objective: str) -> bool:
    """Whether the scores of an objective, which are fractions, are printed in percent."""
    return METRICS[objective.partition("_after_")[0]].spec.unit == "percent"


def score_text(objective: str, value: float) -> str:
    """A score as printed: '4.31%' or '0.1234'."""
    return f"{value:.2%}" if in_percent(objective) else f"{value:.4f}"
