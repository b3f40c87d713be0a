"""The four floors: arrows go downwards only, and what must come up fast loads neither torch nor Ray."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FLOORS = ("trainables", "sweeps", "results", "orchestrator")
MAY_IMPORT = {
    "trainables": {"trainables"},
    "sweeps": {"sweeps", "trainables"},
    "results": {"results", "sweeps", "trainables"},
    "orchestrator": {"orchestrator", "results", "sweeps", "trainables"},
}
ONLY_FOR = {"ray": {"orchestrator"}, "pydantic": {"sweeps"}, "yaml": {"sweeps"}, "click": {"orchestrator"}}
LONGEST = 400


def imports(path: Path) -> set[str]:
    """Top-level names of all modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by full name only"
            found.add((node.module or "").partition(".")[0])
    return found


def sources(repository: Path, floor: str) -> list[Path]:
    found = sorted((repository / floor).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_what_is_below_it(repository: Path, floor: str) -> None:
    for path in sources(repository, floor):
        used = imports(path)
        assert used & set(FLOORS) <= MAY_IMPORT[floor], path
        for library, allowed in ONLY_FOR.items():
            assert library not in used or floor in allowed, f"{path} imports {library}"
        if floor == "trainables":
            # A user's own Parquet file is the only use of Arrow, imported when it is read.
            own = {"pyarrow"} if path.name == "rows.py" else set()
            assert not used & {"pyarrow", "pandas", "rich"} - own, path


def test_statistics_know_arrays_and_data_frames_alone(repository: Path) -> None:
    package = "results.statistics"
    known = {"__future__", "collections", "contextlib", "dataclasses", "functools", "itertools", "math"}
    known |= {"typing", "numpy", "pandas", "scipy", "threadpoolctl"}
    for path in sources(repository, package.replace(".", "/")):
        assert imports(path) - known <= {"results"}, path
        text = path.read_text(encoding="utf-8")
        assert all(
            line.startswith(f"from {package}.") for line in text.splitlines() if "from results" in line
        )
        # It takes as long to load as a table to print.
        assert not any(
            line.startswith(("from scipy import stats", "import scipy")) for line in text.splitlines()
        )


def test_use_cases_know_no_terminal(repository: Path) -> None:
    for path in (repository / "orchestrator" / "use_cases").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not imports(path) & {"rich", "click"}, path
        assert "orchestrator.command" not in text and "orchestrator.screen" not in text, path


def test_nothing_but_the_command_line_imports_commands(repository: Path) -> None:
    for path in sources(repository, "orchestrator"):
        if path.name != "cli.py" and path.parent.name != "commands":
            assert "orchestrator.commands" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("floor", FLOORS)
def test_no_file_asks_for_a_second_room(repository: Path, floor: str) -> None:
    for path in sources(repository, floor):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST, path


@pytest.mark.slow
@pytest.mark.parametrize("floor", ["sweeps", "results"])
def test_sweeps_and_results_load_neither_torch_nor_ray(repository: Path, floor: str) -> None:
    modules = [
        ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__")
        for path in sources(repository, floor)
        if path.name != "commit.py"
    ]
    code = (
        f"import sys\nfor name in {modules!r}: __import__(name)\n"
        "print(sorted({'torch', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
