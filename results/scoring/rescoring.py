"""Computes the layer of derived scores (`layer.py`): finds missing ones, and scores trials in parallel."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from results.scoring import layer
from results.scoring.layer import EVALUATIONS, Line, Scorer
from results.store.address import Address
from results.store.errors import StoreError
from results.store.store import Store
from trainables.errors import ConfigurationError, InputError
from trainables.registry.plugins import PLUGINS, Plugin

if TYPE_CHECKING:
    import pandas as pd

ALONE_SECONDS = 5.0
"""Starting processes takes longer than scoring for this long."""

KEPT_SECONDS = 10.0
"""Interval between writes: a kill loses no more than that."""


@dataclass(frozen=True)
class Due:
    """The missing scores of a trial."""

    address: Address
    predictions_digest: str
    scorers: tuple[Scorer, ...]


@dataclass
class Computed:
    """The result of rescoring.

    Attributes:
        scores: Number of computed values, each for one trial, scorer and evaluation.
        undefined: How many of them are NaN.
        failed: Why a trial could not be scored, by key.
    """

    scores: int = 0
    undefined: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def due(store: Store, frame: pd.DataFrame, scorers: Iterable[Scorer]) -> list[Due]:
    """The scores that are neither in the trials' rows nor in the layer.

    Args:
        frame: From `Snapshot.trials()`.

    Raises:
        StoreError: The store cannot be read.
    """
    lacking: dict[int, list[Scorer]] = defaultdict(list)
    for scorer in scorers:
        in_rows = [frame[c].tolist() for e in EVALUATIONS if (c := scorer.score(e).column) in frame]
        kept = layer.read(store.folder, scorer)
        for number, place in enumerate(zip(frame["key"], frame["predictions_digest"], strict=True)):
            in_row = len(in_rows) == len(EVALUATIONS) and all(c[number] == c[number] for c in in_rows)
            if not in_row and not all((*place, each) in kept for each in EVALUATIONS):
                lacking[number].append(scorer)
    names = ("dataset", "model", "loss", "key")
    return [
        Due(
            Address(*(str(frame[name][number]) for name in names)),
            str(frame["predictions_digest"][number]),
            tuple(of_trial),
        )
        for number, of_trial in sorted(lacking.items())
    ]


def rescore(
    store: Store, trials: Sequence[Due], processes: int, progress: Callable[[int, int], object]
) -> Computed:
    """Computes missing scores and writes them, every few seconds and at the end, even after an error.

    Raises:
        StoreError: The store cannot be written, or a process was killed.
    """
    done = Computed()
    waiting: dict[Scorer, list[Line]] = defaultdict(list)
    touched = dict.fromkeys(scorer for each in trials for scorer in each.scorers)

    def keep() -> None:
        for scorer in list(waiting):
            layer.write(store.folder, scorer, waiting.pop(scorer))

    last = time.monotonic()
    try:
        for number, (each, found) in enumerate(_scored(store, trials, processes), 1):
            if isinstance(found, str):
                done.failed[each.address.key] = found
            else:
                for scorer, lines in found.items():
                    waiting[scorer] += lines
                    done.scores += len(lines)
                    done.undefined += sum(line.value != line.value for line in lines)
            if time.monotonic() - last > KEPT_SECONDS:
                keep()
                last = time.monotonic()
            progress(number, len(trials))
    finally:
        keep()
    for scorer in touched:
        layer.merge(store.folder, scorer)
    return done


Found = dict[Scorer, list[Line]] | str
"""The scores of a trial, or the reason for their absence."""


def _scored(store: Store, trials: Sequence[Due], processes: int) -> Iterator[tuple[Due, Found]]:
    """Yields each trial with its scores, in the order of completion."""
    begun = time.monotonic()
    rest = list(trials)
    with _one_thread():
        while rest and (processes < 2 or len(rest) < 2 or time.monotonic() - begun < ALONE_SECONDS):
            each = rest.pop(0)
            yield each, _attempt(store, each)
    if not rest:
        return
    pool = concurrent.futures.ProcessPoolExecutor(
        min(processes, len(rest)), multiprocessing.get_context("spawn"), _start, (store.uri, PLUGINS.files)
    )
    try:
        futures = {pool.submit(_in_process, each): each for each in rest}
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise StoreError(
            "a process that computed scores was killed, perhaps for memory: run the same command again, with "
            "fewer --processes. What was computed is kept."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Uses one thread, like the processes of the pool, so that sums have the same last digit everywhere."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _start(uri: str, plugins: tuple[Plugin, ...]) -> None:
    # Ctrl-C is meant for the parent process, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    PLUGINS.install(plugins)
    _opened.append(Store(uri))


_opened: list[Store] = []
"""In a process of the pool: its store."""


def _in_process(each: Due) -> Found:
    return _attempt(_opened[0], each)


def _attempt(store: Store, each: Due) -> Found:
    try:
        return scores(store, each)
    except StoreError as error:
        return str(error)


def scores(store: Store, each: Due) -> dict[Scorer, list[Line]]:
    """The missing scores of a trial, from its stored logits. NaN if undefined.

    Raises:
        StoreError: Logits are missing or damaged, or the predictions are not for classification.
    """
    import torch

    from results.scoring.commit import task_of, tensors
    from trainables.calibrators import fit
    from trainables.metrics import compute
    from trainables.tasks.classification import Classification

    predictions = store.predictions(each.address)
    try:
        task = task_of(predictions)
    except ConfigurationError as error:
        # Other trials do not need the plug-in.
        raise StoreError(str(error)) from error
    if not isinstance(task, Classification):
        raise StoreError("its task has no logits of classes, which metrics and calibrators are for.")
    parts = {evaluation: tensors(predictions, evaluation) for evaluation in EVALUATIONS}
    by_calibrator: dict[str, list[Scorer]] = defaultdict(list)
    for scorer in each.scorers:
        by_calibrator[scorer.calibrator].append(scorer)
    found: dict[Scorer, list[Line]] = {}
    for calibrator, scorers in by_calibrator.items():
        fitted: Any = None
        with contextlib.suppress(InputError), torch.random.fork_rng(devices=[]):
            # Fits that use random numbers must be reproducible.
            torch.manual_seed(0)
            fitted = fit(calibrator, *parts["validation"])
        for evaluation, (logits, labels) in parts.items():
            probabilities = None if fitted is None else fitted.log_probabilities(logits).exp()
            for scorer in scorers:
                value = float("nan")
                if probabilities is not None:
                    with contextlib.suppress(InputError):
                        value = compute(scorer.metric, probabilities, labels)
                line = Line(each.address.key, each.predictions_digest, evaluation, value)
                found.setdefault(scorer, []).append(line)
    return found


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
