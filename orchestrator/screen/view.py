"""Draws a running sweep in a terminal of any size, one line per trial."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.control import Control
from rich.live import Live
from rich.live_render import LiveRender
from rich.segment import Segment
from rich.text import Text

from results.wording import clock

PARTS = " / "
"""Separator of the parts of a trial's label."""

OVERALL_BAR, TRIAL_BAR, LEAST_BAR = 30, 20, 10

ECHO = 2
"""Free cells at the cursor, where a terminal echoes ^C. If the echo began a new row, a line would be left
behind, since Rich would not know of that row."""

FORMS = ((False, TRIAL_BAR), (False, LEAST_BAR), (True, LEAST_BAR), (True, 0))
"""Forms of the text beside a trial's label: whether it is short, and the width of its bar."""


@dataclass(frozen=True)
class Row:
    """A running trial.

    Attributes:
        error: On the validation part after the last epoch, as a fraction; None if still unknown.
        quiet_seconds: Time since the last batch if that is long.
    """

    label: str
    epoch: int
    epochs: int
    error: float | None = None
    quiet_seconds: float | None = None


@dataclass(frozen=True)
class Standing:
    """The state of a sweep.

    Attributes:
        doing: The current step before trials run; '' once they do.
        before: Number of trials done before this run.
        total: Number of trials of this run.
        passed: Seconds since the command was typed.
        left: Estimated time left, as text; not shown once all trials have ended.
    """

    doing: str
    rows: Sequence[Row]
    done: int
    failed: int
    before: int
    total: int
    passed: float
    left: str


def lines(standing: Standing, width: int, height: int, plain: bool = False) -> list[Text]:
    """The sweep's lines, each narrower than the window, the overall bar last.

    Args:
        width, height: Size of the window, in cells. One line of it stays free.
        plain: Use only ASCII.
    """
    width, room = max(width - 1, 1), max(height - 2, 0)
    drawn = [Text(cut(standing.doing, width, plain))] if standing.doing and room else []
    room -= len(drawn)
    rows = list(standing.rows)
    shown = rows if len(rows) <= room else rows[: max(room - 1, 0)]
    drawn += _trials(shown, width, plain)
    if len(shown) < len(rows) and room:
        drawn.append(Text(cut(f"and {len(rows) - len(shown)} more", width, plain), style="quiet"))
    return [*drawn, _overall(standing, max(width - ECHO, 1), plain)]


def _trials(rows: Sequence[Row], width: int, plain: bool) -> list[Text]:
    if not rows:
        return []
    whole = [row.label for row in rows]
    # Take the first form that leaves room for the labels, whole or without their common parts. The last form
    # cuts them.
    for labels, (short, bar) in itertools.product((whole, _distinct(whole)), FORMS):
        details = [_details(row, short) for row in rows]
        longest = max(map(cell_len, labels))
        room = width - max(map(cell_len, details)) - 1 - (bar + 1 if bar else 0)
        if room >= longest:
            break
    label_width = max(min(room, longest), 1)
    drawn = []
    for row, label, text in zip(rows, labels, details, strict=True):
        line = Text(set_cell_size(cut(label, label_width, plain), label_width) + " ")
        if bar:
            line.append_text(_bar(row.epoch, row.epochs, bar, plain)).append(" ")
        line.append(text, style="warning" if row.quiet_seconds is not None else "")
        line.truncate(width)
        drawn.append(line)
    return drawn


def _distinct(labels: list[str]) -> list[str]:
    """Removes the parts with which all labels begin."""
    parts = [label.split(PARTS) for label in labels]
    while len(parts) > 1 and len({tuple(each[:1]) for each in parts}) == 1 and min(map(len, parts)) > 1:
        parts = [each[1:] for each in parts]
    return [PARTS.join(each) for each in parts]


def _details(row: Row, short: bool) -> str:
    epochs = f"{row.epoch}/{row.epochs}" if short else f"{row.epoch}/{row.epochs} epochs"
    if row.quiet_seconds is not None:
        return f"{epochs}, {standing_still(row.quiet_seconds)}"
    if row.error is None:
        return epochs
    return f"{epochs}, {'error' if short else 'validation error'} {row.error:.1%}"


def _overall(standing: Standing, width: int, plain: bool) -> Text:
    ended = standing.done + standing.failed
    before = f" ({standing.before} before)" if standing.before else ""
    failed = f", {standing.failed} failed" if standing.failed else ""
    count = f"{ended}/{standing.total}{failed}"
    passed = clock(standing.passed)
    still = ended < standing.total
    to_go = f"{standing.left} to go" if still else f"took {passed}"
    time = f"{passed} passed, {to_go}" if still else to_go
    left = f", {standing.total - ended} left" if still else ""
    for text, least in (
        (f"{standing.done} done{before}, {standing.failed} failed{left}; {time}", LEAST_BAR),
        (f"{count}; {time}", LEAST_BAR),
        (f"{count}; {passed}, {to_go}" if still else f"{count}; {to_go}", LEAST_BAR // 2),
        (f"{count}; {to_go}", 0),
        (count, 0),
    ):
        room = width - cell_len(text) - 1
        if room >= least:
            break
    line = _bar(ended, standing.total, max(min(room, OVERALL_BAR), 0), plain)
    line.append(f" {text}", style="bold")
    line.truncate(width)
    return line


def _bar(done: int, total: int, width: int, plain: bool) -> Text:
    """A bar that is readable without colours."""
    full = width * done // total if total else 0
    whole, rest = ("#", "-") if plain else ("━", "┄")
    return Text.assemble(whole * full, (rest * (width - full), "quiet"))


def cut(label: str, width: int, plain: bool = False) -> str:
    """Shortens a label to `width` cells. Cuts its middle, since the seed is last."""
    if cell_len(label) <= width:
        return label
    gap = "." if plain else "…"
    end = (width - 1) // 2
    start = set_cell_size(label, width - 1 - end).rstrip()
    return f"{start}{gap}{label[len(label) - end :] if end else ''}"


def standing_still(seconds: float) -> str:
    return f"no batch for {clock(seconds)}"


class View(Live):
    """Draws lines below other output, and redraws them when they or the window change.

    Args:
        drawn: Returns the lines for a width, a height, and whether to use only ASCII.
    """

    def __init__(self, console: Console, drawn: Callable[[int, int, bool], Sequence[Text]]):
        def group() -> Group:
            options = console.options
            return Group(*drawn(options.max_width, console.size.height, options.ascii_only))

        super().__init__(get_renderable=group, console=console, refresh_per_second=4, transient=True)
        self._live_render = _Reflowed(group(), console)


class _Reflowed(LiveRender):
    """Recounts the rows of its lines, since a narrower window wraps the lines already drawn."""

    def __init__(self, drawn: Group, console: Console):
        super().__init__(drawn)
        self.console = console
        self.widths: list[int] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rendered = list(super().__rich_console__(console, options))
        segments = [part for part in rendered if isinstance(part, Segment)]
        self.widths = [sum(part.cell_length for part in line) for line in Segment.split_lines(segments)]
        yield from rendered

    def _count_again(self) -> None:
        if self._shape is not None:
            width = max(self.console.width, 1)
            self._shape = self._shape[0], sum(max(1, -(-each // width)) for each in self.widths)

    def position_cursor(self) -> Control:
        self._count_again()
        return super().position_cursor()

    def restore_cursor(self) -> Control:
        self._count_again()
        return super().restore_cursor()
