"""Shows a running sweep: live lines in a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.text import Text

import orchestrator
from orchestrator.cluster.estimates import START_SECONDS, TRIAL_SECONDS
from orchestrator.screen.terminal import can_redraw
from orchestrator.screen.view import Row, Standing, View, lines, standing_still
from results.store.running import Running
from results.wording import duration
from trainables.trial import Trial

LINE_SECONDS = 600.0
"""Without a terminal, longest interval between lines: trials may take hours."""

QUIET_SHARE = 0.5
"""Fraction of its stall limit after which a quiet trial is reported."""

Cell = tuple[str, str]
"""Data set and model. The duration of an epoch varies far more between cells than within one."""


@dataclass
class Run:
    """A running trial.

    Attributes:
        seconds_per_epoch: Measured by its worker; None before the first epoch is done.
        error: On the validation part after the last epoch.
    """

    started: float
    epoch: int = 0
    heard: float = 0.0
    patience_seconds: float = math.inf
    quiet_reported: bool = False
    seconds_per_epoch: float | None = None
    error: float | None = None

    def quiet_seconds(self) -> float | None:
        """Time since its last report if that is long."""
        seconds = time.monotonic() - self.heard
        return seconds if seconds > QUIET_SHARE * self.patience_seconds else None


@dataclass
class Progress:
    """The counts of a running sweep, the lines that show them, and the estimated time left.

    Args:
        trials: The trials known to run. Others count once they start.
        already_done: Number of trials of the sweep finished before.
        console: Where to print. If it cannot redraw, all lines are plain.
        expected: Estimates the seconds of a trial before any measurement; None if unknown.
        at_once: Expected number of parallel trials, until they run.
        total: Number of trials that may run; those not yet known are counted in estimates like the others.
        started: When the command was typed, by `time.monotonic`.
    """

    trials: list[Trial]
    already_done: int
    console: Console
    expected: Callable[[Trial], float | None] = lambda trial: None
    at_once: int = 1
    total: int = 0
    started: float = field(default_factory=lambda: orchestrator.STARTED)
    done: int = 0
    failed: int = 0
    running: dict[str, Run] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_key: dict[str, Trial] = {}
        self.left: set[str] = set()
        self.last_line = time.monotonic()
        self.step = ""
        self.most_running = 0
        # Sums by cell, and by cell and epochs, since the time left is computed at the end of every trial.
        self.one_of: dict[Cell, Trial] = {}
        self.left_of: Counter[tuple[Cell, int]] = Counter()
        for trial in self.trials:
            self._expect(trial)
        self.finished_epochs: Counter[Cell] = Counter()
        self.finished_seconds: dict[Cell, float] = defaultdict(float)
        self.expected_of: dict[Cell, float | None] = {}
        self.redraws = can_redraw(self.console.file)
        self.view = View(self.console, self._lines) if self.redraws else None

    def __enter__(self) -> Progress:
        if self.view:
            self.view.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.view:
            self.view.stop()

    def doing(self, step: str) -> None:
        """Shows the current step before the first trial runs."""
        if step != self.step:
            self.step = step
            if not self.redraws:
                self.line(step)

    def note(self, text: str) -> None:
        """Prints a warning above the live lines. Any thread may call it."""
        self.console.print(text, style="warning", highlight=False, soft_wrap=True)

    def line(self, line: str) -> None:
        """Prints a line above the live lines, if any."""
        self.last_line = time.monotonic()
        self.console.print(line, highlight=False, soft_wrap=True)

    def _expect(self, trial: Trial) -> None:
        """Adds a trial to those that will run."""
        self.by_key[trial.key] = trial
        self.left.add(trial.key)
        self.one_of.setdefault(_cell(trial), trial)
        self.left_of[_size(trial)] += 1

    def start(self, trial: Trial, patience_seconds: float = math.inf) -> None:
        """Notes that a trial, known or new, has started, and its stall limit."""
        if trial.key not in self.by_key:
            self._expect(trial)
        now = time.monotonic()
        self.running[trial.key] = Run(now, heard=now, patience_seconds=patience_seconds)
        self.most_running = max(self.most_running, len(self.running))
        self.step = ""

    def stop(self, key: str) -> None:
        """Notes that a trial was interrupted and will resume."""
        self.running.pop(key, None)

    def epoch(
        self,
        key: str,
        epoch: int,
        patience_seconds: float = math.inf,
        seconds_per_epoch: float | None = None,
        error: float | None = None,
    ) -> None:
        """Notes a report of a trial, and its stall limit from now on."""
        if key in self.running:
            run = self.running[key]
            run.epoch, run.heard, run.patience_seconds = epoch, time.monotonic(), patience_seconds
            run.seconds_per_epoch, run.error = seconds_per_epoch, error
            run.quiet_reported = False

    def standing(self) -> dict[str, Running]:
        """The running trials by key, in the store's form. Any thread may call it."""
        return {key: Running(run.epoch, run.quiet_seconds()) for key, run in list(self.running.items())}

    def finish(self, key: str, outcome: str, failed: bool = False) -> None:
        """Counts a trial that ended. `outcome` ends its line."""
        run = self.running.pop(key, None)
        if key not in self.left:
            return
        self.left.discard(key)
        trial = self.by_key[key]
        self.left_of[_size(trial)] -= 1
        self.failed += failed
        self.done += not failed
        if run and not failed:
            self.finished_epochs[_cell(trial)] += trial.training.epochs
            self.finished_seconds[_cell(trial)] += time.monotonic() - run.started
        if failed:
            self.note(f"failed: {trial}: {outcome}")
        else:
            left = "" if self.redraws or not self.left else f"; {self.time_left()} left"
            self.line(
                f"[{self.done + self.failed}/{max(self.total, len(self.by_key))}] {trial}: {outcome}{left}"
            )

    def print_if_due(self) -> None:
        """Reports trials that have become quiet, and, with plain lines, the counts once in a while."""
        for key, run in self.running.items():
            seconds = run.quiet_seconds()
            if seconds is not None and not run.quiet_reported:
                run.quiet_reported = True
                self.note(f"{self.by_key[key]}: {standing_still(seconds)}")
        if self.redraws or time.monotonic() < self.last_line + LINE_SECONDS:
            return
        waiting = len(self.left) - len(self.running)
        counts = f"{len(self.running)} running, {self.done} done, {self.failed} failed, {waiting} waiting"
        self.line(f"{counts}; {self.time_left()} left")

    def seconds_left(self) -> float | None:
        """Estimated from the finished trials of each cell, else its running ones, else `expected`.

        None while nothing is known of some cell.
        """
        per_epoch = self._seconds_per_epoch()
        if len(per_epoch) < len(self.one_of):
            return None
        now = time.monotonic()
        work = sum(number * epochs * per_epoch[cell] for (cell, epochs), number in self.left_of.items())
        waiting, longest = self.left_of.copy(), 0.0
        for key, run in list(self.running.items()):
            trial = self.by_key[key]
            cell, epochs = _size(trial)
            rest = max(0.0, (epochs - run.epoch) * per_epoch[cell] - (now - run.heard))
            work -= epochs * per_epoch[cell] - rest
            waiting[cell, epochs] -= 1
            longest = max(longest, rest)
        unknown = max(0, self.total - len(self.by_key))
        work += unknown * max((epochs * per_epoch[cell] for cell, epochs in self.left_of), default=0.0)
        for (cell, epochs), number in waiting.items():
            if number > 0:
                longest = max(longest, epochs * per_epoch[cell])
        # The first trials to start say little about how many will run in parallel.
        at_once = self.most_running if self.finished_epochs else max(self.most_running, self.at_once)
        start = 0.0 if self.most_running else max(0.0, START_SECONDS - (now - self.started))
        return start + max(longest, work / max(at_once, 1))

    def _seconds_per_epoch(self) -> dict[Cell, float]:
        """By cell. Cells without information get the mean of all finished trials."""
        heard: dict[Cell, list[float]] = defaultdict(list)
        for key, run in list(self.running.items()):
            if run.seconds_per_epoch is not None:
                heard[_cell(self.by_key[key])].append(run.seconds_per_epoch)
        epochs = self.finished_epochs.total()
        overall = sum(self.finished_seconds.values()) / epochs if epochs else None
        found: dict[Cell, float] = {}
        for cell, trial in self.one_of.items():
            if cell in self.finished_epochs:
                each: float | None = self.finished_seconds[cell] / self.finished_epochs[cell]
            elif cell in heard:
                each = sum(heard[cell]) / len(heard[cell])
            else:
                each = self._expected(cell, trial)
            each = overall if each is None else each
            if each is not None:
                found[cell] = each
        return found

    def _expected(self, cell: Cell, trial: Trial) -> float | None:
        """Expected seconds per epoch of a cell."""
        if cell not in self.expected_of:
            seconds = self.expected(trial)
            each = None if seconds is None else (seconds + TRIAL_SECONDS) / trial.training.epochs
            self.expected_of[cell] = each
        return self.expected_of[cell]

    def time_left(self) -> str:
        seconds = self.seconds_left()
        return "?" if seconds is None else duration(seconds)

    def _lines(self, width: int, height: int, plain: bool) -> list[Text]:
        rows = []
        for key, run in list(self.running.items()):
            trial = self.by_key[key]
            rows.append(Row(str(trial), run.epoch, trial.training.epochs, run.error, run.quiet_seconds()))
        standing = Standing(
            self.step,
            rows,
            self.done,
            self.failed,
            self.already_done,
            max(self.total, len(self.by_key)),
            time.monotonic() - self.started,
            self.time_left(),
        )
        return lines(standing, width, height, plain)


def unseen() -> Console:
    """A console that shows nothing."""
    return Console(file=io.StringIO(), quiet=True)


def _cell(trial: Trial) -> Cell:
    return trial.dataset.label, trial.model.label


def _size(trial: Trial) -> tuple[Cell, int]:
    return _cell(trial), trial.training.epochs
