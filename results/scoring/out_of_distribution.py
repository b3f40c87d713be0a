"""Tables for data sets out of distribution, from the stored predictions of trials alone.

AUROC of the test set against each other set, as in Figure 6 of Ghosh et al., 'AdaFocal' (NeurIPS 2022), and,
if the other set is the corrupted test set, calibration and error by severity. Corruptions of one severity are
first averaged within each trial.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from results.scoring.scores import SEPARATION, criteria
from results.store.scored_sets import scored_key
from results.tables import names
from results.tables import table as tables
from results.tables.layout import Table
from results.tables.statistics import CELL
from trainables.trial import Trial

AVERAGED = "corruption"
"""The parameter of a set over which its scores are averaged."""

SHIFTED = ("ece", "error")
"""Scores on a corrupted test set, whose labels are those of the network."""


def build(
    scored: pd.DataFrame, trials: Iterable[Trial] | None = None, calibrator: str = "temperature_ece"
) -> list[Table]:
    """AUROC by two detectors and, for corrupted test sets, ECE and error; no tables without any scores.

    Args:
        scored: From `scored_sets.frame()`.
        trials: Those of a sweep: others are ignored, and unfinished ones are shown as missing.
    """
    expected = None if trials is None else _expected(trials)
    if expected is not None:
        scored = scored[scored["key"].isin(set(expected["key"]))]
    if scored.empty:
        return []
    against = _rows(scored, expected, "{dataset} against {other}")
    built = _tables(against, calibrator, tuple(SEPARATION), "the test set against other data")
    if "test_ece" in scored:
        labelled = scored[scored["test_ece"].notna()]
        if len(labelled):
            known = None if expected is None else expected[expected["scored_on"].isin(labelled["scored_on"])]
            on = _rows(labelled, known, "{other}, trained on {dataset}")
            built += _tables(on, calibrator, SHIFTED, "the test set corrupted")
    return built


def _tables(
    frames: tuple[pd.DataFrame, pd.DataFrame | None], calibrator: str, metrics: tuple[str, ...], data: str
) -> list[Table]:
    built = tables.build(*frames, calibrator, metrics, data)
    averaged = any(AVERAGED in json.loads(text)["params"] for text in frames[0]["scored_on_identity"])
    note = f" Of each trial the mean over each severity's {AVERAGED}s." if averaged else ""
    return [
        replace(
            table,
            metric=replace(table.metric, title=f"{table.metric.title}, {data}"),
            caption=table.caption + note,
        )
        for table in built
    ]


def _expected(trials: Iterable[Trial]) -> pd.DataFrame:
    rows = [
        {
            "key": scored_key(trial.key, other),
            "trial_key": trial.key,
            "variant": trial.variant,
            "dataset": trial.dataset.label,
            "model": trial.model.label,
            "loss": trial.loss.label,
            "seed": trial.seed,
            "identity": json.dumps(trial.identity()),
            "scored_on": other.label,
            "scored_on_identity": json.dumps(other.identity()),
        }
        for trial in trials
        for other in trial.score_on
    ]
    columns = ["key", "trial_key", *CELL, "seed", "identity", "scored_on", "scored_on_identity"]
    return pd.DataFrame(rows, columns=columns)


def _rows(
    scored: pd.DataFrame, expected: pd.DataFrame | None, form: str
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Both frames with one row per trial and group of sets; the group replaces the data set."""
    sizes = None if expected is None else _grouped(expected, form).groupby("key").size()
    found = _grouped(scored, form)
    if sizes is not None:
        # A mean over only some of the corruptions would be misleading.
        complete = found.groupby("key").size().eq(sizes)
        found = found[found["key"].map(complete).fillna(False).astype(bool)]
    numbers = [name for name in found.columns if name.startswith("test_")]
    others = ["trial_key", *CELL, "seed", "identity", "scored_on_identity"]
    groups = found.groupby("key", sort=False)
    means = groups[numbers].mean().join(groups[others].first()).reset_index()
    # Temperatures belong to the trial, and are printed with its own scores.
    means = means.assign(**{f"temperature_{name}": float("nan") for name in criteria()})
    if expected is None:
        return means, None
    return means, _grouped(expected, form).drop_duplicates("key")


def _grouped(frame: pd.DataFrame, form: str) -> pd.DataFrame:
    groups = [_group(json.loads(identity)) for identity in frame["scored_on_identity"]]
    labels = [
        form.format(dataset=names.dataset(dataset), other=group)
        for dataset, group in zip(frame["dataset"], groups, strict=True)
    ]
    keys = [f"{key}-{group}" for key, group in zip(frame["trial_key"], groups, strict=True)]
    return frame.assign(dataset=labels, key=keys)


def _group(identity: Mapping[str, Any]) -> str:
    """'SVHN'; 'CIFAR-10-C, severity 3' for each of its corruptions."""
    params = {name: value for name, value in identity["params"].items() if name != AVERAGED}
    parts = [f"{name} {value}" for name, value in params.items()]
    return ", ".join([names.dataset(identity["name"]), *parts])
