"""The wheel: built from a tagged repository without network, it works away from the source tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

from orchestrator.driver import own_code
from results.store import provenance

from .conftest import REPOSITORY

OURS = ("orchestrator", "results", "sweeps", "trainables")

PLUGIN = """
from trainables.losses.base import Loss
from trainables.registry import register


@register("squared")
class Squared(Loss):
    def per_sample(self, logits, labels):
        return (1 - logits.softmax(dim=1).gather(1, labels[:, None]).squeeze(1)).square()
"""

ONE_PROCESS = """
import sys
from orchestrator.cli import app
for line in sys.argv[1:]:
    code = app(line.split(), standalone_mode=False)
    assert not code, (line, code)
"""


def printed(*command: str | Path, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def repository(folder: Path) -> None:
    """A tagged repository of the files of this one."""
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    for name in printed(*listing, folder=REPOSITORY).splitlines():
        # Of what the wheel must not have, a part is enough.
        if not name.startswith(("tests/", "docs/", "results/recorded/sst")) and (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "All"], ["tag", "v7.5.3"]):
        printed(*git, *arguments, folder=folder)


@pytest.mark.parametrize(
    ("version", "commit"),
    [
        ("1.4.0", "v1.4.0"),
        ("1.4.1.dev3+g0a1b2c3d4", "0a1b2c3d4"),
        ("1.4.1.dev3+g0a1b2c3d4.d20261127", "0a1b2c3d4-dirty"),
        ("1.4.0+d20261127", ""),
        ("1.4.1.dev3", ""),
    ],
)
def test_installed_code_takes_its_commit_from_its_version(
    version: str, commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/__init__.py").touch()
    (tmp_path / "calibsweep.dist-info").mkdir()
    metadata = f"Metadata-Version: 2.1\nName: calibsweep\nVersion: {version}\n"
    (tmp_path / "calibsweep.dist-info/METADATA").write_text(metadata, encoding="utf-8")
    (tmp_path / "calibsweep.dist-info/RECORD").write_text("results/__init__.py,,\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert provenance.installed_commit(tmp_path) == commit
    # Not for code that lies elsewhere.
    assert provenance.installed_commit(tmp_path / "copy") == ""


@pytest.mark.parametrize("floor", ["results", "sweeps", "trainables"])
def test_the_module_refuses_a_stranger_of_the_same_name(
    floor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / floor).mkdir()
    (tmp_path / floor / "__init__.py").touch()
    own_code.check()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, floor, raising=False)
    with pytest.raises(ImportError, match=f"{tmp_path / floor} hides the package of calibsweep"):
        own_code.check()


def test_a_distribution_that_wrote_into_our_packages_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/__init__.py").touch()
    (tmp_path / "other.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: other\nVersion: 1\n"
    (tmp_path / "other.dist-info/METADATA").write_text(metadata, encoding="utf-8")
    (tmp_path / "other.dist-info/RECORD").write_text("results/__init__.py,,\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(own_code, "SOURCE", tmp_path)
    monkeypatch.setattr(own_code, "_hidden", lambda: "")
    assert "files of other lie in the packages of calibsweep" in own_code.why(ImportError("no name x"))


@pytest.mark.slow
def test_the_wheel_works_in_another_folder(tmp_path: Path) -> None:
    source, dist, away = tmp_path / "source", tmp_path / "dist", tmp_path / "away"
    for folder in (source, away):
        folder.mkdir()
    repository(source)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, source]
    # First a source archive, and the wheel from that: neither asks git for the files or the version.
    printed(*build, folder=away)
    with ZipFile(dist / "calibsweep-7.5.3-py3-none-any.whl") as wheel:
        wheel.extractall(away / "installed")
    held = {path.relative_to(away / "installed").as_posix() for path in (away / "installed").rglob("*.*")}
    needed = {
        path.relative_to(REPOSITORY).as_posix()
        for name in OURS
        for path in (REPOSITORY / name).rglob("*.*")
        if path.is_file() and "recorded" not in path.parts and "__pycache__" not in path.parts
    }
    ours = {name for name in held if name.startswith(OURS)}
    assert ours == needed and not any("recorded" in name for name in held)
    assert {name.partition("/")[0] for name in held} == {*OURS, "calibsweep-7.5.3.dist-info"}

    # Without this installation's own calibsweep: a .pth file, which PYTHONPATH does not read.
    path = os.pathsep.join([str(away / "installed"), sysconfig.get_path("purelib"), *sys.path[1:]])
    python = (sys.executable, "-S")
    version = printed(*python, "-m", "orchestrator", "--version", folder=away, PYTHONPATH=path)
    assert version == "calibsweep 7.5.3 (commit v7.5.3)\n"
    (away / "mine.py").write_text(PLUGIN, encoding="utf-8")
    trial = "trial --dataset digits --model mlp --set training.epochs=1 --store made"
    commands = (
        "plan quickstart",
        f"{trial} --loss squared --plugin mine.py",
        "tables --store made --output tables.html",
        "compare --store made",
        "report --store made --output report.html",
    )
    planned = printed(*python, "-c", ONE_PROCESS, *commands, folder=away, PYTHONPATH=path)
    assert "130" in planned
    for page in ("tables.html", "report.html"):
        assert "squared" in (away / page).read_text(encoding="utf-8")
