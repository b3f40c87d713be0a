"""`calibsweep plan`."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from orchestrator.command_line.base import Amount, Command
from orchestrator.commands import completion
from orchestrator.commands.options import (
    data_option,
    gpus_option,
    json_option,
    price_option,
    set_option,
    store_option,
    sweep_argument,
)
from orchestrator.screen.terminal import console


@click.command(cls=Command, example="calibsweep plan quickstart --store ./store")
@sweep_argument
@store_option
@set_option
@click.option("--failures", is_flag=True, help="Also show the last traceback of failed trials.")
@gpus_option
@price_option
@click.option(
    "--budget-gpu-hours",
    "budget",
    type=Amount(),
    metavar="X",
    help="Exit code 1 if the remaining trials need more.",
)
@click.option(
    "--gpu-card",
    "card",
    metavar="NAME",
    help="Estimate GPU-hours from measurements of this card, such as H100. [default: the latest measured]",
)
@click.option(
    "--pilot", is_flag=True, help="First measure some steps of each data set and model on this machine."
)
@click.option(
    "--power", is_flag=True, help="Also estimate how many seeds would distinguish each loss from the best."
)
@click.option(
    "--metric",
    metavar="NAME",
    shell_complete=completion.scores,
    help="The metric for --power. [default: ece]",
)
@data_option
@json_option
def plan(
    sweep: str,
    store: str,
    overrides: tuple[str, ...],
    failures: bool,
    gpus: float | None,
    price: float | None,
    budget: float | None,
    card: str | None,
    pilot: bool,
    power: bool,
    metric: str | None,
    data: Path | None,
    json: bool,
) -> int:
    """Show finished, failed and missing trials, and the cost of the rest.

    Starts nothing. Only --pilot trains: a few steps in this process, and keeps their times in the store. A
    store that you name must exist, so leave --store out before the first run.
    """
    from trainables.errors import ConfigurationError

    if metric and not power:
        raise ConfigurationError(f"--metric {metric} is for --power: without it, plan has no metric.")
    from orchestrator.command_line.copied import typed
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.cost import print_pilot
    from orchestrator.screen.plan import print_plan
    from orchestrator.use_cases.cost import Prices, pilots
    from orchestrator.use_cases.plan import plan as look
    from orchestrator.use_cases.rescore import MissingScoresError

    # With --json a program reads standard output.
    shown = console(stderr=json)
    for made in pilots(sweep, store, overrides, data) if pilot else ():
        print_pilot(made, shown)
    # A named store must exist, since a typing mistake would look like an unstarted sweep.
    named = click.get_current_context().get_parameter_source("store") != ParameterSource.DEFAULT
    power_by = metric or "ece" if power else None
    try:
        found = look(
            sweep,
            store,
            overrides,
            Prices(gpus, price, budget, card),
            may_be_new=not named,
            power_by=power_by,
        )
    except MissingScoresError as error:
        options = {"store": store, "metric": error.metrics, "calibrator": error.calibrators}
        raise ConfigurationError(f"{error}: {typed('store rescore', options)}") from error
    if json:
        click.echo(as_json(found), nl=False)
    else:
        print_plan(found, shown, tracebacks=failures)
    return int(found.cost is not None and found.cost.over_budget)
