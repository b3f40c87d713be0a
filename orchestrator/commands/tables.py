"""`calibsweep tables`."""

from __future__ import annotations

import click

from orchestrator.commands import completion
from orchestrator.commands.base import Choice, Command
from orchestrator.commands.options import set_option, store_option
from orchestrator.screen.terminal import console

FORMATS = ("md", "latex", "html", "csv")
CRITERIA = ("ece", "adaptive_ece", "nll")


@click.command(
    cls=Command, example="calibsweep tables quickstart --store ./store --format latex > tables.tex"
)
@click.argument(
    "sweep",
    required=False,
    metavar="[SWEEP]",
    shell_complete=completion.sweeps,
    help="Only the trials of this sweep file or bundled sweep, and those missing of it.",
)
@store_option
@click.option(
    "--format",
    type=Choice(FORMATS),
    help="Prints all tables in this format. Without it, a compact view for the screen.",
)
@click.option(
    "--criterion",
    type=Choice(CRITERIA),
    help="What temperatures minimise. Without it, as the protocol says.",
)
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.scores,
    help="Only this table, as ece. May be given several times.",
)
@click.option("--standalone", is_flag=True, help="LaTeX: a whole document that compiles as it is.")
@set_option
def tables(
    sweep: str | None,
    store: str,
    format: str | None,
    criterion: str | None,
    metric: tuple[str, ...],
    standalone: bool,
    overrides: tuple[str, ...],
) -> None:
    """Regenerates the result tables from the store alone."""
    from orchestrator.use_cases import tables as command

    command.show(sweep, store, format, criterion, metric, standalone, list(overrides), console())
