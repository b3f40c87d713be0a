"""Ray that does not come up at the first try, as on a machine that has too much to do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import REPOSITORY, Command

LATE = """
import itertools, os, signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from ray._private import node
from orchestrator.driver.ray_start import configure_ray
from orchestrator.driver.scratch import Scratch
from orchestrator.driver.servers import Servers, connected
from orchestrator.driver.stop_request import StopRequest

# A raylet that gets no processor never says that it is there. Ray waits 30 seconds for it: not here.
late, start = int(sys.argv[1]), Servers._start

def start_late(self, command, **options):
    global late
    server = start(self, command, **options)
    if server.program == "raylet" and late:
        late -= 1
        os.kill(server.pid, signal.SIGSTOP)
        leaps = itertools.count(time.monotonic(), 31)
        node.time = SimpleNamespace(sleep=time.sleep, time=time.time, monotonic=lambda: next(leaps))
    else:
        node.time = time
    return server

Servers._start = start_late
configure_ray()
scratch = Scratch(Path(sys.argv[2]))
try:
    with connected(None, scratch.folder, StopRequest()):
        import ray
        print("up", sum(node["Alive"] for node in ray.nodes()))
finally:
    scratch.delete()
"""


@pytest.mark.slow
@pytest.mark.parametrize("late", [1, 2])
def test_ray_that_is_late_is_started_once_more(late: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE, str(late), "/tmp"],
        cwd=REPOSITORY,
        # The core of Ray would look for it for 30 seconds too.
        env={**Command().environment(), "RAY_raylet_start_wait_time_s": "2"},
        capture_output=True,
        text=True,
    )
    if late == 1:
        assert done.stdout == "up 1\n", done.stderr
    else:
        assert re.search(r"StartError: Ray cannot start on this machine: .*timed out", done.stderr)
