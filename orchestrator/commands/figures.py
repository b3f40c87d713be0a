"""`calibsweep figures`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Choice, Command
from orchestrator.commands import completion
from orchestrator.commands.options import (
    FOLDER,
    data_option,
    json_option,
    set_option,
    store_option,
    sweep_argument,
)

FORMATS = ("svg", "pdf")


@click.command(
    cls=Command, example="calibsweep figures quickstart --store ./store --figure reliability -o figures"
)
@sweep_argument
@store_option
@click.option(
    "--figure",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.figures,
    help="Only this figure (docs/figures.md shows all). Repeatable. [default: all that can be drawn]",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=FOLDER,
    default=Path("figures"),
    show_default=True,
    metavar="FOLDER",
    help="Folder of the files, which replace others of their names.",
)
@click.option("--format", type=Choice(FORMATS), default="svg", show_default=True, help="Format of the files.")
@click.option(
    "--loss",
    "losses",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.losses,
    help="Only this loss, by its name in the sweep. Repeatable.",
)
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="The seed of figures of single trials. [default: the smallest that all losses have]",
)
@click.option(
    "--epoch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only figures that can show any epoch, of this one. [default: the reported epoch]",
)
@click.option(
    "--calibrator",
    metavar="NAME",
    shell_complete=completion.calibrators,
    help="The calibrator of 'after'. [default: the protocol's temperature scaling]",
)
@data_option
@set_option
@json_option
def figures(
    sweep: str,
    store: str,
    names: tuple[str, ...],
    folder: Path,
    format: str,
    losses: tuple[str, ...],
    seed: int | None,
    epoch: int | None,
    calibrator: str | None,
    data: Path | None,
    overrides: tuple[str, ...],
    json: bool,
) -> None:
    """Draw the figures of a sweep from the store alone."""
    from orchestrator.use_cases.figures import figures

    drawn = figures(
        sweep,
        store,
        names,
        folder=folder,
        format=format,
        losses=losses,
        seed=seed,
        epoch=epoch,
        calibrator=calibrator,
        overrides=overrides,
        data=data,
    )
    if json:
        from orchestrator.screen.as_json import as_json

        click.echo(as_json(drawn), nl=False)
        return
    from orchestrator.screen.figures import print_drawn

    print_drawn(drawn)
