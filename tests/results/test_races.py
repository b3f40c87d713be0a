"""Two writers of one trial whose numbers differ in a last digit: one commit stands, whole, and both know."""

from __future__ import annotations

import dataclasses
import errno
import os

import pytest

from results.scoring.commit import commit_finished
from results.store.store import Store

from .conftest import OTHER, arguments_of_commit, inspected, result_of, trial_of
from .racing import assert_whole, race

PAIRS = 250


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


def test_evaluations_are_compared_with_the_result_that_stands(store: Store) -> None:
    trial = dataclasses.replace(trial_of(), evaluations=(OTHER,))
    assert store.commit(**arguments_of_commit(trial_of(1)) | {"trial": trial})
    result = result_of(trial)
    assert not commit_finished(store, result, lambda _: result.test, {"host": "here"})
    assert inspected(store).others == 1 and not inspected(store).findings
