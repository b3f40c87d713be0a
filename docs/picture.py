"""Draws the README's picture: the tables on the screen at the end of `make quickstart`, from its store.

.venv/bin/python docs/picture.py quickstart docs/quickstart.svg
"""

from __future__ import annotations

import io
import sys

from orchestrator.commands.tables import trials
from results.screen import screen
from results.store import Store
from results.terminal import Terminal
from sweeps.expand import expected_frame, load

WIDTH = 128


def main(store: str, picture: str) -> None:
    sweep = load("quickstart")
    console = Terminal(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="256")
    console.print("$ make quickstart", style="command")
    shown = screen(trials(Store(store)), expected_frame(sweep.trials), sweep.temperature_criterion)
    console.print(shown)
    console.save_svg(picture, title="calibsweep")


main(*sys.argv[1:])
