"""`calibsweep run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from orchestrator.command_line.base import Command
from orchestrator.commands.options import (
    address_option,
    data_option,
    json_option,
    retry_option,
    set_option,
    store_option,
    sweep_argument,
)
from orchestrator.screen.terminal import busy, console

if TYPE_CHECKING:
    from orchestrator.driver.stop_request import StopRequest


@click.command(cls=Command, example="calibsweep run quickstart --store ./store")
@sweep_argument
@store_option
@address_option
@set_option
@data_option
@retry_option
@json_option
def run(
    sweep: str,
    store: str,
    address: str | None,
    overrides: tuple[str, ...],
    data: Path | None,
    retry_failed: bool,
    json: bool,
) -> int:
    """Run the missing trials of a sweep, then print its tables.

    To recover from anything, run the same command again: it skips finished trials and resumes the others from
    their last checkpoint. Exit code 1 if a trial failed.
    """
    from orchestrator.cluster import addresses
    from orchestrator.cluster.jobs import as_launched
    from orchestrator.driver.signals import carry_out
    from trainables.errors import ConfigurationError

    if address is not None:
        addresses.check_of_driver(address)
        if click.get_current_context().get_parameter_source("store") == ParameterSource.DEFAULT:
            raise ConfigurationError(
                "--address needs --store: a store that all machines of the cluster can reach."
            )

    given = as_launched(click.get_current_context().params)

    def work(request: StopRequest) -> int:
        # With --json a program reads standard output.
        shown = console(stderr=json)
        with busy(shown, f"reading {sweep}", stays=False):
            # These imports take seconds.
            from orchestrator.screen.as_json import as_json
            from orchestrator.screen.run import Shown, print_ran
            from orchestrator.use_cases import run as use_case

        ran = use_case.run(
            sweep,
            store,
            overrides,
            data=data,
            address=address,
            retry_failed=retry_failed,
            observer=Shown(shown, given),
            request=request,
        )
        if json:
            click.echo(as_json(ran), nl=False)
        else:
            print_ran(ran, given, shown)
        return int(not ran.complete)

    return carry_out(work)
