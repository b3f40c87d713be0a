"""`calibsweep report`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Command
from orchestrator.commands.options import FILE, json_option, set_option, store_option, trials_of_argument


@click.command(cls=Command, example="calibsweep report quickstart --store ./store -o report.html")
@trials_of_argument(", the missing ones counted")
@store_option
@click.option(
    "-o",
    "--output",
    type=FILE,
    default=Path("report.html"),
    show_default=True,
    metavar="FILE",
    help="The page, which replaces another file of its name.",
)
@click.option(
    "--epoch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Also the scores after this epoch, from the learning curves.",
)
@set_option
@json_option
def report(
    sweep: str | None, store: str, output: Path, epoch: int | None, overrides: tuple[str, ...], json: bool
) -> None:
    """Make one page of a sweep from the store alone: the best loss, how sure that is, and every trial.

    The page is one file without links to others: send it to anyone, open it in any browser.
    """
    from orchestrator.use_cases.report import report

    made = report(store, sweep, output, overrides=overrides, epoch=epoch)
    if json:
        from orchestrator.screen.as_json import as_json

        click.echo(as_json(made), nl=False)
        return
    from orchestrator.screen.reported import print_reported

    print_reported(made)
