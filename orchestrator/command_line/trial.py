"""`calibsweep trial`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line import completion
from orchestrator.command_line.base import Command
from orchestrator.command_line.options import data_option, is_place
from orchestrator.terminal import console


@click.command(
    cls=Command,
    example="calibsweep trial --dataset digits --model mlp --loss 'focal: {gamma: 2}' --seed 0",
)
@click.option(
    "--dataset",
    required=True,
    metavar="NAME",
    shell_complete=completion.datasets,
    help="A data set, as a sweep file would name it.",
)
@click.option(
    "--model",
    required=True,
    metavar="NAME",
    shell_complete=completion.models,
    help="A model, as a sweep file would name it.",
)
@click.option(
    "--loss",
    required=True,
    metavar="NAME",
    shell_complete=completion.losses,
    help="A loss, as a sweep file would name it.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="What initialisation and the order of batches come from: a whole number from 0 on.",
)
@click.option(
    "--protocol",
    default="mukhoti2020",
    show_default=True,
    metavar="NAME",
    shell_complete=completion.protocols,
    help="What says how it is trained (`calibsweep list protocols`).",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    shell_complete=completion.settings,
    help="Changes a setting of this trial, as training.epochs=3. May be given several times. "
    "`calibsweep list settings` has all.",
)
@data_option
@click.option(
    "--store",
    callback=is_place,
    metavar="URI",
    help="Commits the result to this store. Without it nothing is kept, whatever CALIBSWEEP_STORE says.",
)
def trial(
    dataset: str,
    model: str,
    loss: str,
    seed: int,
    protocol: str,
    overrides: tuple[str, ...],
    data: Path | None,
    store: str | None,
) -> None:
    """Trains one trial in this process, without Ray: for a debugger, or a first look at a new loss."""
    from orchestrator.commands import trial as command

    command.run(dataset, model, loss, seed, protocol, list(overrides), data, store, console())
