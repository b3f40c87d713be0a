"""What a command loads: nothing that it does not use, since each of these takes seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import REPOSITORY

SLOW_TO_LOAD = {
    "torch",
    "torch._dynamo",
    "sympy",
    "matplotlib",
    "sklearn",
    "pandas",
    "pyarrow",
    "ray",
    "scipy",
}

ONE_EPOCH = "trial --dataset digits --model mlp --loss brier --set training.epochs=1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "loaded"),
    [
        (ONE_EPOCH, {"torch"}),
        # Whose trials start longest first, and whose hours are told.
        ("plan mukhoti2020 --gpus 8", {"pandas", "pyarrow"}),
        ("list losses", set()),
    ],
)
def test_a_command_loads_only_the_libraries_it_uses(command: str, loaded: set[str]) -> None:
    code = (
        "import sys; from orchestrator.cli import app\n"
        f"try: app({command.split()!r}, standalone_mode=False)\n"
        f"finally: print(*sorted({SLOW_TO_LOAD!r} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.splitlines()[-1].split()) == loaded, done.stdout
