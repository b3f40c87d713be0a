"""`tables --output` and `tables --verify`: a file follows from its store, or it says how it does not."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from trainables.errors import ConfigurationError

from .conftest import REPOSITORY, printed

GOLDEN = REPOSITORY / "tests" / "golden"

tables = partial(printed, "tables")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two losses of the recorded store."""
    kept = shutil.ignore_patterns("small_cnn", "adafocal", "flsd_53", "focal*")
    return Path(shutil.copytree(GOLDEN / "store", tmp_path / "a store", ignore=kept))


def test_a_file_follows_until_it_or_the_store_changes(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    tables("--store", str(store), "--metric", "top_1_accuracy", "--calibrator", "none", "--output", str(file))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.csv"]
    # Its date is no part of its tables.
    text = file.read_text(encoding="utf-8")
    file.write_bytes(text.replace("# date: 2", "# date: 1").replace("\n", "\r\n").encode())
    tables("--verify", str(file))

    line = text.splitlines()[2].split(",")
    line[8] = "0.5"
    file.write_text(text.replace(text.splitlines()[2], ",".join(line)), encoding="utf-8")
    found = json.loads(tables("--verify", str(file), "--json", code=1))
    (difference,) = found["differences"]
    assert (difference["file"], found["changes"], found["same_inputs"]) == ("0.5", [], True)
    assert difference["where"].startswith("line 3 (digits")

    file.write_text(text, encoding="utf-8")
    gone = sorted(store.glob("trials/*/*/brier/*.parquet"))[0]
    moved = gone.rename(tmp_path / gone.name)
    (change,) = json.loads(tables("--verify", str(file), "--json", code=1))["changes"]
    assert (change["before"], change["now"]) == (3, 2) and change["name"].endswith("/ mlp / brier")
    moved.rename(gone)
    # In another place it is the same store.
    tables("--verify", str(file), "--store", str(store.rename(tmp_path / "elsewhere")))
    with pytest.raises(ConfigurationError, match="a store"):
        tables("--verify", str(file))


def test_what_a_file_names_is_not_loaded(store: Path, tmp_path: Path) -> None:
    file, plugin = tmp_path / "mine.md", tmp_path / "evil.py"
    plugin.write_text("raise SystemExit('loaded')\n", encoding="utf-8")
    tables("--store", str(store), "--metric", "error", "-o", str(file))
    text = file.read_text(encoding="utf-8")
    for added, message in (
        (f" --plugin {plugin}", "--plugin"),
        (" --nonsense", "changed"),
        (" a b", "changed"),
    ):
        file.write_text(text.replace("--metric error", f"--metric error{added}"), encoding="utf-8")
        with pytest.raises(ConfigurationError, match=message):
            tables("--verify", str(file))
