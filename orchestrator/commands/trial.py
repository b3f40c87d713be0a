"""`calibsweep trial`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from orchestrator.command_line.base import Command
from orchestrator.commands import completion
from orchestrator.commands.options import data_option, is_place, json_option, set_option_of
from orchestrator.screen.terminal import console, warn


def _component(name: str, noun: str, complete: Callable[..., Any]) -> Callable[[Any], Any]:
    return click.option(
        name,
        required=True,
        metavar="NAME",
        shell_complete=complete,
        help=f"A {noun}, by its name in a sweep file.",
    )


@click.command(
    cls=Command,
    example="calibsweep trial --dataset digits --model mlp --loss 'focal: {gamma: 2}' --seed 0",
)
@_component("--dataset", "data set", completion.datasets)
@_component("--model", "model", completion.models)
@_component("--loss", "loss", completion.losses)
@click.option(
    "--sampler",
    default="natural",
    show_default=True,
    metavar="NAME",
    shell_complete=completion.samplers,
    help="The sampler of each epoch, by its name in a sweep file.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of the initialisation and the order of batches: a whole number from 0.",
)
@click.option(
    "--protocol",
    default="mukhoti2020",
    show_default=True,
    metavar="NAME",
    shell_complete=completion.protocols,
    help="Protocol of training (`calibsweep list protocols`).",
)
@set_option_of("this trial")
@data_option
@click.option(
    "--store",
    callback=is_place,
    metavar="URI",
    help="Commit the result to this store. [default: keep nothing; CALIBSWEEP_STORE is ignored]",
)
@json_option
def trial(
    dataset: str,
    model: str,
    loss: str,
    sampler: str,
    seed: int,
    protocol: str,
    overrides: tuple[str, ...],
    data: Path | None,
    store: str | None,
    json: bool,
) -> None:
    """Train one trial in this process, without Ray: for a debugger, or a first look at a new loss."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.trial import print_epoch, print_finished, print_start
    from orchestrator.use_cases.trial import trial

    asked = partial(
        trial,
        dataset,
        model,
        loss,
        seed,
        sampler=sampler,
        protocol=protocol,
        overrides=overrides,
        data=data,
        store=store,
    )
    if json:
        click.echo(as_json(asked(warn=warn)), nl=False)
        return
    screen = console()
    finished = asked(on_start=partial(print_start, screen), on_epoch=partial(print_epoch, screen), warn=warn)
    print_finished(screen, finished, kept=store is not None)
