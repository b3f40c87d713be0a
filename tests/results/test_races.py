"""Two writers of one trial whose numbers differ in a last digit: one commit stands, whole, and both know."""

from __future__ import annotations

import dataclasses
import errno
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from results import data_files, rows
from results.data_files import sha256
from results.rescore import commit_finished
from results.store import Store
from trainables.trial import Trial

from .conftest import (
    OTHER,
    arguments_of_commit,
    content_of,
    inspected,
    one_digit_of_a_logit,
    result_of,
    trial_of,
)

KINDS = ("predictions", "epochs")
PAIRS, AT_ONCE = 250, 4


def two_of(trial: Trial) -> tuple[dict[str, Any], dict[str, Any]]:
    """What two kinds of machine would commit: the same learning curves, another last digit of a logit."""
    arguments = arguments_of_commit(trial)
    other = rows.from_parquet(one_digit_of_a_logit(rows.to_parquet(arguments["predictions"])))
    return arguments, {**arguments, "predictions": other, "provenance": {"host": "there"}}


def race(uri: str, pairs: int, window: float) -> None:
    """Lets as many pairs of writers commit a trial each, at once or up to `window` seconds apart.

    Exactly one of two is to be told that it committed.
    """
    two, moments = two_of(trial_of()), random.Random(0)

    def write(line: threading.Barrier, arguments: dict[str, Any], later: float) -> bool:
        store = Store(uri)
        line.wait()
        time.sleep(later)
        return store.commit(**arguments)

    with ThreadPoolExecutor(2 * AT_ONCE) as executor:
        told = []
        for seed in range(pairs):
            line, later = threading.Barrier(2), (0.0, moments.uniform(0, window))
            commits = [{**each, "trial": trial_of(seed)} for each in two]
            told.append([executor.submit(write, line, *each) for each in zip(commits, later, strict=True)])
        for pair in told:
            assert sorted(each.result() for each in pair) == [False, True]


def assert_whole(store: Store, pairs: int) -> None:
    """Each row stands beside its own data, and nothing else lies there."""
    content = content_of(store)
    row_paths = [path for path in content if path.startswith("trials/")]
    assert len(row_paths) == pairs
    named = set()
    for path in row_paths:
        (row,) = rows.from_parquet(content[path]).to_pylist()
        for kind in KINDS:
            data = data_files.path(path, kind, row[f"{kind}_digest"])
            assert sha256(content[data]) == row[f"{kind}_digest"]
            named.add(data)
    assert content.keys() == named | set(row_paths)


@pytest.mark.slow
@pytest.mark.parametrize("links", [True, False])
def test_one_of_two_commits_stands_with_its_own_data(
    store: Store, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "as exFAT answers")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    race(store.uri, PAIRS, window=0.006)
    assert_whole(store, PAIRS)


def test_sets_are_scored_against_the_result_that_stands(store: Store) -> None:
    trial = dataclasses.replace(trial_of(), score_on=(OTHER,))
    assert store.commit(**arguments_of_commit(trial_of(1)) | {"trial": trial})
    result = result_of(trial)
    assert not commit_finished(store, result, lambda _: result.test, {"host": "here"})
    assert inspected(store).scored == 1 and not inspected(store).findings
