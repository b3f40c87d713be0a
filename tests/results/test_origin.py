"""The origin at the end of a file: each format holds it whole, and gives it back."""

from __future__ import annotations

import io
from dataclasses import replace

import pandas as pd
import pytest

from orchestrator.screen.as_json import as_json
from results.tables.origin import (
    CellOrigin,
    Change,
    Difference,
    Origin,
    changes,
    differences,
    split,
    with_origin,
)
from trainables.errors import ConfigurationError

CELLS = (
    CellOrigin("digits(n=2) / mlp / brier, 4 trials", 3, "0123abcd"),
    CellOrigin("digits(n=2) / mlp / <b>--></pre>&amp;", 1, "fedc3210"),
)
ORIGIN = Origin(
    "my-sweep",
    "a folder/é<&>-->",
    4,
    "ab" * 32,
    CELLS,
    ("ece(bins=20)-none-12ab",),
    "2026-11-27",
    "0.1.0",
    "",
    "calibsweep tables 'my sweep.yaml' --store 'a folder/é<&>-->'",
)
TEXTS = {
    "md": "### ECE\n\n| Loss | ECE |\n| ---- | --: |\n| FL-1 | 3.14 |\n",
    "latex": "% Needs \\usepackage{booktabs}.\n\\toprule\nFL-1 & 3.14 \\\\\n",
    "html": "<html>\n<body>\n<tr><th>FL-1</th>\n<td>3.14</td>\n</tr>\n</body>\n</html>",
    "csv": "loss,mean\nFL-1,3.14\n",
}


@pytest.mark.parametrize("format", TEXTS)
def test_a_file_gives_back_its_tables_and_its_origin(format: str) -> None:
    file = with_origin(TEXTS[format], format, ORIGIN)
    assert split(file) == (TEXTS[format], ORIGIN)
    assert TEXTS[format].removesuffix("</body>\n</html>") in file
    bare = replace(ORIGIN, sweep="", cells=(), scorers=(), commit="1f")
    assert split(with_origin(TEXTS[format], format, bare))[1] == bare
    if format == "csv":
        pd.testing.assert_frame_equal(
            pd.read_csv(io.StringIO(file), comment="#"), pd.read_csv(io.StringIO(TEXTS["csv"]))
        )


def test_json_has_it_as_a_member() -> None:
    text = as_json({"on_test_set": [], "made_from": ORIGIN})
    assert split(text) == (text, ORIGIN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "### ECE\n",
        '{"on_test_set": []}',
        '{"made_from": 3}',
        "# Made by `calibsweep tables`.\n# trials: x\n",
        "{",
    ],
)
def test_other_files_have_none(text: str) -> None:
    with pytest.raises(ConfigurationError, match="origin"):
        split(text)


@pytest.mark.parametrize("format", TEXTS)
def test_differences_are_the_cells_that_differ(format: str) -> None:
    line = {"md": 5, "latex": 3, "html": 4, "csv": 2}[format]
    (found,) = differences(TEXTS[format].replace("3.14", "3.15"), TEXTS[format], format)
    assert found == Difference(f"line {line} (FL-1)", "3.15", "3.14")
    assert differences(TEXTS[format], TEXTS[format], format) == []
    lines = TEXTS[format].splitlines()
    longer = "\n".join([*lines[:line], "More.", *lines[line:]])
    assert differences(TEXTS[format], longer, format) == [Difference(f"line {line + 1}", "", "More.")]
    found = differences(TEXTS[format].replace("3.14", "3.15"), longer, format)
    assert [(each.file, each.store) for each in found] == [("3.15", "3.14"), ("", "More.")]


def test_differences_in_json_ignore_all_but_the_tables() -> None:
    file = '{"store": "a", "made_from": {}, "on_test_set": [{"rows": [1.5, null]}], "loose_rows": 1}'
    store = '{"store": "b", "on_test_set": [{"rows": [1.5, 2]}]}'
    assert differences(file, store, "json") == [Difference("on_test_set[0].rows[1]", "null", "2")]
    assert differences(file, file.replace("loose_rows", "sweep"), "json")


def test_changes_are_the_cells_with_other_trials() -> None:
    one, other = CELLS
    new = CellOrigin("new", 2, "00000000")
    now = replace(ORIGIN, cells=(replace(one, digest="11111111"), new))
    assert changes(ORIGIN, now) == [Change(one.name, 3, 3), Change(other.name, 1, 0), Change("new", 0, 2)]
    assert changes(ORIGIN, replace(ORIGIN, date="2027-01-01", store="elsewhere")) == []
