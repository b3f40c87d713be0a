"""The report of a worker after each step of its trial: one of a few frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from results.store.store import FailureClass


@dataclass(frozen=True)
class Note:
    """A line for whoever watches the sweep.

    Attributes:
        kind: '' shows each line; of another kind the first is enough.
    """

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Latest:
    """Where the training of a trial is.

    Attributes:
        epoch: The number of epochs done.
        curves: By name, of the last of them; empty before the first is done.
        seconds_per_epoch: Their mean; None before the first is done.
    """

    epoch: int
    curves: Mapping[str, float] = field(default_factory=dict)
    seconds_per_epoch: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Report:
    """Common to all.

    Attributes:
        ended: Whether the trial takes no further step here.
        node: Id of the node where it runs; '' before its actor has added it.
    """

    ended: ClassVar[bool] = True
    notes: tuple[Note, ...] = ()
    node: str = ""


@dataclass(frozen=True)
class Running(_Report):
    """The trial trains.

    Attributes:
        patience_seconds: How long it may stand still from now on.
    """

    ended: ClassVar[bool] = False
    latest: Latest
    patience_seconds: float


@dataclass(frozen=True)
class Done(_Report):
    """The result of the trial is committed.

    Attributes:
        summary: Of the epoch that counts, on the test part, as the task has it; None if a result that was
            committed before stands.
        left: What the trial left behind in its processes that stays there, in words: with any, a process
            trains no further trial.
    """

    latest: Latest
    summary: Mapping[str, float] | None = None
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stopped(_Report):
    """The trial has kept a checkpoint and stopped, as it was asked to."""

    epoch: int


@dataclass(frozen=True)
class Failed(_Report):
    """The code of the trial failed."""

    failure_class: FailureClass
    message: str
    traceback: str
    host: str


@dataclass(frozen=True)
class StoreRefused(_Report):
    """The store took no result or checkpoint; the next step tries once more, and is the last."""

    ended: ClassVar[bool] = False
    message: str


@dataclass(frozen=True)
class StoreLost(_Report):
    """The store takes no results, so the trial has stopped.

    Attributes:
        kept: Whether there is a checkpoint of all that was trained.
    """

    message: str
    kept: bool = False


@dataclass(frozen=True)
class WorkersLost(_Report):
    """The other workers of the trial are unreachable."""

    message: str


Report = Running | Done | Stopped | Failed | StoreRefused | StoreLost | WorkersLost
