"""Data is looked at beside Ray's start, in a process that says in an error what it found."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from orchestrator.driver.data_check import DataCheck, Needed
from orchestrator.driver.stop_request import StopRequest
from trainables.errors import ConfigurationError, DataError
from trainables.resolve import resolve

DIGITS, CIFAR = resolve("digits", "mlp", "brier", 0), resolve("cifar10", "mlp", "brier", 0)


@pytest.mark.slow
def test_data_that_is_there_passes_and_the_current_folder_is_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("trainables", "results", "pickle", "random"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    with DataCheck(Needed.by([DIGITS]), tmp_path, StopRequest()) as check:
        check.wait()


@pytest.mark.slow
def test_a_missing_file_is_the_error_of_loading_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (
        DataCheck(Needed.by([DIGITS, CIFAR]), tmp_path, StopRequest()) as check,
        pytest.raises(DataError, match="data prepare cifar10"),
    ):
        check.wait()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_sampler_that_needs_more_samples_is_refused_before_any_trial(tmp_path: Path) -> None:
    pytest.importorskip("imblearn")
    rare = ("digits", {"imbalance": "exponential", "factor": 10})
    few = resolve(rare, "mlp", "brier", 0, sampler=("smote", {"neighbours": 40}))
    with (
        DataCheck(Needed.by([DIGITS, few]), tmp_path, StopRequest()) as check,
        pytest.raises(ConfigurationError, match=r"smote: class \d has \d+ training samples, .* needs 41"),
    ):
        check.wait()


def test_the_death_of_the_process_is_reported(tmp_path: Path) -> None:
    with DataCheck(Needed.by([DIGITS]), tmp_path, StopRequest()) as check:
        check.process.kill()
        with pytest.raises(DataError, match="-9 before any trial"):
            check.wait()


def test_a_stop_does_not_wait_for_it_and_ends_it(tmp_path: Path) -> None:
    request = StopRequest()
    with DataCheck(Needed.by([DIGITS]), tmp_path, request) as check:
        psutil.Process(check.process.pid).suspend()
        request.requested_at = time.monotonic()
        check.wait()
    assert check.process.returncode == -9
