"""The command line. Each command does its work in the module it names; this one reads options and prints.

Everything heavy is imported by the command that needs it: `calibsweep tables` loads neither torch nor Ray.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from orchestrator import own_code
from orchestrator.ending import Interrupted, interruptible
from orchestrator.options import (
    ClusterOption,
    CriterionName,
    DashboardOption,
    DataOption,
    Format,
    Kind,
    SetOption,
    StoreOption,
    SweepArgument,
    finite,
)
from orchestrator.stop_request import StopRequest
from orchestrator.wording import counted

RAN_WITH_FAILURES, COULD_NOT_RUN = 1, 2

PLAIN_WIDTH = 160
LONGEST_LINE = 1000
"""Of an error, which may quote what was typed."""

app = typer.Typer(
    name="calibsweep",
    help="Find out which training loss gives a network whose confidence can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
store_app = typer.Typer(name="store", help="Look after a store of results.", no_args_is_help=True)
data_app = typer.Typer(name="data", help="Make data sets ready.", no_args_is_help=True)
app.add_typer(store_app)
app.add_typer(data_app)


@app.command(epilog="Example: `calibsweep run quickstart --store ./store`")
def run(
    sweep: SweepArgument,
    store: StoreOption = "store",
    address: Annotated[
        str | None, typer.Option(metavar="auto|ray://...", help="A Ray cluster; without it, this machine.")
    ] = None,
    set_: SetOption = None,
    data: DataOption = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also run trials that failed by their own fault.")
    ] = False,
) -> None:
    """Runs what is missing of a sweep, then prints its tables.

    Running the same command again is how one recovers from anything: finished trials are skipped,
    interrupted ones go on from their last checkpoint. Exit code 1 if a trial failed.
    """
    from orchestrator.ending import carry_out

    def work(request: StopRequest) -> int:
        # What is imported here takes seconds.
        from orchestrator.commands import run as command

        return command.run(sweep, store, set_ or [], data, address, retry_failed, request, console())

    raise typer.Exit(carry_out(work))


@app.command(
    epilog="Example: `calibsweep launch mukhoti2020 --store s3://bucket/results --cluster cluster.yaml`"
)
def launch(
    sweep: SweepArgument,
    store: StoreOption,
    cluster: ClusterOption = None,
    address: DashboardOption = None,
    set_: SetOption = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="FOLDER", help="Where data sets lie on the cluster's machines."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also run trials that failed by their own fault.")
    ] = False,
) -> None:
    """Runs a sweep on a cluster: its driver becomes a job there that outlives this terminal.

    The code at hand goes along, plug-ins too. Again, after whatever died, goes on with what is missing.
    """
    from orchestrator.commands import launch as command

    wanted = command.target(sweep, store, set_ or [], cluster, address)
    raise typer.Exit(command.launch(wanted, data, retry_failed, console()))


@app.command(
    epilog="Example: `calibsweep status mukhoti2020 --store s3://bucket/results --cluster cluster.yaml`"
)
def status(
    sweep: SweepArgument,
    store: StoreOption,
    cluster: ClusterOption = None,
    address: DashboardOption = None,
    set_: SetOption = None,
    gpus: Annotated[
        float | None, typer.Option(min=0.0, callback=finite, metavar="N", help="GPUs of the cluster.")
    ] = None,
    price: Annotated[
        float | None,
        typer.Option("--price-per-gpu-hour", min=0.0, callback=finite, metavar="X", help="What one costs."),
    ] = None,
) -> None:
    """Shows how a launched sweep stands: the job, and the plan's view of done, running, failed and missing.

    Exit code 1 if the job itself failed.
    """
    from orchestrator.commands import cost
    from orchestrator.commands import launch as command

    wanted = command.target(sweep, store, set_ or [], cluster, address)
    raise typer.Exit(command.status(wanted, cost.Prices(gpus, price, None), console()))


@app.command(
    epilog="Example: `calibsweep logs mukhoti2020 --store s3://bucket/results --cluster cluster.yaml`"
)
def logs(
    sweep: SweepArgument,
    store: StoreOption,
    cluster: ClusterOption = None,
    address: DashboardOption = None,
    set_: SetOption = None,
    follow: Annotated[bool, typer.Option(help="Go on until the driver ends.")] = True,
) -> None:
    """Prints what a launched sweep's driver prints."""
    from orchestrator.commands import launch as command

    wanted = command.target(sweep, store, set_ or [], cluster, address)
    raise typer.Exit(command.logs(wanted, follow, console()))


@app.command(
    epilog="Example: `calibsweep stop mukhoti2020 --store s3://bucket/results --cluster cluster.yaml`"
)
def stop(
    sweep: SweepArgument,
    store: StoreOption,
    cluster: ClusterOption = None,
    address: DashboardOption = None,
    set_: SetOption = None,
) -> None:
    """Ends a launched sweep, with a checkpoint of every trial that runs. `launch` goes on from there."""
    from orchestrator.commands import launch as command

    wanted = command.target(sweep, store, set_ or [], cluster, address)
    raise typer.Exit(command.stop(wanted, console()))


@app.command(epilog="Example: `calibsweep plan quickstart --store ./store`")
def plan(
    sweep: SweepArgument,
    store: StoreOption = "store",
    set_: SetOption = None,
    failures: Annotated[
        bool, typer.Option("--failures", help="Also the last traceback of failed trials.")
    ] = False,
    gpus: Annotated[
        float | None,
        typer.Option(min=0.0, callback=finite, metavar="N", help="GPUs of the cluster that would run it."),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option("--price-per-gpu-hour", min=0.0, callback=finite, metavar="X", help="What one costs."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget-gpu-hours",
            min=0.0,
            callback=finite,
            metavar="X",
            help="Exit code 1 if the rest needs more.",
        ),
    ] = None,
    card: Annotated[
        str | None,
        typer.Option(
            "--gpu-card", metavar="NAME", help="A GPU that was measured, e.g. H100. Default: the latest."
        ),
    ] = None,
    pilot: Annotated[
        bool,
        typer.Option("--pilot", help="First measure some steps of each data set and model on this machine."),
    ] = False,
    data: DataOption = None,
) -> None:
    """Shows what would run, what is done, what failed and what the rest costs. Starts and changes nothing.

    Only --pilot trains something, a few steps in this process, and keeps how long they took in the store.
    """
    from orchestrator.commands import cost
    from orchestrator.commands import plan as command

    if pilot:
        cost.run_pilots(sweep, store, set_ or [], data, console())
    prices = cost.Prices(gpus, price, budget, card)
    raise typer.Exit(command.show(sweep, store, set_ or [], failures, prices, console()))


@app.command(epilog="Example: `calibsweep tables quickstart --store ./store --format latex > tables.tex`")
def tables(
    sweep: Annotated[
        str | None,
        typer.Argument(metavar="[SWEEP]", help="Only this sweep's trials; missing ones are shown."),
    ] = None,
    store: StoreOption = "store",
    format: Annotated[
        Format | None, typer.Option("--format", help="Without it, a compact view for the screen.")
    ] = None,
    criterion: Annotated[
        CriterionName | None,
        typer.Option(help="What temperatures minimise; without it as the protocol says."),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this table, e.g. ece. Repeatable.")
    ] = None,
    standalone: Annotated[
        bool, typer.Option("--standalone", help="LaTeX: a whole document that compiles as it is.")
    ] = False,
    set_: SetOption = None,
) -> None:
    """Regenerates the result tables from the store alone."""
    from orchestrator.commands import tables as command

    command.show(sweep, store, format, criterion, metric, standalone, set_ or [], console())


@app.command(epilog="Example: `calibsweep score my_logits.npz --json`")
def score(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help=".npz, .npy, .pt, .csv or .parquet.")
    ],
    names: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=NAME,...",
            help="What is what: logits=predictions,labels=y. Keys: logits, labels, the same of one part "
            "(val_logits ...), and val and test for files. Repeatable.",
        ),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="They are probabilities or their logarithms, no logits.")
    ] = False,
    flatten: Annotated[
        bool, typer.Option("--flatten", help="Each position of [N, K, H, W] or [N, L, K] is a sample.")
    ] = False,
    ignore: Annotated[
        int | None,
        typer.Option(metavar="LABEL", help="Samples with this label are left out, as -100 or 255."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Fractions and nats, as JSON.")] = False,
) -> None:
    """Scores anyone's logits, before scaling and after each of the three temperatures.

    Files have val_logits [N, K], val_labels [N], test_logits [M, K] and test_labels [M], by these names or
    others that say as much; docs/scoring.md has all forms. Temperatures are chosen on the validation part,
    scores are of the test part. A test part alone is scored before scaling.
    """
    from orchestrator.commands import score as command

    command.show(files, names or [], probabilities, flatten, ignore, json, console())


@app.command(
    epilog="Example: `calibsweep trial --dataset digits --model mlp --loss 'focal: {gamma: 2}' --seed 0`"
)
def trial(
    dataset: Annotated[str, typer.Option(help="A data set, as a sweep file would name it.")],
    model: Annotated[str, typer.Option(help="A model.")],
    loss: Annotated[str, typer.Option(help="A loss.")],
    seed: Annotated[int, typer.Option(min=0)] = 0,
    protocol: Annotated[str, typer.Option()] = "mukhoti2020",
    set_: SetOption = None,
    data: DataOption = None,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URI", help="Commits the result there; without it, none is kept."),
    ] = None,
) -> None:
    """Trains one trial in this process, without Ray: for a debugger, or a first look at a new loss."""
    from orchestrator.commands import trial as command

    command.run(dataset, model, loss, seed, protocol, set_ or [], data, store, console())


@app.command("list", epilog="Example: `calibsweep list losses`")
def list_(kind: Kind) -> None:
    """Lists what there is."""
    from orchestrator.commands import listing as command

    command.show(kind.value, console())


@app.command("check-loss", epilog="Example: `calibsweep check-loss focal_1`")
def check_loss(
    loss: Annotated[str, typer.Argument(metavar="NAME", help="A loss, as a sweep file would name it.")],
) -> None:
    """Tries a loss against everything that training asks of one. Exit code 1 if it falls short."""
    from orchestrator.commands import listing as command

    raise typer.Exit(command.check_loss(loss, console()))


@store_app.command(epilog="Example: `calibsweep store compact --store ./store`")
def compact(store: StoreOption = "store") -> None:
    """Gathers the rows of all finished trials in one file, so that tables of thousands come up at once."""
    from results.store import Store

    number = Store(store).compact()
    console().print(f"{counted(number, 'trial')} in the compacted copy of {store}.", highlight=False)


@store_app.command(epilog="Example: `calibsweep store verify --store ./store`")
def verify(store: StoreOption = "store") -> None:
    """Looks at every file of a store, and scores every finished trial anew from its stored logits.

    All that is found is told by kind, with what the next run makes of it. Exit code 1 if anything differs
    from what was committed, or is damaged.
    """
    from orchestrator.commands import verify as command

    raise typer.Exit(command.verify(store, console()))


@data_app.command(epilog="Example: `calibsweep data prepare cifar10 --data ./data`")
def prepare(
    name: Annotated[str, typer.Argument(metavar="DATASET", help="A data set; `list datasets` has them.")],
    data: DataOption = None,
) -> None:
    """Downloads, verifies and unpacks a data set once, before a cluster needs it. Run again, it goes on."""
    from orchestrator.commands import data as command

    command.prepare(name, data, console())


def console() -> Console:
    """Where commands print, as it is: a path or a message of an error may look like Rich's markup."""
    found = Console(markup=False, emoji=False)
    if not found.is_terminal:
        # It has no width of its own: wide enough for every column.
        found.width = PLAIN_WIDTH
    return found


def main() -> None:
    """Entry point: a user's mistake is one line on standard error and exit code 2, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Nor is it a reason to end a sweep that a terminal lacks a letter.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from trainables.errors import CalibsweepError

        try:
            with interruptible():
                app()
        except CalibsweepError as error:
            _refuse(str(error))
    except ImportError as error:
        _refuse(own_code.why(error))
    except Interrupted as interrupted:
        sys.stderr.write(f"calibsweep: {interrupted}\n")
        sys.exit(RAN_WITH_FAILURES)


def _refuse(told: str) -> NoReturn:
    line = " ".join(told.split())
    if len(line) > LONGEST_LINE:
        line = f"{line[:LONGEST_LINE]} ..."
    sys.stderr.write(f"calibsweep: {line}\n")
    sys.exit(COULD_NOT_RUN)
