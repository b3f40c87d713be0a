"""A torchvision of another build than torch is told in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainables.builds import check_builds, check_builds_for
from trainables.errors import ConfigurationError
from trainables.resolve import resolve


def test_a_mismatched_torchvision_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "torchvision.py"
    other.write_text("raise RuntimeError('operator torchvision::nms does not exist\\nand more')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    with pytest.raises(ConfigurationError, match="torchvision::nms") as refused:
        check_builds()
    assert "\n" not in str(refused.value)
    other.write_text("__version__ = '0'")
    sys.modules.pop("torchvision", None)
    sys.path_importer_cache.clear()
    check_builds()
    sys.modules.pop("torchvision", None)


@pytest.fixture
def another_build(tmp_path: Path) -> Path:
    """A folder with a torchvision that does not load, to be found before any other."""
    (tmp_path / "torchvision.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')", encoding="utf-8"
    )
    return tmp_path


def test_only_trials_whose_model_needs_it_are_refused(
    another_build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(another_build)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    without, needing = (
        resolve("digits", "mlp", "brier", 0),
        resolve("imagenet", "resnet50_imagenet", "brier", 0),
    )
    check_builds_for([without.model])
    with pytest.raises(ConfigurationError, match="pip install --force-reinstall torch torchvision"):
        check_builds_for([without.model, needing.model])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("-m", "orchestrator", "trial", "--dataset", "imagenet", "--model", "densenet121_imagenet"), 2),
        (("-m", "orchestrator", "run", "needing.yaml", "--store", "store"), 2),
        (("benchmarks/training.py",), 2),
    ],
)
def test_the_mismatch_is_reported_before_anything_runs(
    repository: Path, another_build: Path, command: tuple[str, ...], code: int
) -> None:
    (another_build / "needing.yaml").write_text(
        "{name: a, seeds: 1, blocks: [{datasets: [imagenet], models: [resnet50_imagenet], losses: [brier]}]}"
    )
    arguments = [str(another_build / each) if each in ("needing.yaml", "store") else each for each in command]
    more = ["--loss", "brier"] if "trial" in command else []
    done = subprocess.run(
        [sys.executable, *arguments, *more],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": f"{another_build}{os.pathsep}{repository}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    assert (
        len(done.stderr.splitlines()) == 1
        and "pip install --force-reinstall torch torchvision" in done.stderr
    )
    assert not list(another_build.glob("store/*/*")), "nothing was recorded"
