"""Computes scores that rows lack, and evidence in tables, from stored logits; reads what was computed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.scoring.layer import FOLDER, Scorer, delete_outdated, filled
from results.scoring.rescoring import incomplete
from results.scoring.rescoring import rescore as compute
from results.scoring.scores import UNCALIBRATED, Score, chosen, temperature_by
from results.store.errors import StoreError
from results.store.store import Store
from results.tables.evaluations import on_test_set
from results.tables.evidence import predictions_in
from results.tables.kept_evidence import KeptEvidence
from results.tables.table import keep_evidence, needed, only
from results.wording import counted
from trainables import tasks
from trainables.catalogue import CALIBRATORS, METRICS
from trainables.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd


class MissingScoresError(ConfigurationError):
    """Neither the rows nor the layer have a score; `rescore` computes it.

    Args:
        missing: Number of trials that lack a score, by its scorer.
    """

    def __init__(self, missing: Mapping[Scorer, int]):
        self.metrics = tuple(dict.fromkeys(scorer.metric for scorer in missing))
        self.calibrators = tuple(dict.fromkeys(scorer.calibrator for scorer in missing))
        first, number = next(iter(missing.items()))
        under = "" if first.calibrator == UNCALIBRATED else f" after {first.calibrator}"
        super().__init__(
            f"no {first.metric}{under} for {counted(number, 'trial')}; compute it from the logits"
        )


@dataclass(frozen=True)
class Rescored:
    """Attributes:
    store: Its address.
    trials: Number of finished trials examined.
    complete: Number of those that lacked nothing.
    scores: Number of computed values, each for one trial, evaluation, metric and calibrator.
    undefined: Number of those for which the metric is undefined.
    without_class_counts: Number of trials, of earlier versions, without the class counts that scores need.
    failed: Reasons why evaluations could not be scored, by key.
    folder: Folder of the values.
    outdated: Number of its folders with scores or evidence of other code that were deleted.
    """

    store: str
    trials: int
    complete: int
    scores: int
    undefined: int
    without_class_counts: int
    failed: Mapping[str, str]
    folder: str
    outdated: int


def rescore(
    store: str,
    metrics: Sequence[str] = (),
    calibrators: Sequence[str] = (),
    sweep: str | None = None,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Rescored:
    """Computes the scores that neither the rows nor the layer have, and the evidence in their tables: noise
    floors and comparisons of losses. Rerun it to resume.

    Deletes from the layer the scores that other code computed for the same metrics and calibrators, and the
    evidence of other code.

    Args:
        metrics: Names of metrics (default: all).
        calibrators: Names of calibrators (default: 'none', the uncalibrated probabilities).
        sweep: Only the trials of this sweep.
        processes: Number of parallel processes (default: the cores available to this process).
        progress: Called after each trial with the number done and the total: first those that are scored,
            then all, for the evidence.

    Raises:
        ConfigurationError: A name does not exist.
        StoreError: The store cannot be read or written, or has no finished trial.
    """
    # `tables` imports this file, mostly without a sweep.
    from sweeps.expand import expected_frame, load

    # A sweep file may name plug-ins.
    loaded = load(sweep) if sweep else None
    trials = loaded.trials if loaded else None
    known = [name for name in METRICS.names() if METRICS[name].spec.task == tasks.DEFAULT]
    of_metrics = list(dict.fromkeys(metric.name for metric in chosen(metrics))) or known
    under = list(dict.fromkeys(calibrators)) or [UNCALIBRATED]
    for name in under:
        CALIBRATORS[name]
    for metric in chosen(of_metrics):
        if metric.task != tasks.DEFAULT:
            raise ConfigurationError(
                f"metric {metric.name!r} belongs to the task {metric.task!r}: only metrics of classification "
                "are computed from stored predictions."
            )
    opened = Store(store)
    opened.check_place()
    evaluations = opened.snapshot(trials).evaluations()
    if trials is not None:
        keys = set(expected_frame(trials)["key"])
        evaluations = evaluations[[key in keys for key in evaluations["key"]]]
    frame = only(evaluations, tasks.DEFAULT).reset_index(drop=True)
    number = len(on_test_set(frame))
    if len(evaluations) and not number:
        raise ConfigurationError(
            f"the store {store} has no finished trial of classification: those of other tasks "
            "cannot be rescored."
        )
    if not number:
        raise StoreError(
            f"no finished trial in the store {store}: run a sweep first, or choose another --store."
        )
    scorers = [Scorer(metric, calibrator) for calibrator in under for metric in of_metrics]
    missing = incomplete(opened, frame, scorers)
    done = compute(opened, missing, processes or len(os.sched_getaffinity(0)), progress)
    kept = KeptEvidence(opened.folder)
    scaled = [name for name in under if name != UNCALIBRATED]
    for by in scaled or [temperature_by(loaded.temperature_criterion if loaded else "ece")]:
        whole = filled(opened.folder, frame, needed(of_metrics, by))
        absent = {scorer.metric for scorer in whole.missing}
        # Tables that are refused, such as with two trials of one seed, need no evidence.
        with contextlib.suppress(ConfigurationError):
            keep_evidence(
                whole.frame,
                None if trials is None else expected_frame(trials),
                by,
                [name for name in of_metrics if name not in absent],
                predictions_in(opened, frame),
                kept,
                lambda finished: progress(finished, number),
            )
    kept.delete_outdated()
    return Rescored(
        store,
        number,
        number - len(missing),
        done.scores,
        done.undefined,
        done.without_class_counts,
        done.failed,
        opened.folder.name(FOLDER),
        delete_outdated(opened.folder, scorers) + kept.outdated,
    )


def with_scores(
    store: Store, frame: pd.DataFrame, scores: Iterable[Score], keys: Collection[str] | None = None
) -> pd.DataFrame:
    """Fills scores that rows lack from the layer.

    Args:
        frame: From `Snapshot.evaluations()`.
        keys: Keys of the evaluations that need scores; None for all.

    Raises:
        MissingScoresError: Neither has a score.
        StoreError: The store cannot be read.
    """
    found = filled(store.folder, frame, scores, keys)
    if not found.missing:
        return found.frame
    raise MissingScoresError(found.missing)
