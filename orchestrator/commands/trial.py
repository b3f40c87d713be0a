"""`calibsweep trial`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from orchestrator.commands import completion
from orchestrator.commands.base import Command
from orchestrator.commands.options import data_option, is_place, set_option_of
from orchestrator.screen.terminal import console


def _component(name: str, noun: str, complete: Callable[..., Any]) -> Callable[[Any], Any]:
    return click.option(
        name,
        required=True,
        metavar="NAME",
        shell_complete=complete,
        help=f"A {noun}, as a sweep file would name it.",
    )


@click.command(
    cls=Command,
    example="calibsweep trial --dataset digits --model mlp --loss 'focal: {gamma: 2}' --seed 0",
)
@_component("--dataset", "data set", completion.datasets)
@_component("--model", "model", completion.models)
@_component("--loss", "loss", completion.losses)
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
@set_option_of("this trial")
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
    from orchestrator.use_cases import trial as command

    command.run(dataset, model, loss, seed, protocol, list(overrides), data, store, console())
