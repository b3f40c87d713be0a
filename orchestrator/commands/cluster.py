"""`calibsweep launch`, `status`, `logs` and `stop`: a sweep on a cluster, seen from here."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.commands.base import Command
from orchestrator.commands.options import (
    address_option,
    cluster_option,
    data_option,
    gpus_option,
    price_option,
    retry_option,
    set_option,
    store_option,
    sweep_argument,
)
from orchestrator.screen.terminal import console

EXAMPLE = "calibsweep {} mukhoti2020 --store s3://bucket/results --cluster cluster.yaml"


@click.command(cls=Command, example=EXAMPLE.format("launch"))
@sweep_argument
@store_option
@cluster_option
@address_option
@set_option
@data_option
@retry_option
def launch(
    sweep: str,
    store: str,
    cluster: Path | None,
    address: str | None,
    overrides: tuple[str, ...],
    data: Path | None,
    retry_failed: bool,
) -> int:
    """Runs a sweep on a cluster, as a job there that outlives this terminal.

    The code at hand goes along, plug-ins too. Again, after whatever died, goes on with what is missing.
    """
    from orchestrator.use_cases import launch as command

    wanted = command.target(sweep, store, overrides, cluster, address)
    return command.launch(wanted, None if data is None else str(data), retry_failed, console())


@click.command(cls=Command, example=EXAMPLE.format("status"))
@sweep_argument
@store_option
@cluster_option
@address_option
@set_option
@gpus_option
@price_option
def status(
    sweep: str,
    store: str,
    cluster: Path | None,
    address: str | None,
    overrides: tuple[str, ...],
    gpus: float | None,
    price: float | None,
) -> int:
    """Shows how a sweep stands: what is done, running, failed and missing; of a launched one its job, too.

    Without --cluster and --address it tells what the store says, wherever the sweep runs. Exit code 1 if a
    job failed.
    """
    from orchestrator.use_cases import cost
    from orchestrator.use_cases import launch as command

    if cluster is None and address is None:
        from orchestrator.use_cases import status as of_store

        return of_store.status(sweep, store, list(overrides), cost.Prices(gpus, price, None), console())
    wanted = command.target(sweep, store, overrides, cluster, address)
    return command.status(wanted, cost.Prices(gpus, price, None), console())


@click.command(cls=Command, example=EXAMPLE.format("logs"))
@sweep_argument
@store_option
@cluster_option
@address_option
@set_option
@click.option("--follow/--no-follow", default=True, show_default=True, help="Goes on until the driver ends.")
def logs(
    sweep: str,
    store: str,
    cluster: Path | None,
    address: str | None,
    overrides: tuple[str, ...],
    follow: bool,
) -> int:
    """Prints what a launched sweep's driver prints."""
    from orchestrator.use_cases import launch as command

    wanted = command.target(sweep, store, overrides, cluster, address)
    return command.logs(wanted, follow, console())


@click.command(cls=Command, example=EXAMPLE.format("stop"))
@sweep_argument
@store_option
@cluster_option
@address_option
@set_option
def stop(
    sweep: str, store: str, cluster: Path | None, address: str | None, overrides: tuple[str, ...]
) -> int:
    """Ends a launched sweep, with a checkpoint of every trial that runs. `launch` goes on from there."""
    from orchestrator.use_cases import launch as command

    wanted = command.target(sweep, store, overrides, cluster, address)
    return command.stop(wanted, console())
