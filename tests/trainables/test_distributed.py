"""Several workers on gloo give what one gives, up to rounding, and each of them the very same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables.training.process_group import ProcessGroup

from . import several_workers
from .several_workers import CASES, everything

pytestmark = pytest.mark.slow

SIZES = (2, 3)


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    return everything(ProcessGroup())


@pytest.fixture(scope="module", params=SIZES)
def together(
    request: pytest.FixtureRequest, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """What each worker has."""
    folder = tmp_path_factory.mktemp("workers")
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    commands = [
        [sys.executable, str(several_workers.__file__), str(folder), str(rank), str(request.param)]
        for rank in range(request.param)
    ]
    processes = [
        subprocess.Popen(c, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for c in commands
    ]
    try:
        for process in processes:
            output, _ = process.communicate(timeout=200)
            assert process.returncode == 0, output
    finally:
        for process in processes:
            process.kill()
    return [torch.load(folder / f"{rank}.pt") for rank in range(request.param)]


@pytest.mark.parametrize("cell", CASES)
def test_the_weights_are_those_of_one_worker(
    cell: str, alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    expected = alone[cell]
    for message in (each[cell] for each in together):
        for part in ("model", "loss"):
            torch.testing.assert_close(message[part], expected[part], rtol=1e-4, atol=1e-5)
        for part in ("test", "validation"):
            torch.testing.assert_close(message[part], expected[part], rtol=1e-4, atol=1e-4)
        assert torch.equal(message["labels"], expected["labels"])
        assert message["reported_epoch"] == expected["reported_epoch"]
        assert len(message["epochs"]) == len(expected["epochs"])
        for curves, expected_curves in zip(message["epochs"], expected["epochs"], strict=True):
            for name, value in expected_curves.items():
                # One sample may lie in a neighbouring bin.
                loose = {"abs": 1.01} if isinstance(value, list) else {"rel": 1e-3, "abs": 1e-5}
                found, wanted = (np.array(each, dtype=float) for each in (curves[name], value))
                assert found == pytest.approx(wanted, nan_ok=True, **loose), name


@pytest.mark.parametrize("cell", CASES)
def test_all_workers_have_the_very_same(cell: str, together: list[dict[str, Any]]) -> None:
    first, *others = (each[cell] for each in together)
    assert all(repr(first) == repr(other) for other in others)
    for other in others:
        torch.testing.assert_close(other["model"], first["model"], rtol=0, atol=0)
        torch.testing.assert_close(other["test"], first["test"], rtol=0, atol=0)


@pytest.mark.parametrize(("precision", "tolerance"), [("torch.float32", 1e-5), ("torch.bfloat16", 2e-2)])
def test_normalisation_and_dropout_are_those_of_the_whole_batch(
    precision: str, tolerance: float, alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    for message in together:
        torch.testing.assert_close(message[precision], alone[precision], rtol=tolerance, atol=tolerance)
