"""What one sees while a sweep runs: live lines in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from results.running import Running
from trainables.trial import Trial

TELL_SECONDS = 600.0
"""Without a terminal, a line at least this often: trials may take hours."""


QUIET_SHARE = 0.5
"""From which part of the time that a trial may stand still it is said how long it does."""


@dataclass
class Run:
    started: float
    epoch: int = 0
    heard: float = 0.0
    patience_seconds: float = math.inf
    told_quiet: bool = False

    def quiet_seconds(self) -> float | None:
        """How long nothing was heard of it, where that is long."""
        seconds = time.monotonic() - self.heard
        return seconds if seconds > QUIET_SHARE * self.patience_seconds else None


@dataclass
class Progress:
    """Counts of a running sweep, the lines that show them, and the time still to go.

    Args:
        trials: What is to run.
        already_done: Trials of the sweep that were finished before.
        console: Where to print. Without a terminal each finished trial is one plain line.
    """

    trials: list[Trial]
    already_done: int
    console: Console
    done: int = 0
    failed: int = 0
    running: dict[str, Run] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_key = {trial.key: trial for trial in self.trials}
        self.left = set(self.by_key)
        self.started = time.monotonic()
        self.told = self.started
        self.most_running = 1
        # By (data set, model): these differ far more than the trials of one do. Sums, since what is left is
        # told with every trial that ends.
        self.left_of = Counter(_cell(trial) for trial in self.trials)
        self.finished_of: Counter[tuple[str, str]] = Counter()
        self.seconds_of: dict[tuple[str, str], float] = defaultdict(float)
        self._live = Live(
            get_renderable=self._render, console=self.console, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def note(self, text: str) -> None:
        """Prints a line above the live ones."""
        self.console.print(text, style="yellow", highlight=False)

    def start(self, key: str, patience_seconds: float = math.inf) -> None:
        """A trial that runs from now on, and how long it may stand still."""
        now = time.monotonic()
        self.running[key] = Run(now, heard=now, patience_seconds=patience_seconds)
        self.most_running = max(self.most_running, len(self.running))

    def stop(self, key: str) -> None:
        """A trial that was interrupted and will be taken up again."""
        self.running.pop(key, None)

    def epoch(self, key: str, epoch: int, patience_seconds: float = math.inf) -> None:
        """A trial that is heard of, and how long it may stand still from now on."""
        if key in self.running:
            run = self.running[key]
            run.epoch, run.heard, run.patience_seconds = epoch, time.monotonic(), patience_seconds
            run.told_quiet = False

    def standing(self) -> dict[str, Running]:
        """The trials that run, by key, as the store is told of them. Any thread may ask."""
        return {key: Running(run.epoch, run.quiet_seconds()) for key, run in list(self.running.items())}

    def finish(self, key: str, told: str, failed: bool = False) -> None:
        """Counts a trial that ended. `told` is what its plain line says of it."""
        run = self.running.pop(key, None)
        if key not in self.left:
            return
        self.left.discard(key)
        trial = self.by_key[key]
        self.left_of[_cell(trial)] -= 1
        self.failed += failed
        self.done += not failed
        if run and not failed:
            self.finished_of[_cell(trial)] += 1
            self.seconds_of[_cell(trial)] += time.monotonic() - run.started
        if failed:
            self.note(f"failed: {trial}: {told}")
        elif not self.console.is_terminal:
            ended = self.done + self.failed
            text = f"[{ended}/{len(self.trials)}] {trial}: {told}; {self.time_left()} left"
            self.tell(text)

    def tell_if_due(self) -> None:
        """Says which trials have come to stand still; without a terminal, after a while, where all stands."""
        for key, run in self.running.items():
            seconds = run.quiet_seconds()
            if seconds is not None and not run.told_quiet:
                run.told_quiet = True
                self.note(f"{self.by_key[key]}: {standing_still(seconds)}")
        if self.console.is_terminal or time.monotonic() < self.told + TELL_SECONDS:
            return
        waiting = len(self.left) - len(self.running)
        counts = f"{len(self.running)} running, {self.done} done, {self.failed} failed, {waiting} waiting"
        self.tell(f"{counts}; {self.time_left()} left")

    def tell(self, line: str) -> None:
        """Prints a line, above the live ones where there are any."""
        self.told = time.monotonic()
        self.console.print(line, highlight=False, soft_wrap=True)

    def seconds_left(self) -> float | None:
        """From finished trials of the same data set and model, or of all; None while there are none."""
        if not self.finished_of:
            return None
        overall = sum(self.seconds_of.values()) / self.finished_of.total()
        means = {
            cell: self.seconds_of[cell] / self.finished_of[cell] if cell in self.finished_of else overall
            for cell in self.left_of
        }
        work = sum(number * means[cell] for cell, number in self.left_of.items())
        now = time.monotonic()
        for key, run in self.running.items():
            work -= min(means[_cell(self.by_key[key])], now - run.started)
        return work / self.most_running

    def time_left(self) -> str:
        seconds = self.seconds_left()
        return "?" if seconds is None else clock(seconds)

    def _render(self) -> RenderableType:
        ended, total = self.done + self.failed, len(self.trials)
        lines = Table.grid(padding=(0, 1))
        running = list(self.running.items())
        # On a cluster more trials run than a terminal has lines, and the overall bar must stay in sight.
        room = max(1, self.console.height - 3)
        shown = running if len(running) <= room else running[: room - 1]
        for key, run in shown:
            trial = self.by_key[key]
            epochs = trial.training.epochs
            bar = ProgressBar(total=epochs, completed=run.epoch, width=20)
            quiet = run.quiet_seconds()
            still = Text("" if quiet is None else standing_still(quiet), style="yellow")
            lines.add_row(Text(str(trial)), bar, Text(f"{run.epoch}/{epochs} epochs"), still)
        if len(shown) < len(running):
            lines.add_row(Text(f"and {len(running) - len(shown)} more", style="dim"))
        overall = Table.grid(padding=(0, 1))
        failed = Text(f"{self.failed} failed", style="bold red" if self.failed else "dim")
        earlier = f" ({self.already_done} before)" if self.already_done else ""
        overall.add_row(
            Text("all trials", style="bold"),
            ProgressBar(total=max(total, 1), completed=ended, width=30),
            Text(f"{self.done} done{earlier}"),
            failed,
            Text(f"{total - ended} left"),
            Text(f"{clock(time.monotonic() - self.started)} passed, {self.time_left()} to go", style="cyan"),
        )
        return Group(lines, overall)


def _cell(trial: Trial) -> tuple[str, str]:
    return trial.dataset.label, trial.model.label


def standing_still(seconds: float) -> str:
    return f"no batch for {clock(seconds)}"


def clock(seconds: float) -> str:
    """1:02:03 or 2:03, hours and minutes only where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
