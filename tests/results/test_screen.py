"""Tables in the terminal: they fit, and say what they leave out."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
import pytest
from rich.cells import cell_len

from results.tables.screen import Screen, screen
from results.terminal import Terminal
from trainables.errors import ConfigurationError

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def shown() -> Screen:
    return screen(pd.read_csv(GOLDEN / "trials.csv"), pd.read_csv(GOLDEN / "sweep.csv"))


def printed(shown: Screen, width: int, terminal: bool = False) -> str:
    text = io.StringIO()
    # Wider than asked for, so that nothing that is too long is cropped before it is seen.
    console = Terminal(
        file=text, width=400, force_terminal=terminal, color_system="256" if terminal else None
    )
    console.print(shown, width=width)
    return text.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_lines_fit_and_columns_are_whole(shown: Screen, width: int) -> None:
    lines = printed(shown, width).splitlines()
    assert max(map(cell_len, lines)) <= width
    grid = lines[lines.index("Digits / Small CNN") + 1 :][:6]
    names = grid[0].split()
    for loss in grid[2:]:
        cells = re.split(r"\s+", re.sub(r"^\S+( Loss)?( \(n=2\))?\s+", "", loss))
        # Error has one column, the first calibration error three with its temperature, the others two.
        assert len(cells) == {1: 1, 2: 4, 3: 6, 4: 8, 5: 10}[len(names)]
        assert all(re.fullmatch(r"\*?\d+\.\d\d(±\d+\.\d\d)?", cell) for cell in cells), loss


def test_exclusions_are_reported(shown: Screen) -> None:
    assert "Too narrow" not in printed(shown, 200)
    at_120, at_80 = printed(shown, 120), printed(shown, 80)
    assert "MCE" in at_120.splitlines()[1] and "Too narrow for the deviations of MCE" in at_120
    assert "MCE" not in at_80.splitlines()[1] and "Too narrow for NLL, MCE" in at_80


@pytest.mark.parametrize(
    ("width", "scores"), [(24, ["Error"]), (40, ["Error", "ECE"]), (80, ["Error", "ECE"])]
)
def test_a_long_label_is_wrapped_and_takes_no_numbers(width: int, scores: list[str]) -> None:
    long = "a_loss(of_many_parameters=1,and=2,\x1b[31m,数据)" * 3
    trials = pd.read_csv(GOLDEN / "trials.csv").replace("brier", long)
    lines = printed(screen(trials), width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert lines[lines.index("Digits / Small CNN") + 1].split() == scores
    place = next(number for number, line in enumerate(lines) if line.startswith("a_loss"))
    assert re.search(r" \*?\d+\.\d\d", lines[place])
    whole = "".join(line.split("  ")[0] for line in lines[place:])
    assert whole.startswith(long.replace("\x1b", r"\x1b"))


def test_only_the_requested_metrics_are_shown() -> None:
    trials = pd.read_csv(GOLDEN / "trials.csv")
    text = printed(screen(trials, metrics=["nll", "top_5_accuracy"]), 100)
    assert re.search(r"^ +NLL +Top-5$", text, re.MULTILINE) and "ECE  " not in text
    with pytest.raises(ConfigurationError, match="nonsense"):
        screen(trials, metrics=["nonsense"])


def test_the_best_is_marked_in_colour_and_without(shown: Screen) -> None:
    plain, coloured = printed(shown, 120), printed(shown, 120, terminal=True)
    assert "\x1b" not in plain and "*1.20±0.14" in plain and "*1.20±0.20" in plain
    assert re.search(r"\x1b\[1;38;5;\d+m\*1\.20±0\.14\x1b\[0m", coloured)
    assert "AdaFocal (n=2)" in plain and "Missing (— where a cell has none): 6 of 50 trials" in plain


def test_a_terminal_without_unicode_gets_ascii(shown: Screen) -> None:
    raw = io.BytesIO()
    text = io.TextIOWrapper(raw, encoding="ascii")
    Terminal(file=text, width=120).print(shown)
    text.flush()
    assert b"*1.20~0.14" in raw.getvalue()
