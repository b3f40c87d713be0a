"""Words that a shell completes, quickly, and how it comes to do so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from orchestrator.cli import app
from sweeps.bundled import bundled_paths
from trainables.catalogue import LOSSES

from .conftest import REPOSITORY, program


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ru", {"run"}),
        ("store v", {"verify"}),
        ("run ", set(bundled_paths())),
        ("plan mukh", {"mukhoti2020"}),
        ("run quickstart --retr", {"--retry-failed"}),
        ("run quickstart --set training.ep", {"training.epochs="}),
        ("trial --loss focal_", {"focal_1", "focal_2", "focal_3", "focal_gra", "focal_mdca"}),
        ("trial --model tree", {"tree_lstm"}),
        ("trial --dataset sv", {"svhn"}),
        ("check-loss ", set(LOSSES.names())),
        ("data prepare tiny", {"tiny_imagenet"}),
        ("tables --metric adaptive", {"adaptive_ece"}),
        ("tables --format l", {"latex"}),
        ("list set", {"settings"}),
    ],
)
def test_names_and_options_are_completed(line: str, expected: set[str]) -> None:
    *words, incomplete = line.split(" ")
    found = ShellComplete(app, {}, "calibsweep", "_CALIBSWEEP_COMPLETE").get_completions(words, incomplete)
    assert {item.value for item in found} == expected


@pytest.mark.parametrize("words", ["calibsweep run qu", "calibsweep trial --loss fo"])
def test_completion_and_help_load_little(words: str) -> None:
    slow = {"torch", "ray", "pandas", "pyarrow", "pydantic", "rich"}
    code = (
        "import sys; from orchestrator.cli import main\n"
        "try: main()\n"
        f"except SystemExit: print(*sorted({slow!r} & sys.modules.keys()), file=sys.stderr)"
    )
    asked = {"_CALIBSWEEP_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "2"}
    for environment in (asked, {}):
        done = subprocess.run(
            [sys.executable, "-c", code, "--help"],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout and done.stderr == "\n"


def test_bash_completes_after_installation(tmp_path: Path) -> None:
    calibsweep = program("calibsweep")
    environment = {
        **{name: value for name, value in os.environ.items() if name != "XDG_DATA_HOME"},
        "HOME": str(tmp_path),
        "SHELL": "/bin/bash",
        "PATH": os.pathsep.join([str(Path(calibsweep).parent), os.environ["PATH"]]),
    }
    (tmp_path / ".bashrc").write_text("export KEPT=1", encoding="utf-8")
    for _ in range(2):
        subprocess.run([calibsweep, "--install-completion"], env=environment, check=True)
    assert len((tmp_path / ".bashrc").read_text(encoding="utf-8").splitlines()) == 2
    typed = "COMP_WORDS=(calibsweep plan quick); COMP_CWORD=2; _calibsweep_completion calibsweep"
    shell = ["bash", "--norc", "-c", f'. ~/.bashrc; {typed}; echo "$KEPT ${{COMPREPLY[*]}}"']
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1 quickstart\n"
    for shell_name in ("bash", "zsh", "fish"):
        shown = subprocess.run(
            [calibsweep, "--show-completion", shell_name], env=environment, capture_output=True, text=True
        )
        assert shown.returncode == 0 and "_calibsweep_completion" in shown.stdout
    refused = subprocess.run(
        [calibsweep, "--show-completion", "tcsh"], env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 2 and "bash, zsh, fish" in refused.stderr
