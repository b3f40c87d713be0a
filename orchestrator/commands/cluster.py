"""`calibsweep launch`, `status`, `logs` and `stop`: a sweep on a cluster, seen from here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from orchestrator.commands.base import Command
from orchestrator.commands.options import (
    address_option,
    cluster_option,
    data_option,
    gpus_option,
    json_option,
    price_option,
    retry_option,
    set_option,
    store_option,
    sweep_argument,
)
from orchestrator.screen.terminal import busy, console

EXAMPLE = "calibsweep {} mukhoti2020 --store s3://bucket/results --cluster cluster.yaml"


@click.command(cls=Command, example=EXAMPLE.format("launch"))
@sweep_argument
@store_option
@cluster_option
@address_option
@set_option
@data_option
@retry_option
@json_option
def launch(
    sweep: str,
    store: str,
    cluster: Path | None,
    address: str | None,
    overrides: tuple[str, ...],
    data: Path | None,
    retry_failed: bool,
    json: bool,
) -> None:
    """Runs a sweep on a cluster, as a job there that outlives this terminal.

    The code at hand goes along, plug-ins too. Again, after whatever died, goes on with what is missing.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.launched import print_launched
    from orchestrator.use_cases import launch as use_case

    given = click.get_current_context().params
    target = use_case.Target(sweep, store, overrides, cluster, address)
    with _with_a_way_out(given):
        launched = use_case.launch(target, data, retry_failed)
    if json:
        click.echo(as_json(launched), nl=False)
    else:
        print_launched(launched, target, given, console())


@click.command(cls=Command, example=EXAMPLE.format("status"))
@sweep_argument
@store_option
@cluster_option
@address_option
@set_option
@gpus_option
@price_option
@json_option
def status(
    sweep: str,
    store: str,
    cluster: Path | None,
    address: str | None,
    overrides: tuple[str, ...],
    gpus: float | None,
    price: float | None,
    json: bool,
) -> int:
    """Shows how a sweep stands: what is done, running, failed and missing; of a launched one its job, too.

    Without --cluster and --address it tells what the store says, wherever the sweep runs. Exit code 1 if a
    job failed.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.launched import print_job
    from orchestrator.screen.plan import print_plan, print_running
    from orchestrator.use_cases import status as use_case
    from orchestrator.use_cases.cost import Prices
    from orchestrator.use_cases.launch import Target

    shown, prices = console(), Prices(gpus, price)
    if cluster is None and address is None:
        target = None
        found = use_case.status(sweep, store, overrides, prices)
    else:
        target = Target(sweep, store, overrides, cluster, address)
        found = use_case.status_of_launched(target, prices)
    if json:
        click.echo(as_json(found), nl=False)
    else:
        if target:
            print_job(found, target, click.get_current_context().params, shown)
        else:
            print_running(found.plan.sweep, found.plan.running, shown)
        shown.print()
        print_plan(found.plan, shown)
    return int(found.job_failed)


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
) -> None:
    """Prints what a launched sweep's driver prints."""
    from orchestrator.use_cases import launch as use_case

    shown = console()
    with _with_a_way_out(click.get_current_context().params):
        for piece in use_case.logs(use_case.Target(sweep, store, overrides, cluster, address), follow):
            shown.print(piece, end="", highlight=False, soft_wrap=True)


@click.command(cls=Command, example=EXAMPLE.format("stop"))
@sweep_argument
@store_option
@cluster_option
@address_option
@set_option
@json_option
def stop(
    sweep: str,
    store: str,
    cluster: Path | None,
    address: str | None,
    overrides: tuple[str, ...],
    json: bool,
) -> None:
    """Ends a launched sweep, with a checkpoint of every trial that runs. `launch` goes on from there."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.launched import print_stopped
    from orchestrator.use_cases import launch as use_case

    shown, given = console(stderr=json), click.get_current_context().params
    target = use_case.Target(sweep, store, overrides, cluster, address)
    doing = f"stopping {sweep}: each trial that runs keeps a checkpoint"
    with _with_a_way_out(given), busy(shown, doing):
        stopped = use_case.stop(target)
    if json:
        click.echo(as_json(stopped), nl=False)
    else:
        print_stopped(stopped, target, given, shown)


@contextlib.contextmanager
def _with_a_way_out(given: Mapping[str, Any]) -> Iterator[None]:
    """Adds to an error the command that goes on from there."""
    from orchestrator.commands.copied import typed
    from orchestrator.use_cases.launch import NoJobError, UnderWayError
    from trainables.errors import ConfigurationError

    try:
        yield
    except UnderWayError as error:
        raise ConfigurationError(f"{error}: {typed('status', given)}") from error
    except NoJobError as error:
        raise ConfigurationError(f"{error}: {typed('launch', given)}") from error
