"""`calibsweep tables`."""

from __future__ import annotations

import click

from orchestrator.command_line.base import Choice, Command
from orchestrator.commands import completion
from orchestrator.commands.options import json_option, set_option, store_option, trials_of_argument
from orchestrator.screen.terminal import console, write_utf8

FORMATS = ("md", "latex", "html", "csv")


@click.command(
    cls=Command, example="calibsweep tables quickstart --store ./store --format latex > tables.tex"
)
@trials_of_argument(", the missing ones marked")
@store_option
@click.option(
    "--format",
    type=Choice(FORMATS),
    help="Print all tables in this format. [default: a compact view for the screen]",
)
@click.option(
    "--criterion",
    metavar="NAME",
    shell_complete=completion.criteria,
    help="The metric that temperatures minimise, such as nll. [default: the protocol's]",
)
@click.option(
    "--calibrator",
    metavar="NAME",
    shell_complete=completion.calibrators,
    help="Show this calibrator instead of a temperature (`calibsweep list calibrators`).",
)
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.scores,
    help="Only this table, such as ece or 'ece(bins=20)'. Repeatable.",
)
@click.option(
    "--epoch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Also the scores after this epoch, from the learning curves.",
)
@click.option("--standalone", is_flag=True, help="LaTeX: a whole document that compiles.")
@set_option
@json_option
def tables(
    sweep: str | None,
    store: str,
    format: str | None,
    criterion: str | None,
    calibrator: str | None,
    metric: tuple[str, ...],
    epoch: int | None,
    standalone: bool,
    overrides: tuple[str, ...],
    json: bool,
) -> None:
    """Regenerate the result tables from the store alone."""
    from orchestrator.command_line.copied import typed
    from orchestrator.use_cases.rescore import MissingScoresError
    from orchestrator.use_cases.tables import tables
    from trainables.errors import ConfigurationError

    if standalone and format != "latex":
        raise ConfigurationError("--standalone needs --format latex.")
    if json and format:
        raise ConfigurationError("--json and --format exclude each other.")
    from orchestrator.screen.tables import MORE, print_tables, warn_of
    from results.tables.screen import ON_SCREEN

    shown = metric if metric or format or json or epoch else ON_SCREEN
    try:
        made = tables(
            store,
            sweep,
            metrics=shown,
            criterion=criterion,
            calibrator=calibrator,
            overrides=overrides,
            elsewhere=shown is not ON_SCREEN,
            epoch=epoch,
        )
    except MissingScoresError as error:
        options = {"store": store, "metric": error.metrics, "calibrator": error.calibrators}
        raise ConfigurationError(f"{error}: {typed('store rescore', options)}") from error
    warn_of(made)
    if json:
        from orchestrator.screen.as_json import as_json

        click.echo(as_json(made), nl=False)
    elif format:
        write_utf8(made.render(format, standalone=standalone))
    else:
        screen = console()
        print_tables(made, screen)
        if not metric:
            screen.print(MORE, style="quiet")
