"""Base classes of commands and option types, with a common layout of the help."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from typing import Any

import click

NAME = "calibsweep"

MOST = 1e9
"""Upper limit for GPUs, GPU-hours, and the price of an hour in any currency."""

WIDEST = 100

CONTEXT = {
    "help_option_names": ["-h", "--help"],
    # click's default assumes a window of at least 50 columns.
    "terminal_width": max(min(shutil.get_terminal_size().columns, WIDEST) - 2, 20),
}


PLUGINS_VARIABLE = "CALIBSWEEP_PLUGINS"

given_plugins: list[str] = []
"""The plug-ins of this command line, as typed."""


def _load_plugins(context: click.Context, parameter: click.Parameter, files: Sequence[str]) -> None:
    from trainables.errors import ConfigurationError
    from trainables.registry.plugins import PLUGINS

    # A context made only to parse another command line has no parent.
    if context.parent is not None:
        given_plugins[:] = files
    try:
        PLUGINS.add(files)
    except ConfigurationError:
        # An incomplete line is not a mistake during completion.
        if not context.resilient_parsing:
            raise


def plugin_option() -> click.Option:
    """--plugin, which registers components before any other option is parsed."""
    return click.Option(
        ["--plugin", "plugins"],
        multiple=True,
        is_eager=True,
        expose_value=False,
        callback=_load_plugins,
        type=click.Path(),
        envvar=PLUGINS_VARIABLE,
        metavar="FILE",
        show_envvar=True,
        help="A Python file with your own losses, models, data sets or other components. Repeatable.",
    )


class Command(click.Command):
    """A command whose function returns its exit code, or nothing for 0.

    Args:
        example: A line that can be pasted.
        components: Whether it takes names of components, and therefore --plugin.
    """

    def __init__(self, *arguments: Any, example: str = "", components: bool = True, **options: Any):
        super().__init__(*arguments, **{"context_settings": CONTEXT, **options})
        self.example = example
        if components:
            self.params.append(plugin_option())

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
                # Align the texts under all headings.
                formatter.write_dl([(f"{c.name:<{width}}", c.get_short_help_str(200)) for c in commands])


app = Group(NAME, help="Find the training loss that gives a network with trustworthy confidence.")
"""The command line. `orchestrator/cli.py` adds the commands. Commands look one another up here."""


class Choice(click.Choice[str]):
    """One of several names. The error for any other suggests the nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        from trainables.registry import closest

        return f"unknown value {value!r}.{closest(str(value), self.choices)}"


class Amount(click.ParamType[float]):
    """A number from 0 to `MOST`, which excludes typing mistakes."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number <= MOST:
            self.fail(f"{value!r} is not a number from 0 to {MOST:g}.", param, ctx)
        return number
