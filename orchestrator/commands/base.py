"""How commands are declared and how their help reads, from one command to the next."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from typing import Any

import click

NAME = "calibsweep"

MOST = 1e9
"""GPUs, GPU-hours, or what an hour costs, in whatever currency."""

WIDEST = 100

CONTEXT = {
    "help_option_names": ["-h", "--help"],
    # click's own takes no window for narrower than 50.
    "terminal_width": max(min(shutil.get_terminal_size().columns, WIDEST) - 2, 20),
}


class Command(click.Command):
    """A command whose function returns its exit code, or nothing for 0.

    Args:
        example: A line that can be pasted.
    """

    def __init__(self, *arguments: Any, example: str = "", **options: Any):
        super().__init__(*arguments, **{"context_settings": CONTEXT, **options})
        self.example = example

    def invoke(self, ctx: click.Context) -> Any:
        ctx.exit(super().invoke(ctx) or 0)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"\nExample:\n  {self.example}\n")


class Group(click.Group):
    """Commands under headings."""

    def __init__(self, name: str, **options: Any):
        super().__init__(
            name,
            context_settings=CONTEXT,
            no_args_is_help=True,
            subcommand_metavar="COMMAND ...",
            **options,
        )
        self.headings: dict[str, list[click.Command]] = {}

    def add(self, heading: str, commands: Sequence[click.Command]) -> None:
        self.headings[heading] = list(commands)
        for command in commands:
            self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(len(command.name or "") for group in self.headings.values() for command in group)
        for heading, commands in self.headings.items():
            with formatter.section(heading):
                # All headings have their texts in one column.
                formatter.write_dl([(f"{c.name:<{width}}", c.get_short_help_str(200)) for c in commands])


app = Group(NAME, help="Finds out which training loss gives a network whose confidence can be trusted.")
"""The command line. `orchestrator/cli.py` adds the commands, which may name one another by it."""


class Choice(click.Choice[str]):
    """One of some names; for another one the nearest is told."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        from trainables.registry import closest

        return f"there is no {value!r}.{closest(str(value), self.choices)}"


class Amount(click.ParamType[float]):
    """A number from 0 on that is finite, and no slip of the hand."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number <= MOST:
            self.fail(f"{value!r} is not a number from 0 to {MOST:g}.", param, ctx)
        return number
