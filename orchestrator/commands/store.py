"""`calibsweep store`: maintain a store of results."""

from __future__ import annotations

import click

from orchestrator.command_line.base import Command, Group
from orchestrator.commands import completion
from orchestrator.commands.options import is_place, json_option, store_option, trials_of_argument
from orchestrator.screen.terminal import console, warn

store = Group("store", help="Maintain a store of results.")


@click.command(cls=Command, example="calibsweep store compact --store ./store")
@store_option
@json_option
def compact(store: str, json: bool) -> None:
    """Copy the rows of all finished trials into one file, for speed with thousands of trials."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.use_cases.compact import compact
    from results.wording import counted

    compacted = compact(store, warn=warn)
    if json:
        click.echo(as_json(compacted), nl=False)
    else:
        line = f"{counted(compacted.trials, 'trial')} in the compacted copy of {store}."
        console().print(line, highlight=False)


@click.command(cls=Command, example="calibsweep store verify --store ./store")
@store_option
@json_option
def verify(store: str, json: bool) -> int:
    """Check every file of a store, and recompute the scores of every finished trial from its logits.

    Lists the findings by kind, each with what the next run does about it. Exit code 1 if a file is damaged, a
    score differs, or a row was written by a newer calibsweep.
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
    return int(bool(verified.wrong or verified.newer))


@click.command(cls=Command, example="calibsweep store ls --store ./store")
@store_option
@json_option
def ls(store: str, json: bool) -> None:
    """List the contents of a store: finished and failed seeds by data set, model and loss.

    With the size of their files, and the versions that made them.
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
@trials_of_argument()
@store_option
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.metrics,
    help="Only this metric (`calibsweep list metrics`). Repeatable.",
)
@click.option(
    "--calibrator",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.calibrators,
    help="Under this calibrator (`calibsweep list calibrators`). Repeatable. [default: none]",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of parallel processes. [default: the number of cores]",
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
    """Compute metrics under calibrators from the stored logits, for tables of scores that rows lack.

    Also computes the noise floors and comparisons in these tables, of any number of trials. Writes to the
    folder rescored/ of the store, which you may delete. Deletes outdated scores and evidence there: those of
    other code. Never changes a committed file. Rerun to resume. Exit code 1 if a trial cannot be scored.
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


@click.command(cls=Command, example="calibsweep store merge ./site-a ./site-b -o ./both")
@click.argument("stores", nargs=-1, required=True, metavar="STORE...", help="The stores to copy from.")
@click.option(
    "-o",
    "--output",
    required=True,
    callback=is_place,
    metavar="URI",
    help="The store to copy to, new or existing. Its own trials stay.",
)
@json_option
def merge(stores: tuple[str, ...], output: str, json: bool) -> int:
    """Join the stores of several sites: copy their finished trials into one.

    Equal trials with equal numbers are one trial. Trials with different numbers are listed with the machines
    that made them, and not copied. Rerun to resume. Exit code 1 if there is such a trial, or damage.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.bars import bar
    from orchestrator.screen.merged import print_merged
    from orchestrator.use_cases.merge import merge

    if json:
        merged = merge(stores, output)
        click.echo(as_json(merged), nl=False)
    else:
        with bar("copying", console()) as progress:
            merged = merge(stores, output, progress=progress)
        print_merged(merged, output, console())
    return int(bool(merged.conflicts or merged.unreadable))


store.add("Commands", [ls, verify, rescore, merge, compact])
