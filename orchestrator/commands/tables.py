"""`calibsweep tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.command_line.base import Choice, Command
from orchestrator.commands import completion
from orchestrator.commands.options import json_option, set_option, store_option, trials_of_argument
from orchestrator.screen.terminal import console, write_utf8

if TYPE_CHECKING:
    from orchestrator.use_cases.rescore import MissingScoresError
    from trainables.errors import ConfigurationError

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
@click.option(
    "--gaps",
    is_flag=True,
    help="Instead of scores: how much each calibrator improves the NLL and the Brier score of each loss.",
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
    gaps: bool,
    standalone: bool,
    overrides: tuple[str, ...],
    json: bool,
) -> None:
    """Regenerate the result tables from the store alone."""
    from orchestrator.use_cases.rescore import MissingScoresError
    from orchestrator.use_cases.tables import tables
    from trainables.errors import ConfigurationError

    if standalone and format != "latex":
        raise ConfigurationError("--standalone needs --format latex.")
    if json and format:
        raise ConfigurationError("--json and --format exclude each other.")
    from orchestrator.screen.tables import MORE, print_tables, warn_of

    if gaps:
        _check_alone(criterion=criterion, calibrator=calibrator, metric=metric, epoch=epoch)
        _print_gaps(store, sweep, overrides, format, standalone=standalone, json=json)
        return
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
        raise _with_command(error, store) from error
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


def _check_alone(**given: object) -> None:
    """Raises ConfigurationError for an option that --gaps excludes."""
    from trainables.errors import ConfigurationError

    if names := [name for name, value in given.items() if value]:
        raise ConfigurationError(f"--gaps and --{names[0]} exclude each other: it has metrics of its own.")


def _print_gaps(
    store: str,
    sweep: str | None,
    overrides: tuple[str, ...],
    format: str | None,
    *,
    standalone: bool,
    json: bool,
) -> None:
    from orchestrator.screen.gaps import print_gaps, warn_of
    from orchestrator.use_cases.gaps import gaps
    from orchestrator.use_cases.rescore import MissingScoresError

    try:
        made = gaps(store, sweep, overrides=overrides)
    except MissingScoresError as error:
        raise _with_command(error, store) from error
    warn_of(made)
    if json:
        from orchestrator.screen.as_json import as_json

        click.echo(as_json(made), nl=False)
    elif format:
        write_utf8(made.render(format, standalone=standalone))
    else:
        print_gaps(made, console())


def _with_command(error: MissingScoresError, store: str) -> ConfigurationError:
    """With the command that computes the missing scores."""
    from orchestrator.command_line.copied import typed
    from trainables.errors import ConfigurationError

    options = {"store": store, "metric": error.metrics, "calibrator": error.calibrators}
    return ConfigurationError(f"{error}: {typed('store rescore', options)}")
