"""A bucket that goes away while a sweep runs, and comes back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from results.store.store import Store

from ..s3_proxy import Proxy
from .conftest import Command, wait_until

OUTAGE_SECONDS = 18.0
"""More than the driver lets pass without a word to the store."""

SWEEP = """
    name: outage
    seeds: [0]
    training: {epochs: 3}
    run: {watch: [], checkpoint_every: 1}
    blocks: [{datasets: [digits], models: [mlp], losses: [brier, focal_1, focal_2, flsd_53]}]
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_outage_is_reported_and_loses_nothing(
    calibsweep: Command, s3: Proxy, sweep_file: Callable[..., str]
) -> None:
    # Every third answer is lost besides: what was asked for is done, and nobody is told.
    s3.lose(every=3)
    process = calibsweep.start("run", sweep_file(SWEEP), "--store", s3.uri("store"))
    wait_until(lambda: s3.count("PUT", "store/checkpoints/") > 0, "a checkpoint")
    s3.vanish()
    time.sleep(OUTAGE_SECONDS)
    s3.listen()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert re.search(r"unreachable for 0:\d\d", output)
    assert output.index("reachable again") > output.index("unreachable for")
    s3.rules.clear()
    rows = Store(s3.uri("store")).trials()
    assert len(rows) == 4 and rows["key"].is_unique and not rows.attrs["damaged"]
