"""`calibsweep search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from orchestrator.command_line.base import Command
from orchestrator.commands.options import FILE, address_option, data_option, json_option, store_option
from orchestrator.screen.terminal import busy, console

if TYPE_CHECKING:
    from orchestrator.driver.stop_request import StopRequest


@click.command(cls=Command, example="calibsweep search gamma.yaml --store ./store")
@click.argument("file", metavar="FILE", type=FILE, help="A search file (docs/search.md).")
@store_option
@click.option(
    "--output",
    "-o",
    type=FILE,
    metavar="FILE",
    help="The sweep file of the best, to write at the end. [default: NAME-best.yaml]",
)
@click.option(
    "--study",
    type=FILE,
    metavar="FILE",
    help="Also write the study as an SQLite file: optuna-dashboard sqlite:///FILE shows it.",
)
@click.option(
    "--figure",
    type=FILE,
    metavar="FILE",
    help="Also write the figure of the report as an SVG file: the history, the importance of the parameters, "
    "and the front.",
)
@address_option
@data_option
@json_option
def search(
    file: Path,
    store: str,
    output: Path | None,
    study: Path | None,
    figure: Path | None,
    address: str | None,
    data: Path | None,
    json: bool,
) -> int:
    """Search losses, calibrators and training settings by validation scores, then write a sweep file.

    A report of the search is in the store, under reports/.

    To recover from anything, run the same command again: the same search continues, and no trial runs twice.
    Exit code 1 if the search is incomplete, or no trial succeeded.
    """
    from orchestrator.cluster import addresses
    from orchestrator.cluster.jobs import as_launched
    from orchestrator.driver.signals import carry_out
    from trainables.errors import ConfigurationError

    given = as_launched(click.get_current_context().params)
    if address is not None:
        addresses.check_of_driver(address)
        if click.get_current_context().get_parameter_source("store") == ParameterSource.DEFAULT:
            raise ConfigurationError(
                "--address needs --store: a store that all machines of the cluster can reach."
            )

    def work(request: StopRequest) -> int:
        # With --json a program reads standard output.
        shown = console(stderr=json)
        with busy(shown, f"reading {file}", stays=False):
            # These imports take seconds.
            from orchestrator.screen.as_json import as_json
            from orchestrator.screen.search import Shown, print_searched
            from orchestrator.use_cases import search as use_case

        searched = use_case.search(
            file,
            store,
            output,
            study=study,
            figure=figure,
            data=data,
            address=address,
            observer=Shown(shown, given),
            request=request,
        )
        if json:
            click.echo(as_json(searched), nl=False)
        else:
            print_searched(searched, given, shown)
        return int(searched.sweep is None)

    return carry_out(work)
