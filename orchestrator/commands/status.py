"""`calibsweep status`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Command
from orchestrator.commands.options import gpus_option, json_option, price_option
from orchestrator.commands.target import EXAMPLE, target_options
from orchestrator.screen.terminal import console


@click.command(cls=Command, example=EXAMPLE.format("status"))
@target_options
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
    """Count the finished, running, failed and missing trials; show the job of a launched sweep or search.

    Without --cluster and --address it reads the store alone, wherever the sweep runs. Exit code 1 if a job
    failed.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.launched import print_job
    from orchestrator.screen.plan import print_plan, print_running
    from orchestrator.screen.search import print_state
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
        elif found.plan:
            print_running(found.plan, shown)
        if found.search:
            print_state(found.search, shown)
        if found.plan:
            shown.print()
            print_plan(found.plan, shown)
    return int(found.job_failed)
