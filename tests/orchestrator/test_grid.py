"""The grid of a plan reads as Rich's own table."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from orchestrator.screen.grid import Grid
from results.terminal import Terminal

ROWS = [
    [Text("focal(gamma=0.25)"), Text("5/5", style="good"), Text("-", style="quiet")],
    [Text("字/a rather long name"), Text("1/5").append(" 1 failed", style="bad"), Text("0/5")],
]


@pytest.mark.parametrize("width", [8, 30, 47, 48, 160])
@pytest.mark.parametrize(
    "heading", [["digits", "mlp", "small_cnn"], ["a heading wider than names", "m\x1b", "ü"]]
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_grid_reads_as_the_table_of_rich(width: int, heading: list[str], encoding: str) -> None:
    def printed(what: object) -> bytes:
        file = io.TextIOWrapper(io.BytesIO(), encoding, errors="replace")
        Terminal(file=file, width=width).print(what)
        file.flush()
        return file.buffer.getvalue()  # type: ignore[attr-defined, no-any-return]

    grid = Grid(heading, ROWS)
    assert printed(grid) == printed(grid.folded())
