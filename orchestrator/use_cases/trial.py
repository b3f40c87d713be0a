"""`calibsweep trial`: one trial in this process, no Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from orchestrator.screen.scores_table import print_scores
from sweeps.spec import Overrides, read_overrides, selected
from trainables import computed
from trainables.builds import check_builds_for
from trainables.calibration import evaluate
from trainables.catalogue import DATASETS, LOSSES, MODELS
from trainables.errors import ConfigurationError
from trainables.process_state.state import ProcessState
from trainables.resolve import resolve
from trainables.training.curves import Curves
from trainables.training.result import TrialResult
from trainables.training.run import load_dataset, run_trial


def run(
    dataset: str,
    model: str,
    loss: str,
    seed: int,
    protocol: str,
    overrides: list[str],
    data: Path | None,
    uri: str | None,
    console: Console,
) -> None:
    """Trains one trial, printing each epoch and the scores at the end; commits it if there is a store."""
    changes = read_overrides(overrides)
    _check_fit(changes, uri)
    trial = resolve(
        selected(DATASETS, dataset, "--dataset"),
        selected(MODELS, model, "--model"),
        selected(LOSSES, loss, "--loss"),
        seed,
        changes.protocol or protocol,
        changes.training,
    )
    check_builds_for([trial.model])
    # One thread, as in a sweep: rounding may depend on the number of threads.
    torch.set_num_threads(1)
    kept = _Kept(uri, console) if uri else None
    console.print(f"{trial} (trial {trial.key})", highlight=False, soft_wrap=True)

    def told(epoch: int, curves: Curves) -> None:
        console.print(
            f"epoch {epoch + 1}/{trial.training.epochs}: training loss {curves['train_loss']:.4f}, "
            f"validation error {curves['validation_error']:.2%}, test error {curves['test_error']:.2%}, "
            f"test ECE {curves['test_ece']:.2%}",
            highlight=False,
            soft_wrap=True,
        )

    checkpoints = kept.checkpoints if kept else None
    every = changes.run.checkpoint_every if kept else None
    process = ProcessState()
    process.begin()
    result = run_trial(trial, root=data, checkpoints=checkpoints, checkpoint_every=every, on_epoch=told)
    for line in kept.checkpoints.passed_over if kept else ():
        console.print(f"A checkpoint could not be used, {line}.", style="warning", soft_wrap=True)
    validation, test = result.validation, result.test
    scores = evaluate(validation.logits, validation.labels, test.logits, test.labels)
    console.print("test part", style="bold")
    print_scores(scores, console)
    if kept:
        dataset_again = load_dataset(trial, data, computed.CPU)
        if not kept.commit(result, computed.numbers(trial, dataset_again, clean=process.end)):
            line = "Not kept: the store has a result of this trial, which stands."
            console.print(line, style="warning", highlight=False)


def _check_fit(changes: Overrides, uri: str | None) -> None:
    """Raises ConfigurationError for a setting of a sweep that changes nothing here."""
    if changes.seeds:
        raise ConfigurationError("--set seeds: a trial has one seed: give it as --seed.")
    used = {"checkpoint_every"} if uri else set()
    for name in sorted(changes.run.model_fields_set - used):
        what = "checkpoints are kept in a --store" if name == "checkpoint_every" else "it is about sweeps"
        raise ConfigurationError(f"--set run.{name}: changes nothing here: {what}.")


class _Kept:
    """The store of a trial that is kept. What a store needs is imported where there is one.

    Raises:
        StoreError: It cannot be written.
    """

    def __init__(self, uri: str, console: Console):
        from results.store.checkpoints import StoredCheckpoints
        from results.store.store import Store

        self.store = Store(uri)
        self.store.folder.check_writable()
        self.store.tidying.tell = partial(console.print, style="warning", soft_wrap=True)
        self.checkpoints = StoredCheckpoints(self.store)

    def commit(self, result: TrialResult, made_by: Mapping[str, Sequence[float]]) -> bool:
        from results.scoring.commit import commit_result
        from results.store import provenance

        source = provenance.of_trial(result.trial, provenance.source_commit(), made_by)
        committed = commit_result(self.store, result, source)
        self.checkpoints.delete(result.trial.key)
        return committed
