"""A bucket in which nothing may be deleted, and what is left in one after a sweep."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.api import trial
from orchestrator.driver.notices import Notices
from orchestrator.driver.reports import Done, Note
from orchestrator.driver.stalls import Watch
from orchestrator.driver.worker import TrialWorker
from orchestrator.driver.worker_settings import WorkerSettings
from orchestrator.screen.run import Shown
from orchestrator.use_cases.run import run
from results.store.store import Store
from results.terminal import Terminal
from sweeps.expand import load

from ..s3_proxy import Proxy
from .conftest import Command, numbers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SWEEP = """
    name: undeleted
    seeds: [0, 1]
    training: {epochs: 4}
    blocks: [{datasets: [digits], models: [mlp], losses: [brier]}]
    run: {checkpoint_every: 1}
"""

LEFT = re.compile(
    r"(trials|predictions|epochs)/digits/mlp/brier/[0-9a-f]+(-[0-9a-f]+)?\.parquet|(tables|reports)/undeleted\.\w+"
)
"""What docs/architecture.md says that an ended sweep leaves."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves of what goes to a bucket lie in one's home."""
    monkeypatch.setenv("HOME", str(tmp_path))


def keys(s3: Proxy) -> list[str]:
    """All objects of the bucket, those that stand for folders too."""
    status, answer = s3.direct("GET", f"/{s3.bucket}?list-type=2")
    assert status == 200
    return [key.removeprefix("store/") for key in re.findall(r"<Key>(.*?)</Key>", answer.decode())]


def test_a_sweep_ends_well_where_nothing_may_be_deleted(
    s3: Proxy, calibsweep: Command, sweep_file: Callable[[str], str], tmp_path: Path
) -> None:
    sweep, store, here = sweep_file(SWEEP), Store(s3.uri("store")), str(tmp_path / "store")
    for seed in (0, 1):
        trial("digits", "mlp", "brier", seed, overrides=["training.epochs=4"], store=here)
    s3.refuse("DELETE", status=403, code="AccessDenied")
    output = calibsweep("run", sweep, "--store", store.uri)
    assert output.count("cannot delete") == 1 and "access denied" in output, output
    pd.testing.assert_frame_equal(numbers(store.uri), numbers(here), check_exact=True)
    lying_about = {key.partition("/")[0] for key in keys(s3) if not LEFT.fullmatch(key)}
    assert lying_about == {"checkpoints", "running", "tmp"}

    s3.rules.clear()
    assert "2 done before, 0 to run" in calibsweep("run", sweep, "--store", store.uri)
    # What was tried before the first trial may still be another's, on its way.
    rest = [key for key in keys(s3) if not LEFT.fullmatch(key)]
    assert all(key.startswith(("tmp/probe-", "running/undeleted-")) for key in rest) and len(rest) <= 2


def test_leftovers_are_deleted_by_the_next_run(
    s3: Proxy, sweep_file: Callable[[str], str], tmp_path: Path
) -> None:
    sweep = sweep_file(SWEEP.replace("[0, 1]", "[0]"))
    (only,) = load(sweep).trials
    settings = WorkerSettings(
        store=s3.uri("store"),
        data_root=str(tmp_path),
        checkpoint_every=1,
        checkpoint_minutes=10.0,
        hours_per_trial=None,
        stalled_minutes=30.0,
        threads=1,
        source_commit="",
        run="",
    )
    worker = TrialWorker(settings, Notices(), Watch(30.0, None))
    worker.store.folder.wait_out_outages()
    # A server that does not come to it, which elsewhere is waited for.
    s3.refuse("DELETE")
    worker.begin(only, gpus=0)
    message: list[Note] = []
    while not (report := worker.step()).ended:
        message += report.notes
    message += report.notes
    assert isinstance(report, Done) and [note.kind for note in message] == ["tidying"]
    assert worker.store.survey([only]).leftover == (only.key,)

    def run_again() -> str:
        output = io.StringIO()
        console = Terminal(file=output, width=200)
        assert run(sweep, s3.uri("store"), observer=Shown(console, {"sweep": sweep})).complete
        return output.getvalue()

    assert run_again().count("cannot delete") == 1
    s3.rules.clear()
    # As earlier versions left them in place of empty folders.
    for folder in ("checkpoints/0123456789abcdef", "running", "tmp"):
        assert s3.direct("PUT", f"/{s3.bucket}/store/{folder}/")[0] == 200
    assert "cannot delete" not in run_again()
    # What was tried before the first trial may still be another's, on its way.
    rest = [key for key in keys(s3) if not LEFT.fullmatch(key)]
    assert len(rest) == 1 and rest[0].startswith("tmp/probe-")


def test_a_store_that_fails_for_good_ends_a_sweep_with_what_could_be_kept(
    s3: Proxy, calibsweep: Command, sweep_file: Callable[[str], str]
) -> None:
    # No checkpoint is due before the end, and rows are refused: all that is trained would be lost.
    sweep = sweep_file(
        SWEEP.replace("epochs: 4", "epochs: 12").replace("checkpoint_every: 1", "checkpoint_every: 1000")
    )
    store = Store(s3.uri("store"))
    s3.refuse("PUT", "/trials/", status=403, code="AccessDenied")
    output = calibsweep("run", sweep, "--store", store.uri, code=2)
    assert "access denied" in output and "0 of 2 trials are kept" in output, output
    kept = {info.path.split("/")[1] for info in store.folder.list("checkpoints")}
    assert kept
    s3.rules.clear()
    calibsweep("run", sweep, "--store", store.uri)
    frame = store.trials().set_index("key")
    assert len(frame) == 2 and (frame.loc[sorted(kept), "resumed_from_epoch"] > 0).all()
    assert not [key for key in keys(s3) if not LEFT.fullmatch(key)]
