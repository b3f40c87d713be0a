"""What our own Ray starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import REPOSITORY

STARTED = """
import psutil, ray
from pathlib import Path
from tempfile import TemporaryDirectory
from orchestrator.driver.ray_start import configure_ray, connect

configure_ray()
with TemporaryDirectory() as folder:
    connect(None, Path(folder))
    assert ray.get(ray.remote(lambda: 7).remote()) == 7
    for process in psutil.Process().children(recursive=True):
        print(" ".join(process.cmdline()))
    ray.shutdown()
"""


@pytest.mark.slow
def test_our_own_ray_starts_what_runs_trials_and_no_more() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for needed in ("gcs_server", "raylet"):
        assert needed in done.stdout
    for left_out in ("dashboard/dashboard.py", "monitor.py"):
        assert left_out not in done.stdout
