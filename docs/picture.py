"""Draws the README's picture: the tables on the screen at the end of `make quickstart`, from its store.

.venv/bin/python docs/picture.py quickstart docs/quickstart.svg
"""

from __future__ import annotations

import io
import sys

from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from orchestrator.use_cases.tables import tables
from results.tables.screen import ON_SCREEN, Screen
from results.terminal import Terminal

WIDTH = 128


def main(store: str, picture: str) -> None:
    console = Terminal(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="256")
    console.print("$ make quickstart", style="command")
    made = tables(store, "quickstart", metrics=ON_SCREEN)
    console.print(Screen(made.on_test_set))
    # White: on grey the colours would be pale.
    console.save_svg(picture, title="calibsweep", theme=DEFAULT_TERMINAL_THEME)


main(*sys.argv[1:])
