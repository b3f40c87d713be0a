"""Trains one trial in this process, without Ray."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sweeps.spec import Overrides, read_overrides, selected
from trainables import computed, tasks
from trainables.builds import check_builds_for
from trainables.catalogue import DATASETS, LOSSES, MODELS, SAMPLERS
from trainables.errors import ConfigurationError
from trainables.process_state.state import ProcessState
from trainables.resolve import resolve
from trainables.training import memory
from trainables.training.curves import Curves
from trainables.training.result import TrialResult
from trainables.training.run import load_dataset, run_trial
from trainables.trial import Trial


@dataclass(frozen=True)
class FinishedTrial:
    """Attributes:
    trial: Its name in tables and messages.
    key: Its key in a store.
    identity: The input of the key's digest: every component, parameter and setting.
    epochs: The learning curves, one mapping per epoch.
    scores: Of the test part, named as by `evaluate`, in fractions and nats.
    committed: Whether it was committed; False without a store, or if the store already has a result.
    unusable_checkpoints: Checkpoints of the store that could not be used, with reasons.
    """

    trial: str
    key: str
    identity: Mapping[str, Any]
    epochs: tuple[Curves, ...]
    scores: dict[str, float]
    committed: bool
    unusable_checkpoints: tuple[str, ...]


def trial(
    dataset: str,
    model: str,
    loss: str,
    seed: int = 0,
    *,
    sampler: str = "natural",
    protocol: str = "mukhoti2020",
    overrides: Sequence[str] = (),
    data: Path | None = None,
    store: str | None = None,
    on_start: Callable[[Trial], object] = lambda trial: None,
    on_epoch: Callable[[Trial, int, Curves], None] = lambda trial, epoch, curves: None,
    warn: Callable[[str], object] | None = None,
) -> FinishedTrial:
    """Trains one trial, from its checkpoint if the store has one, and commits it to the store.

    Args:
        dataset: As in a sweep file: 'digits', or 'digits: {training_samples: 600}'.
        model: Likewise.
        loss: Likewise: 'focal: {gamma: 2}'.
        sampler: Likewise.
        overrides: Settings as for `--set`: 'training.epochs=3'.
        data: The folder of the data sets (default: ~/.cache/calibsweep/data).
        store: Without a store, nothing is kept.
        on_start: Called before the first epoch.
        on_epoch: Called after each epoch with its number (from 0) and its curves.
        warn: Called with a line if a file of the store cannot be deleted. By default the line is logged.

    Raises:
        ConfigurationError: A name, parameter or setting does not exist or does not fit.
        DataError: The data set is missing or damaged.
        StoreError: The store cannot be written.
    """
    changes = read_overrides(list(overrides))
    _check_fit(changes, store)
    resolved = resolve(
        selected(DATASETS, dataset, "--dataset"),
        selected(MODELS, model, "--model"),
        selected(LOSSES, loss, "--loss"),
        seed,
        changes.protocol or protocol,
        changes.training,
        sampler=selected(SAMPLERS, sampler, "--sampler"),
    )
    check_builds_for([resolved.model])
    # One thread, as in a sweep: rounding may depend on the number of threads.
    torch.set_num_threads(1)
    memory.use_large_pages()
    kept = _Kept(store, warn) if store else None
    on_start(resolved)
    checkpoints = kept.checkpoints if kept else None
    every = changes.run.checkpoint_every if kept else None
    process = ProcessState()
    process.begin()
    result = run_trial(
        resolved,
        root=data,
        checkpoints=checkpoints,
        checkpoint_every=every,
        on_epoch=lambda epoch, curves: on_epoch(resolved, epoch, curves),
    )
    unusable = tuple(kept.checkpoints.passed_over) if kept else ()
    scores = tasks.build(tasks.name_of(resolved.dataset.name)).scores(result.validation, result.test)
    committed = False
    if kept:
        dataset_again = load_dataset(resolved, data, computed.CPU)
        committed = kept.commit(result, computed.numbers(resolved, dataset_again, clean=process.end))
    return FinishedTrial(
        str(resolved), resolved.key, resolved.identity(), tuple(result.epochs), scores, committed, unusable
    )


def _check_fit(changes: Overrides, store: str | None) -> None:
    """Raises ConfigurationError for a setting without effect on a single trial."""
    if changes.seeds:
        raise ConfigurationError("--set seeds: a trial has one seed: use --seed.")
    used = {"checkpoint_every"} if store else set()
    for name in sorted(changes.run.model_fields_set - used):
        reason = "checkpoints need a --store" if name == "checkpoint_every" else "it applies to sweeps"
        raise ConfigurationError(f"--set run.{name}: no effect here, {reason}.")


class _Kept:
    """The store of a trial. Modules for stores are imported only if there is one.

    Raises:
        StoreError: The store cannot be written.
    """

    def __init__(self, uri: str, warn: Callable[[str], object] | None):
        from results.store.checkpoints import StoredCheckpoints
        from results.store.store import Store

        self.store = Store(uri)
        self.store.folder.check_writable()
        if warn is not None:
            self.store.tidying.warn = warn
        self.checkpoints = StoredCheckpoints(self.store)

    def commit(self, result: TrialResult, made_by: Mapping[str, Sequence[float]]) -> bool:
        from results.scoring.commit import commit_result
        from results.store import provenance

        source = provenance.of_trial(result.trial, provenance.source_commit(), made_by)
        committed = commit_result(self.store, result, source)
        self.checkpoints.delete(result.trial.key)
        return committed
