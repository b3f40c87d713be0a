"""Computes the layer of derived scores (`layer.py`): finds missing ones, and scores trials in parallel."""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import multiprocessing
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from results.scoring import layer
from results.scoring.layer import OWN, Line, Scorer
from results.scoring.scores import UNCALIBRATED
from results.store.address import TEST, Address
from results.store.errors import StoreError
from results.store.store import Store
from trainables.catalogue import LOSSES
from trainables.errors import ConfigurationError, InputError
from trainables.registry.plugins import PLUGINS, Plugin

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from torch import Tensor

ALONE_SECONDS = 5.0
"""Starting processes takes longer than scoring for this long."""

KEPT_SECONDS = 10.0
"""Interval between writes: a kill loses no more than that."""


@dataclass(frozen=True)
class Missing:
    """The missing scores of an evaluation.

    Attributes:
        evaluation: 'test' for both parts of the trial's own data, or the label of another data set.
        digest: From `layer.digests_of`.
    """

    address: Address
    evaluation: str
    digest: str
    scorers: tuple[Scorer, ...]


@dataclass(frozen=True)
class Incomplete:
    """A trial with missing scores."""

    address: Address
    missing: tuple[Missing, ...]


@dataclass
class Computed:
    """The result of rescoring.

    Attributes:
        scores: Number of computed values, each for one trial, scorer and evaluation.
        undefined: How many of them are NaN.
        without_class_counts: Number of trials without the class counts that some of their scores need.
        failed: Why an evaluation could not be scored, by key.
    """

    scores: int = 0
    undefined: int = 0
    without_class_counts: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def incomplete(store: Store, frame: pd.DataFrame, scorers: Iterable[Scorer]) -> list[Incomplete]:
    """The trials with scores that are neither in the rows nor in the layer.

    On the test set and the validation part, metrics against the test set are undefined; on data whose classes
    are not those of the network, all others are.

    Args:
        frame: From `Snapshot.evaluations()`.

    Raises:
        StoreError: The store cannot be read.
    """
    missing: dict[int, list[Scorer]] = defaultdict(list)
    own = [key == trial for key, trial in zip(frame["key"], frame["trial_key"], strict=True)]
    digests = layer.digests_of(frame)
    labelled = frame["test_error"].notna().tolist() if "test_error" in frame else [False] * len(frame)
    for scorer in scorers:
        in_rows = {each: frame[c].tolist() for each in OWN if (c := scorer.score(each).column) in frame}
        kept = layer.read(store.folder, scorer)
        for number, place in enumerate(zip(frame["key"], digests, frame["evaluation"], strict=True)):
            defined = not own[number] if scorer.against_test else own[number] or labelled[number]
            if not defined:
                continue
            parts = OWN if own[number] else (TEST,)
            in_row = all(each in in_rows and not math.isnan(in_rows[each][number]) for each in parts)
            evaluations = OWN if own[number] else (place[2],)
            if not in_row and not all((*place[:2], each) in kept for each in evaluations):
                missing[number].append(scorer)
    names = ("dataset", "model", "loss", "key")
    by_trial: dict[Address, list[Missing]] = defaultdict(list)
    for number, of_evaluation in sorted(missing.items()):
        address = Address(*(str(frame[name][number]) for name in names))
        evaluation = str(frame["evaluation"][number])
        by_trial[address.trial].append(Missing(address, evaluation, digests[number], tuple(of_evaluation)))
    return [Incomplete(address, tuple(of_trial)) for address, of_trial in by_trial.items()]


def rescore(
    store: Store, trials: Sequence[Incomplete], processes: int, progress: Callable[[int, int], object]
) -> Computed:
    """Computes missing scores and writes them, every few seconds and at the end, even after an error.

    Raises:
        StoreError: The store cannot be written, or a process was killed.
    """
    done = Computed()
    waiting: dict[Scorer, list[Line]] = defaultdict(list)
    touched = dict.fromkeys(s for each in trials for of in each.missing for s in of.scorers)

    def keep() -> None:
        for scorer in list(waiting):
            layer.write(store.folder, scorer, waiting.pop(scorer))

    last = time.monotonic()
    try:
        for number, found in enumerate(_all_scores(store, trials, processes), 1):
            done.failed |= found.failed
            done.without_class_counts += found.without_class_counts
            for scorer, lines in found.lines.items():
                waiting[scorer] += lines
                done.scores += len(lines)
                done.undefined += sum(math.isnan(line.value) for line in lines)
            if time.monotonic() - last > KEPT_SECONDS:
                keep()
                last = time.monotonic()
            progress(number, len(trials))
    finally:
        keep()
    for scorer in touched:
        layer.merge(store.folder, scorer)
    return done


@dataclass
class Found:
    """The scores of a trial by scorer, and reasons for their absence by the key of an evaluation.

    Attributes:
        without_class_counts: Whether some of them need class counts that the trial lacks.
    """

    lines: dict[Scorer, list[Line]] = field(default_factory=lambda: defaultdict(list))
    without_class_counts: bool = False
    failed: dict[str, str] = field(default_factory=dict)


def _all_scores(store: Store, trials: Sequence[Incomplete], processes: int) -> Iterator[Found]:
    """Yields the scores of each trial, in the order of completion."""
    begun = time.monotonic()
    rest = list(trials)
    with one_thread():
        while rest and (processes < 2 or len(rest) < 2 or time.monotonic() - begun < ALONE_SECONDS):
            yield scores(store, rest.pop(0))
    if not rest:
        return
    pool = concurrent.futures.ProcessPoolExecutor(
        min(processes, len(rest)), multiprocessing.get_context("spawn"), _start, (store.uri, PLUGINS.files)
    )
    try:
        for future in concurrent.futures.as_completed(pool.submit(_in_process, each) for each in rest):
            yield future.result()
    except BrokenProcessPool as error:
        raise StoreError(
            "a scoring process was killed, perhaps out of memory: run the same command again with fewer "
            "--processes. Computed scores are kept."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
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


def _in_process(each: Incomplete) -> Found:
    return scores(_opened[0], each)


def scores(store: Store, trial: Incomplete) -> Found:
    """The missing scores of a trial, from its stored logits. NaN if undefined.

    Without the trial's own predictions, none of its evaluations can be scored.
    """
    from results.scoring.class_counts import class_counts
    from results.scoring.commit import tensors

    found = Found()
    try:
        own = _predictions(store, trial.address)
    except StoreError as error:
        found.failed = {each.address.key: str(error) for each in trial.missing}
        return found
    parts = {each: tensors(own, each) for each in OWN}
    counts = class_counts(own)
    sigmoids = _has_sigmoids(trial.address.loss)
    calibrators = _Calibrators(*parts["validation"], parts[TEST][0], counts, sigmoids)
    scorers = (scorer for each in trial.missing for scorer in each.scorers)
    found.without_class_counts = counts is None and any(scorer.needs_class_counts for scorer in scorers)
    for each in trial.missing:
        if each.evaluation == TEST:
            for evaluation, (logits, labels) in parts.items():
                _add(found, each, evaluation, calibrators, logits, labels)
            continue
        try:
            logits, labels = tensors(_predictions(store, each.address))
        except StoreError as error:
            found.failed[each.address.key] = str(error)
            continue
        _add(found, each, each.evaluation, calibrators, logits, labels)
    return found


def _add(
    found: Found,
    missing: Missing,
    evaluation: str,
    calibrators: _Calibrators,
    logits: Tensor,
    labels: Tensor,
) -> None:
    """Adds the scores of predictions, logits [N, K] and labels [N]."""
    from trainables.metrics import compute

    for calibrator, scorers in groupby(missing.scorers, lambda scorer: scorer.calibrator):
        probabilities = calibrators.probabilities(calibrator, logits)
        for scorer in scorers:
            test = calibrators.on_test_set(calibrator) if scorer.against_test else None
            value = float("nan")
            scored = probabilities
            if scorer.one_vs_all and calibrator == UNCALIBRATED and calibrators.sigmoids is not False:
                # Of an unknown loss it cannot be told whether they are sigmoids.
                scored = logits.double().exp() if calibrators.sigmoids else None
            if scored is not None:
                with contextlib.suppress(InputError):
                    value = compute(
                        scorer.metric,
                        scored,
                        labels,
                        test_probabilities=test,
                        class_counts=calibrators.class_counts,
                    )
            found.lines[scorer].append(Line(missing.address.key, missing.digest, evaluation, value))


def _has_sigmoids(loss: str) -> bool | None:
    """Whether the logits of a loss are the logarithms of sigmoids; None if it is unknown here.

    Args:
        loss: Its label.
    """
    with contextlib.suppress(ConfigurationError):
        return LOSSES[loss.partition("(")[0]].spec.sigmoids
    return None


class _Calibrators:
    """The calibrators of a trial, each fitted once to its validation data.

    Args:
        logits: [N, K], on the validation part, with labels [N].
        test_logits: [M, K], on the test set.
        class_counts: Of its training part, [K]; None if unknown.
        sigmoids: From `_has_sigmoids`.
    """

    def __init__(
        self,
        logits: Tensor,
        labels: Tensor,
        test_logits: Tensor,
        class_counts: Sequence[int] | None,
        sigmoids: bool | None,
    ):
        self.validation, self.test_logits = (logits, labels), test_logits
        self.class_counts, self.sigmoids = class_counts, sigmoids
        self._fitted: dict[str, Any] = {}
        self._on_test_set: dict[str, Tensor | None] = {}

    def on_test_set(self, calibrator: str) -> Tensor | None:
        """Calibrated probabilities on the test set, as from `probabilities`."""
        if calibrator not in self._on_test_set:
            self._on_test_set[calibrator] = self.probabilities(calibrator, self.test_logits)
        return self._on_test_set[calibrator]

    def probabilities(self, calibrator: str, logits: Tensor) -> Tensor | None:
        """Calibrated probabilities of logits [M, K]; None if the calibrator cannot be fitted."""
        if calibrator not in self._fitted:
            self._fitted[calibrator] = self._fit(calibrator)
        fitted = self._fitted[calibrator]
        return None if fitted is None else fitted.log_probabilities(logits).exp()

    def _fit(self, calibrator: str) -> Any:
        from trainables.calibrators import fit

        with contextlib.suppress(InputError):
            return fit(calibrator, *self.validation, class_counts=self.class_counts)
        return None


def _predictions(store: Store, address: Address) -> pa.Table:
    """Predictions for classification.

    Raises:
        StoreError: They are missing or damaged, or for another task.
    """
    from results.scoring.commit import task_of
    from trainables.tasks.classification import Classification

    predictions = store.predictions(address)
    try:
        task = task_of(predictions)
    except ConfigurationError as error:
        # Other trials do not need the plug-in.
        raise StoreError(str(error)) from error
    if not isinstance(task, Classification):
        raise StoreError("its task has no class logits, which metrics and calibrators need.")
    return predictions


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
