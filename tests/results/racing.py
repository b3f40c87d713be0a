"""Pairs of writers that commit one trial at once, with numbers that differ in a last digit."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from results.store import data_files, rows
from results.store.data_files import sha256
from results.store.store import Store
from trainables.trial import Trial

from .conftest import arguments_of_commit, content_of, one_digit_of_a_logit, trial_of

KINDS = ("predictions", "epochs")
AT_ONCE = 4


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
        message = []
        for seed in range(pairs):
            line, later = threading.Barrier(2), (0.0, moments.uniform(0, window))
            commits = [{**each, "trial": trial_of(seed)} for each in two]
            message.append([executor.submit(write, line, *each) for each in zip(commits, later, strict=True)])
        for pair in message:
            assert sorted(each.result() for each in pair) == [False, True]


def assert_whole(store: Store, pairs: int) -> None:
    """Each row stands beside its own data, and nothing else lies there but copies of rows."""
    content = {path: each for path, each in content_of(store).items() if not path.startswith("compacted/")}
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
