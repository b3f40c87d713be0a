"""The parts of tables: evaluations on the test set, on other data against it, and on the corrupted test set.

A metric marked `against_test` compares the predictions on other data with those on the test set, as in
Figure 6 of Ghosh et al., 'AdaFocal' (NeurIPS 2022). The other metrics measure predictions on the test set
and, if its labels are known there, on a corrupted one, by severity. Corruptions of one severity are first
averaged within each trial.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from results.scoring.scores import criteria
from results.store.address import TEST
from results.tables import names
from results.tables.layout import TEST_SET, Table
from results.tables.statistics import CELL
from trainables.catalogue import METRICS
from trainables.metrics import parsed

AVERAGED = "corruption"
"""The parameter of a data set over which its scores are averaged."""


@dataclass(frozen=True)
class Part:
    """The rows of some evaluations, for tables of some metrics.

    Attributes:
        frame: One row per trial and evaluation.
        expected: Those of a sweep; None without one.
        metrics: Names of metrics of one task.
        data: Name of the data, for captions.
        form: The name of a row's data, from 'dataset' (of the trial) and 'other'; '' on the test set.
    """

    frame: pd.DataFrame
    expected: pd.DataFrame | None
    metrics: tuple[str, ...]
    data: str = TEST_SET
    form: str = ""


def is_against_test(metric: str) -> bool:
    """Whether a metric, by its name, compares other data with the test set."""
    return METRICS[parsed(metric)[0]].spec.against_test


def parts(
    frame: pd.DataFrame, expected: pd.DataFrame | None, metrics: Sequence[str], elsewhere: Sequence[str]
) -> Iterator[Part]:
    """Splits rows into parts, in the order of their tables. Parts without metrics or other data are omitted.

    Args:
        frame: One row per trial and evaluation; without `evaluation` on the test set.
        metrics: Names of metrics of one task on the test set. Those marked `against_test` are ignored.
        elsewhere: Names of metrics of one task on other data.
    """
    if own := tuple(name for name in metrics if not is_against_test(name)):
        yield Part(_on(frame, own=True), None if expected is None else _on(expected, own=True), own)
    others = _on(frame, own=False)
    planned = None if expected is None else _on(expected, own=False)
    if planned is not None:
        others = others[others["key"].isin(set(planned["key"]))]
    if others.empty:
        return
    against = tuple(name for name in elsewhere if is_against_test(name))
    if against:
        yield Part(others, planned, against, f"{TEST_SET} against other data", "{dataset} against {other}")
    measured = tuple(name for name in elsewhere if name not in against)
    labelled = others[others["test_error"].notna()] if "test_error" in others else others[:0]
    if measured and len(labelled):
        known = None if planned is None else planned[planned["evaluation"].isin(set(labelled["evaluation"]))]
        yield Part(labelled, known, measured, f"{TEST_SET} corrupted", "{other}, trained on {dataset}")


def on_test_set(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of evaluations on the test set."""
    return _on(frame, own=True)


def _on(frame: pd.DataFrame, *, own: bool) -> pd.DataFrame:
    if "evaluation" not in frame.columns:
        return frame if own else frame[:0]
    there = (frame["evaluation"] == TEST).to_numpy(dtype=bool)
    if own and there.all():
        return frame
    return frame[there if own else ~there]


def grouped(part: Part) -> Part:
    """A part with one row per trial and group of evaluations; the group takes the place of the data set."""
    if not part.form:
        return part
    found = _in_groups(part.frame, part.form)
    expected = None if part.expected is None else _in_groups(part.expected, part.form)
    if expected is not None:
        # A mean over only some of the corruptions would be misleading.
        complete = found.groupby("key").size().eq(expected.groupby("key").size())
        found = found[found["key"].map(complete).fillna(False).astype(bool)]
        expected = expected.drop_duplicates("key")
    numbers = [name for name in found.columns if name.startswith("test_")]
    others = ["trial_key", *CELL, "seed", "identity", "evaluation_identity"]
    groups = found.groupby("key", sort=False)
    means = groups[numbers].mean().join(groups[others].first()).reset_index()
    # Temperatures belong to the trial, and are printed with its scores on the test set.
    means = means.assign(**{f"temperature_{name}": float("nan") for name in criteria()})
    return replace(part, frame=means, expected=expected)


def named(part: Part, tables: Iterable[Table]) -> list[Table]:
    """The tables of a part, with its data in their titles."""
    if not part.form:
        return list(tables)
    averaged = any(AVERAGED in json.loads(text)["params"] for text in part.frame["evaluation_identity"])
    note = f" Of each trial the mean over each severity's {AVERAGED}s." if averaged else ""
    return [
        replace(
            table,
            metric=replace(table.metric, title=f"{table.metric.title}, {part.data}"),
            about=table.about + note,
        )
        for table in tables
    ]


def _in_groups(frame: pd.DataFrame, form: str) -> pd.DataFrame:
    groups = [_group(json.loads(identity)) for identity in frame["evaluation_identity"]]
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
