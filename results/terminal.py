"""The terminal: colours and width of output, and substitutes for unsupported characters."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.default_styles import DEFAULT_STYLES
from rich.segment import Segment
from rich.status import Status
from rich.style import Style
from rich.text import Text
from rich.theme import Theme

from trainables.texts import visible

PLAIN_WIDTH = 160
"""Width of output other than a terminal, which has no width of its own: enough for every column."""

LINES_AND_TABS = "\n\t"

ASCII = str.maketrans({"±": "~", "—": "-", "†": "+", "‡": "#", "§": "$", "¶": "!", "…": ".", "°": "^"})

# Of the 256 colours that are the same in every terminal, only these and 98 have a contrast of 4.5:1 on white
# and on black. They are equally bright, so colour never carries information alone.
GREEN, BLUE, RED, MAGENTA, GREY = (f"color({number})" for number in (29, 63, 131, 163, 243))

STYLES = {
    "good": GREEN,
    "best": f"bold {GREEN}",
    "running": BLUE,
    "command": BLUE,
    "warning": RED,
    "bad": f"bold {MAGENTA}",
    "quiet": GREY,
    "bar.back": GREY,
    "bar.complete": BLUE,
    "bar.finished": GREEN,
    "bar.pulse": BLUE,
    "progress.percentage": BLUE,
    "progress.remaining": BLUE,
    "progress.elapsed": GREY,
    "status.spinner": BLUE,
}
"""Styles by meaning; below, the names that Rich's own bars use."""

THEME = Theme(
    # Rich's own colours are the terminal's, which may be pale on white; so are dim texts.
    {**{name: style.without_color + Style(dim=False) for name, style in DEFAULT_STYLES.items()}, **STYLES},
    inherit=False,
)


class Terminal(Console):
    """Rich's console as used by the commands, for a terminal or another output.

    Texts are shown unchanged: markup is not interpreted, and characters that a terminal acts on are escaped.
    With only 16 colours, whose shades the terminal chooses, none is used, as with NO_COLOR.

    Args:
        plain_width: Columns if the output is not a terminal and COLUMNS is unset; None for Rich's default.
        options: As for `rich.console.Console`.
    """

    def __init__(self, *, plain_width: int | None = PLAIN_WIDTH, **options: Any):
        usual = {"theme": THEME, "markup": False, "emoji": False, "highlight": False}
        super().__init__(**{**usual, **options})
        if self.color_system in ("standard", "windows"):
            self.no_color = True
        if options.get("width") is None:
            self._take_width(plain_width)

    def _take_width(self, plain_width: int | None) -> None:
        is_set = "COLUMNS" in self._environ
        if self.is_dumb_terminal:
            # Rich assumes 80 columns. Emacs's terminal has more, and reports it.
            self.size = shutil.get_terminal_size((80, 25))
        elif is_set or not (self.file.isatty() or plain_width is None):
            self.width = shutil.get_terminal_size((plain_width or 80, 25)).columns

    def status(self, status: RenderableType, *, spinner: str = "dots", **options: Any) -> Status:
        return super().status(status, spinner="line" if self.options.ascii_only else spinner, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        # Before it is measured, and before Rich drops some of these characters.
        return super().render_str(visible(text, LINES_AND_TABS), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Extends Rich's method to any printed object."""
        plain = (options or self.options).ascii_only
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or (text.isascii() and text.isprintable()):
                yield segment
                continue
            shown = visible(text, LINES_AND_TABS)
            yield Segment(shown.translate(ASCII) if plain else shown, segment.style)
