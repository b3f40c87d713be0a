"""`calibsweep trial`: one trial in this process, no Ray."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console

from results import provenance
from results.checkpoints import StoredCheckpoints
from results.rescore import commit_result, predictions_table, score_predictions
from results.scores import SCORES
from results.store import Store
from sweeps.spec import read_overrides, selected
from trainables.builds import check_builds_for
from trainables.catalogue import DATASETS, LOSSES, MODELS
from trainables.curves import Curves
from trainables.training import run_trial
from trainables.trial import resolve


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
    trial = resolve(
        selected(DATASETS, dataset, "--dataset"),
        selected(MODELS, model, "--model"),
        selected(LOSSES, loss, "--loss"),
        seed,
        changes.protocol or protocol,
        changes.training,
    )
    check_builds_for([trial])
    # One thread, as in a sweep: rounding may depend on the number of threads.
    torch.set_num_threads(1)
    store = Store(uri) if uri else None
    if store:
        store.folder.check_writable()
    console.print(f"{trial} (trial {trial.key})", highlight=False, soft_wrap=True)

    def told(epoch: int, curves: Curves) -> None:
        console.print(
            f"epoch {epoch + 1}/{trial.training.epochs}: training loss {curves['train_loss']:.4f}, "
            f"validation error {curves['validation_error']:.2%}, test error {curves['test_error']:.2%}, "
            f"test ECE {curves['test_ece']:.2%}",
            highlight=False,
            soft_wrap=True,
        )

    checkpoints = StoredCheckpoints(store) if store else None
    every = changes.run.checkpoint_every if store else None
    result = run_trial(trial, root=data, checkpoints=checkpoints, checkpoint_every=every, on_epoch=told)
    scores = score_predictions(predictions_table(result.validation, result.test))
    for score in SCORES.values():
        before = scores[score.column("before", "ece")]
        after = scores[score.column("after", "ece")] if score.scaled else before
        scaled = f"  after scaling with T = {scores['temperature_ece']:.1f}: {score.printed(after)}"
        line = f"{score.title:>14} {score.printed(before):>7} {score.printed_unit}"
        console.print(line + (scaled if score.scaled else ""), highlight=False)
    if store:
        commit_result(store, result, provenance.of_trial(trial, provenance.source_commit()))
        StoredCheckpoints(store).delete(trial.key)
