"""What reaches a terminal: colours that can be read, texts that do nothing to it, and lines that fit."""

from __future__ import annotations

import ast
import io
import re
import sys
from pathlib import Path

import pytest
from rich.progress_bar import ProgressBar
from rich.style import Style
from rich.table import Table
from rich.text import Text

from results.terminal import PLAIN_WIDTH, THEME, Terminal

HOSTILE = "a\x1b[2J\x1b]0;x\x07b\rc\x08d\u202ee\u200bf\x9b31m"
SHOWN = r"a\x1b[2J\x1b]0;x\x07b\rc\x08d\u202ee\u200bf\x9b31m"


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """WCAG 2's contrast ratio of two colours of 0 to 255."""

    def luminance(colour: tuple[int, int, int]) -> float:
        parts = [part / 255 for part in colour]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def readable(style: Style) -> bool:
    """Whether it holds 4.5:1 on white and on black, in colours that no terminal chooses by itself."""
    if style.dim or style.conceal or style.bgcolor:
        return False
    if style.color is None or style.color.is_default:
        return True
    if style.color.number is not None and style.color.number < 16:
        return False
    colour = tuple(style.color.get_truecolor())
    return contrast(colour, (255, 255, 255)) >= 4.5 and contrast(colour, (0, 0, 0)) >= 4.5


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    assert contrast((0x76, 0x76, 0x76), (255, 255, 255)) == pytest.approx(4.54, abs=0.005)


def test_every_colour_can_be_read_on_white_and_on_black() -> None:
    assert [name for name, style in THEME.styles.items() if not readable(style)] == []
    assert not readable(Style.parse("green")) and not readable(Style.parse("color(28)"))


def test_nothing_is_printed_in_another_style(repository: Path) -> None:
    # Named by what it tells, so that no colour of the terminal's own comes in.
    other = re.compile(
        r"(not |bold |dim |italic |on )*(dim|(bright_)?(black|red|green|yellow|blue|magenta|cyan|white))"
    )
    for floor in ("orchestrator", "results", "docs"):
        for path in sorted((repository / floor).rglob("*.py")):
            if "figures" in path.parts:
                continue  # On paper a colour is a colour.
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert not other.fullmatch(node.value), f"{path}, line {node.lineno}"
                named = node.arg if isinstance(node, ast.keyword) else ""
                if (named == "style" or (named and named.endswith("_style"))) and isinstance(
                    node.value, ast.Constant
                ):
                    assert node.value.value in THEME.styles, f"{path}, line {node.value.lineno}"


def written(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool = True, encoding: str = "utf-8", **environment: str
) -> tuple[Terminal, io.BytesIO]:
    """A terminal in this environment, and the bytes that reach it."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **environment}.items():
        monkeypatch.setenv(name, value)
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace", write_through=True)
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdout", stream)
    return Terminal(), raw


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, rb"\x1b\[1;38;5;\d+mfailed\x1b\[0m\n"),
        ({"COLORTERM": "truecolor"}, rb"\x1b\[1;38;5;\d+mfailed\x1b\[0m\n"),
        # Whose shades the terminal chooses: green on white may be 2:1.
        ({"TERM": "xterm"}, rb"\x1b\[1mfailed\x1b\[0m\n"),
        ({"NO_COLOR": "1"}, rb"\x1b\[1mfailed\x1b\[0m\n"),
        ({"TERM": "dumb"}, rb"failed\n"),
    ],
    ids=str,
)
def test_colours_only_where_they_are_wanted_and_known(
    environment: dict[str, str], expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, raw = written(monkeypatch, **environment)
    terminal.print("failed", style="bad")
    assert re.fullmatch(expected, raw.getvalue())


def test_a_pipe_gets_no_control_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, raw = written(monkeypatch, terminal=False)
    terminal.print("failed", style="bad")
    assert raw.getvalue() == b"failed\n"


@pytest.mark.parametrize(
    ("environment", "terminal", "width"),
    [
        ({}, False, PLAIN_WIDTH),
        ({"FORCE_COLOR": "1"}, False, PLAIN_WIDTH),
        ({"COLUMNS": "47"}, False, 47),
        ({"COLUMNS": "0"}, False, PLAIN_WIDTH),
        ({"COLUMNS": "wide"}, False, PLAIN_WIDTH),
        ({"COLUMNS": "47"}, True, 47),
        ({"COLUMNS": "47", "TERM": "dumb"}, True, 47),
    ],
    ids=str,
)
def test_the_width_is_that_of_COLUMNS_or_wide_enough(
    environment: dict[str, str], terminal: bool, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, raw = written(monkeypatch, terminal=terminal, **environment)
    assert found.width == width
    found.print("x " * 200)
    lines = re.sub(r"\x1b\[\d*m", "", raw.getvalue().decode()).splitlines()
    assert max(map(len, lines)) in (width, width - 1)


def test_texts_from_outside_are_shown_and_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, raw = written(monkeypatch, TERM="dumb", COLUMNS="300")
    table = Table(HOSTILE, box=None, title=HOSTILE)
    table.add_row(HOSTILE)
    terminal.print(HOSTILE)
    terminal.print(HOSTILE, style="bad", highlight=False, soft_wrap=True)
    terminal.print(table)
    assert raw.getvalue().decode().count(SHOWN) == 5
    # A text that was made before it met the terminal; Rich itself drops the characters that move the cursor.
    terminal.print(Text(HOSTILE, "warning"))
    assert not set(raw.getvalue()) & {0x1B, 0x07, 0x08, 0x0D, 0x9B, 0x7F}
    assert "\u202e" not in raw.getvalue().decode()


def test_lines_of_a_traceback_stay_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, raw = written(monkeypatch, TERM="dumb", COLUMNS="300")
    terminal.print('Traceback:\n  File "x\x1b[0m"\n\tKeyError', soft_wrap=True)
    assert raw.getvalue().decode().expandtabs() == 'Traceback:\n  File "x\\x1b[0m"\n        KeyError\n'


def test_a_terminal_without_unicode_gets_other_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, raw = written(monkeypatch, encoding="ascii", TERM="dumb", COLUMNS="40")
    terminal.print("1.20±0.14 —")
    terminal.print(ProgressBar(total=2, completed=1, width=10))
    terminal.print("数据")
    assert raw.getvalue().startswith(b"1.20~0.14 -\n-----")
    assert raw.getvalue().isascii() and rb"\u6570\u636e" in raw.getvalue()
