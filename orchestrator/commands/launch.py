"""`calibsweep launch`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Command
from orchestrator.commands.options import data_option, json_option, retry_option
from orchestrator.commands.target import EXAMPLE, target_options, way_out
from orchestrator.screen.terminal import console


@click.command(cls=Command, example=EXAMPLE.format("launch"))
@target_options
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
    """Run a sweep or a search as a job on a cluster. The job survives this terminal.

    Ships this code and its plug-ins. Rerun after any failure to resume it.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.launched import print_launched
    from orchestrator.use_cases import launch as use_case

    given = click.get_current_context().params
    target = use_case.Target(sweep, store, overrides, cluster, address)
    with way_out(given):
        launched = use_case.launch(target, data, retry_failed)
    if json:
        click.echo(as_json(launched), nl=False)
    else:
        print_launched(launched, target, given, console())
