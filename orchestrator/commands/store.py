"""`calibsweep store`: what looks after a store of results."""

from __future__ import annotations

import click

from orchestrator.commands import completion
from orchestrator.commands.base import Command, Group
from orchestrator.commands.options import json_option, store_option
from orchestrator.screen.terminal import console, warn

store = Group("store", help="Looks after a store of results.")


@click.command(cls=Command, example="calibsweep store compact --store ./store")
@store_option
@json_option
def compact(store: str, json: bool) -> None:
    """Gathers the rows of all finished trials in one file, so that thousands are read at once."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.use_cases.compact import compact
    from results.wording import counted

    compacted = compact(store, warn=warn)
    if json:
        click.echo(as_json(compacted), nl=False)
    else:
        told = f"{counted(compacted.trials, 'trial')} in the compacted copy of {store}."
        console().print(told, highlight=False)


@click.command(cls=Command, example="calibsweep store verify --store ./store")
@store_option
@json_option
def verify(store: str, json: bool) -> int:
    """Looks at every file of a store, and scores every finished trial anew from its stored logits.

    All that is found is told by kind, with what the next run makes of it. Exit code 1 if anything differs
    from what was committed, or is damaged.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.bars import bar
    from orchestrator.screen.verified import print_verified
    from orchestrator.use_cases.verify import verify

    if json:
        verified = verify(store)
        click.echo(as_json(verified), nl=False)
    else:
        with bar("verifying", console()) as progress:
            verified = verify(store, progress=progress)
        print_verified(verified, console())
    return 1 if verified.wrong else 0


@click.command(cls=Command, example="calibsweep store ls --store ./store")
@store_option
@json_option
def ls(store: str, json: bool) -> None:
    """Shows what a store holds: which seeds of which data set, model and loss are done or failed.

    With the size of their files, and what they were made with.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.contents import print_contents
    from orchestrator.use_cases.contents import contents

    held = contents(store)
    if json:
        click.echo(as_json(held), nl=False)
    else:
        print_contents(held, console())


@click.command(
    cls=Command,
    example="calibsweep store rescore --metric brier --calibrator temperature_nll --store ./store",
)
@click.argument(
    "sweep",
    required=False,
    metavar="[SWEEP]",
    shell_complete=completion.sweeps,
    help="Only the trials of this sweep file or bundled sweep.",
)
@store_option
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.metrics,
    help="Only this metric (`calibsweep list metrics`). May be given several times.",
)
@click.option(
    "--calibrator",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.calibrators,
    help="Under this calibrator. May be given several times. [default: none, as trained]",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    metavar="N",
    help="So many trials side by side. [default: as many as there are cores]",
)
@json_option
def rescore(
    sweep: str | None,
    store: str,
    metric: tuple[str, ...],
    calibrator: tuple[str, ...],
    processes: int | None,
    json: bool,
) -> int:
    """Computes metrics under calibrators from the stored logits, for tables of scores that rows lack.

    They go into a folder of their own, rescored/, which may be deleted. What was committed is not touched.
    After an interruption the same command goes on. Exit code 1 if a trial could not be scored.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.bars import bar
    from orchestrator.screen.rescored import print_rescored
    from orchestrator.use_cases.rescore import rescore

    if json:
        rescored = rescore(store, metric, calibrator, sweep, processes=processes)
        click.echo(as_json(rescored), nl=False)
    else:
        with bar("scoring", console()) as progress:
            rescored = rescore(store, metric, calibrator, sweep, processes=processes, progress=progress)
        print_rescored(rescored, console())
    return 1 if rescored.failed else 0


store.add("Commands", [ls, verify, rescore, compact])
