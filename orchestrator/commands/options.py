"""Options shared by several commands, with the same name, meaning and help in each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from orchestrator.command_line.base import Amount
from orchestrator.commands import completion

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)

SWEEP = "A sweep file, or the name of a bundled sweep (`calibsweep list sweeps`)."

sweep_argument = click.argument("sweep", metavar="SWEEP", help=SWEEP, shell_complete=completion.sweeps)


def trials_of_argument(also: str = "") -> Callable[[Any], Any]:
    """An optional sweep, which restricts a command on a store to its trials."""
    return click.argument(
        "sweep",
        required=False,
        metavar="[SWEEP]",
        shell_complete=completion.sweeps,
        help=f"Only the trials of this sweep (a file or a bundled one){also}.",
    )


def is_place(context: click.Context, parameter: click.Parameter, uri: str | None) -> str | None:
    """Refuses an invalid store in one line, before anything is done or printed."""
    from results.store.place import place_of

    if uri is not None:
        place_of(uri)
    return uri


store_option = click.option(
    "--store",
    default="store",
    callback=is_place,
    envvar="CALIBSWEEP_STORE",
    metavar="URI",
    show_default=True,
    show_envvar=True,
    help="Store of results: a folder, or s3://, gs://, az://. Optional on this machine; for a "
    "cluster, a store that all its machines can reach.",
)


def set_option_of(changed: str) -> Callable[[Any], Any]:
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="PATH=VALUE",
        shell_complete=completion.settings,
        help=f"Change a setting of {changed}, such as training.epochs=3. Repeatable. "
        "All: `calibsweep list settings`.",
    )


set_option = set_option_of("the sweep")

data_option = click.option(
    "--data",
    type=FOLDER,
    envvar="CALIBSWEEP_DATA",
    metavar="FOLDER",
    show_envvar=True,
    help="Folder of the data sets; on a cluster, on its machines. [default: ~/.cache/calibsweep/data]",
)

address_option = click.option(
    "--address",
    metavar="ADDRESS",
    help="A running Ray cluster: auto for this machine's own, ray://HOST:10001 by its "
    "client port, http://HOST:8265 by its dashboard (not for `run`). Default: this machine.",
)

cluster_option = click.option(
    "--cluster",
    type=FILE,
    metavar="FILE",
    help="A file for Ray's cluster launcher, instead of an --address.",
)

retry_option = click.option(
    "--retry-failed", is_flag=True, help="Also run trials that failed with an error of their own."
)

gpus_option = click.option(
    "--gpus", type=Amount(), metavar="N", help="Estimate the time of the remaining trials on N GPUs."
)

price_option = click.option(
    "--price-per-gpu-hour",
    "price",
    type=Amount(),
    metavar="X",
    help="Estimate the cost of the remaining trials, in any currency.",
)

json_option = click.option("--json", "json", is_flag=True, help="Print the result as JSON.")
