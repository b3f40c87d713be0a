"""What a command asks of an object store: a request for each row, or none, and many of them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.use_cases.compact import compact
from orchestrator.use_cases.plan import plan
from orchestrator.use_cases.run import run
from orchestrator.use_cases.tables import tables
from orchestrator.use_cases.verify import verify
from results.store.address import Address
from results.store.store import Store
from sweeps.expand import Sweep, load

from ..s3_proxy import Proxy
from .conftest import commit, evaluated

pytestmark = pytest.mark.slow

SEEDS = 6
SWEEP = f"""
name: counted
seeds: {SEEDS}
blocks:
  - datasets: [digits]
    models: [mlp, small_cnn]
    losses: [brier, mmce]
"""
TRIALS, CELLS = 4 * SEEDS, 2

OTHERS = 8
"""Requests that are of no trial: what runs, was measured, was found before; whether there is a bucket."""


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    file = tmp_path / "counted.yaml"
    file.write_text(SWEEP, encoding="utf-8")
    return load(str(file))


@pytest.fixture
def filled(s3: Proxy, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> Store:
    # No commit looks for rows to copy.
    monkeypatch.setattr("results.store.store.ONE_IN", 2**32)
    store = Store(s3.uri("store"))
    commit(store, *sweep.trials)
    return store


COMMANDS: dict[str, Callable[[str, str], object]] = {
    "plan": plan,
    "tables": lambda file, uri: tables(uri, file),
    "run": run,
}
FOLDERS = {"plan": 4, "tables": 1, "run": 4}
"""Of each data set and model that are listed: trials/, and for a survey the two of data, and failures/."""


def asked(s3: Proxy, command: str, file: Path, uri: str) -> Counter[str]:
    """How many requests of each method a command makes."""
    before = len(s3.requests)
    COMMANDS[command](str(file), uri)
    return Counter(request.method for request in s3.requests[before:])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_row_is_one_request_and_none_if_it_is_in_the_copy(
    s3: Proxy, filled: Store, sweep: Sweep, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "counted.yaml"
    # Tables read the logits, for noise floors; the page of a run them and the curves, once.
    logits = 0 if command == "plan" else TRIALS
    page = 2 * TRIALS if command == "run" else 0
    listings = FOLDERS[command] * CELLS + OTHERS
    s3.delay(0.05, "GET", "/trials/")
    s3.most_at_once = 0
    counts = asked(s3, command, file, filled.uri)
    assert s3.count("GET", "/trials/") == TRIALS and s3.most_at_once > TRIALS / 2
    assert (
        counts["GET"] <= TRIALS + logits + page + 2 and counts["LIST"] <= listings and not counts["HEAD"]
    ), counts

    compact(filled.uri)
    after = s3.count("GET", "/trials/")
    counts = asked(s3, command, file, filled.uri)
    assert s3.count("GET", "/trials/") == after
    assert counts["GET"] <= logits + 3 and counts["LIST"] <= listings and not counts["HEAD"], counts

    if command == "run":
        return
    # What was written since is read by itself: another's row in place of one that was copied too.
    path = Address.of(sweep.trials[0]).path("trials")
    filled.folder.write(path, filled.folder.read(Address.of(sweep.trials[1]).path("trials")))
    after = s3.count("GET", "/trials/")
    asked(s3, command, file, filled.uri)
    assert s3.count("GET", "/trials/") == after + 1
    assert filled.trials().attrs["damaged"] == [path]


def test_verify_reads_each_file_once_and_ahead(s3: Proxy, filled: Store, sweep: Sweep) -> None:
    evaluated(filled, sweep.trials[0])
    s3.delay(0.05, "GET")
    s3.requests.clear()
    s3.most_at_once = 0
    assert not verify(filled.uri).wrong
    assert (
        s3.count("GET") == len({each.key for each in s3.requests if each.method == "GET"}) == 3 * TRIALS + 2
    )
    assert s3.count() <= 3 * TRIALS + OTHERS and s3.most_at_once > TRIALS
