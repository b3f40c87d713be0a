"""`calibsweep run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from orchestrator.commands.base import Command
from orchestrator.commands.options import (
    address_option,
    data_option,
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
def run(
    sweep: str,
    store: str,
    address: str | None,
    overrides: tuple[str, ...],
    data: Path | None,
    retry_failed: bool,
) -> int:
    """Runs what is missing of a sweep, then prints its tables.

    Running the same command again is how one recovers from anything: finished trials are skipped, interrupted
    ones go on from their last checkpoint. Exit code 1 if a trial failed.
    """
    from orchestrator.cluster import addresses
    from orchestrator.driver.signals import carry_out
    from trainables.errors import ConfigurationError

    if address is not None:
        addresses.check_of_driver(address)
        if click.get_current_context().get_parameter_source("store") == ParameterSource.DEFAULT:
            raise ConfigurationError(
                "--address needs --store: a place that all machines of the cluster reach."
            )

    def work(request: StopRequest) -> int:
        shown = console()
        with busy(shown, f"reading {sweep}", stays=False):
            # What is imported here takes seconds.
            from orchestrator.use_cases import run as command

        return command.run(sweep, store, list(overrides), data, address, retry_failed, request, shown)

    return carry_out(work)
