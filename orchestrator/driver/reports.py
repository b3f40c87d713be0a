"""The report of a worker after each step of its trial: a union of frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from results.store.store import FailureClass


@dataclass(frozen=True)
class Note:
    """A line for the user.

    Attributes:
        kind: '' to show every such line; of any other kind, only the first is shown.
    """

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Latest:
    """The progress of a trial's training.

    Attributes:
        epoch: Number of epochs done.
        curves: Values of the last epoch, by name; empty before the first is done.
        seconds_per_epoch: Mean over the epochs; None before the first is done.
    """

    epoch: int
    curves: Mapping[str, float] = field(default_factory=dict)
    seconds_per_epoch: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Report:
    """Common base.

    Attributes:
        ended: Whether this was the trial's last step here.
        node: Id of its node; '' until its actor adds it.
    """

    ended: ClassVar[bool] = True
    notes: tuple[Note, ...] = ()
    node: str = ""


@dataclass(frozen=True)
class Running(_Report):
    """The trial is training.

    Attributes:
        patience_seconds: How long it may go without a batch from now on.
    """

    ended: ClassVar[bool] = False
    latest: Latest
    patience_seconds: float


@dataclass(frozen=True)
class Done(_Report):
    """The result of the trial is committed.

    Attributes:
        summaries: The task's summaries of the reported epoch on 'validation' and 'test'; None if an earlier
            result stands.
        left: Lasting state that the trial left behind in its processes, as text. Such a process trains no
            further trial.
    """

    latest: Latest
    summaries: Mapping[str, Mapping[str, float]] | None = None
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pruned(_Report):
    """The trial has broken a limit of its source. Its curves are in the store, and it has no result.

    Attributes:
        values: Of the curve with the limit, one per epoch.
        left: As for `Done`.
    """

    latest: Latest
    values: tuple[float | None, ...]
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stopped(_Report):
    """The trial has saved a checkpoint and stopped, as requested."""

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
    """The store refused a result or checkpoint. The next step retries once, and is the last."""

    ended: ClassVar[bool] = False
    message: str


@dataclass(frozen=True)
class StoreLost(_Report):
    """The store refuses results, so the trial has stopped.

    Attributes:
        kept: Whether a checkpoint has all its progress.
    """

    message: str
    kept: bool = False


@dataclass(frozen=True)
class WorkersLost(_Report):
    """The other workers of the trial are unreachable."""

    message: str


Report = Running | Done | Pruned | Stopped | Failed | StoreRefused | StoreLost | WorkersLost
