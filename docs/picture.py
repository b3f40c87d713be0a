"""Draws the README's picture: the tables on the screen at the end of `make quickstart`, from its store.

.venv/bin/python docs/picture.py quickstart docs/quickstart.svg
"""

from __future__ import annotations

import io
import sys

from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from orchestrator.use_cases.tables import trials
from results.scoring.scores import temperature_by
from results.store.store import Store
from results.tables.screen import screen
from results.terminal import Terminal
from sweeps.expand import expected_frame, load

WIDTH = 128


def main(store: str, picture: str) -> None:
    sweep = load("quickstart")
    console = Terminal(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="256")
    console.print("$ make quickstart", style="command")
    kept = Store(store)
    finished = trials(kept, kept.snapshot(sweep.trials))
    shown = screen(finished, expected_frame(sweep.trials), temperature_by(sweep.temperature_criterion))
    console.print(shown)
    # White: on grey the colours would be pale.
    console.save_svg(picture, title="calibsweep", theme=DEFAULT_TERMINAL_THEME)


main(*sys.argv[1:])
