"""`orchestrator.api`: light to import, and every example of docs/python.md works as it stands."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import api as calibsweep

from .conftest import REPOSITORY

DOCUMENT = (REPOSITORY / "docs/python.md").read_text(encoding="utf-8")


def python(code: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    script = folder / "script.py"
    script.write_text(code, encoding="utf-8")
    command = [sys.executable, str(script)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_to_import_it_loads_nothing_else(tmp_path: Path) -> None:
    code = "import sys, orchestrator.api\nprint({'torch', 'ray', 'pandas', 'click'} & sys.modules.keys())"
    assert python(code, tmp_path) == "set()\n"


def test_the_document_calls_each_function_by_its_own_parameters() -> None:
    message = dict(re.findall(r"^\| `(\w+)\(([^`]*)\)` \|", DOCUMENT, re.MULTILINE))
    assert [*message, "CalibsweepError"] == calibsweep.__all__
    assert dir(calibsweep) == sorted(calibsweep.__all__)
    for name, parameters in message.items():
        known = list(inspect.signature(getattr(calibsweep, name)).parameters)
        named = [each.lstrip("*").partition("=")[0] for each in parameters.split(", ")]
        assert known[: len(named)] == named, name
    with pytest.raises(AttributeError, match="table"):
        _ = calibsweep.table


@pytest.mark.slow
def test_the_examples_work_in_their_order(tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    printed = python("\n".join(examples), tmp_path)
    # Two trials of the sweep were trained before it, by `trial`.
    assert "<State.DONE: 'done'>: 2" in printed and "<State.MISSING: 'missing'>: 4" in printed
    assert "ECE pre T" in printed and "NLL pre T" in printed and "Error pre T" not in printed
    assert "focal_3 (0, 1) ()" in printed
    assert "{'loss': ('squared',)}" in printed and "digits / mlp / squared / seed 0" in printed
