"""Prints the progress and scores of one trial."""

from __future__ import annotations

from rich.console import Console

from orchestrator.screen.scores_table import print_scores
from orchestrator.use_cases.trial import FinishedTrial
from trainables import tasks
from trainables.training.curves import Curves
from trainables.trial import Trial


def print_start(console: Console, trial: Trial) -> None:
    console.print(f"{trial} (trial {trial.key})", highlight=False, soft_wrap=True)


def print_epoch(console: Console, trial: Trial, epoch: int, curves: Curves) -> None:
    task = tasks.build(tasks.name_of(trial.dataset.name))
    parts = [f"training loss {curves['train_loss']:.4f}"]
    for part in ("validation", "test"):
        parts += [f"{part} {name} {value:.2%}" for name, value in task.summary(curves, part).items()]
    line = f"epoch {epoch + 1}/{trial.training.epochs}: {', '.join(parts)}"
    console.print(line, highlight=False, soft_wrap=True)


def print_finished(console: Console, finished: FinishedTrial, kept: bool) -> None:
    """Prints the scores of the test part.

    Args:
        kept: Whether the result was meant for a store.
    """
    for line in finished.unusable_checkpoints:
        console.print(f"Unusable checkpoint, {line}.", style="warning", soft_wrap=True)
    console.print("test part", style="bold")
    print_scores(finished.scores, console)
    if kept and not finished.committed:
        line = "Not committed: the store already has a result of this trial."
        console.print(line, style="warning", highlight=False)
