"""`calibsweep tables`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from orchestrator.command_line.base import Choice, Command
from orchestrator.commands import completion
from orchestrator.commands.endings import RAN_WITH_FAILURES
from orchestrator.commands.options import FILE, json_option, set_option, store_option, trials_of_argument
from orchestrator.screen.terminal import console, write_utf8

if TYPE_CHECKING:
    from orchestrator.use_cases.rescore import MissingScoresError
    from orchestrator.use_cases.tables import Tables
    from trainables.errors import ConfigurationError

FORMATS = ("md", "latex", "html", "csv")

ENDINGS = {".md": "md", ".tex": "latex", ".html": "html", ".csv": "csv", ".json": "json"}
"""Formats by the ending of a file's name."""


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
    "-o",
    "--output",
    type=FILE,
    metavar="FILE",
    help=f"Write all tables to this file, in the format of its ending: {', '.join(ENDINGS)}.",
)
@click.option(
    "--table",
    metavar="PAPER/NUMBER",
    shell_complete=completion.tables_of_papers,
    help="Fill this published table with our numbers, such as mukhoti2020/5 (`calibsweep list tables`).",
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
@click.option(
    "--verify",
    type=FILE,
    metavar="FILE",
    help="Make a file of tables again by the command at its end, and compare. Exit code 1 if it differs.",
)
@set_option
@json_option
def tables(
    sweep: str | None,
    store: str,
    format: str | None,
    output: Path | None,
    table: str | None,
    criterion: str | None,
    calibrator: str | None,
    metric: tuple[str, ...],
    epoch: int | None,
    gaps: bool,
    standalone: bool,
    verify: Path | None,
    overrides: tuple[str, ...],
    json: bool,
) -> int:
    """Regenerate the result tables from the store alone."""
    from orchestrator.use_cases.rescore import MissingScoresError
    from orchestrator.use_cases.tables import tables
    from trainables.errors import ConfigurationError

    if verify:
        return _verified(verify, store if _given("store") else None, json)
    written = _format_of(output) if output else "json" if json else format
    if standalone and written != "latex":
        raise ConfigurationError("--standalone needs --format latex.")
    if len(forms := [form for form in ("--output", "--json", "--format") if _given(form[2:])]) > 1:
        raise ConfigurationError(f"{' and '.join(forms)} exclude each other.")
    from orchestrator.screen.tables import MORE, print_tables, warn_of

    if gaps:
        _check_alone(criterion=criterion, calibrator=calibrator, metric=metric, epoch=epoch)
        _print_gaps(store, sweep, overrides, format, standalone=standalone, json=json)
        return 0
    from results.tables.screen import ON_SCREEN

    shown = metric if metric or written or table or epoch else ON_SCREEN
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
            table=table,
        )
    except MissingScoresError as error:
        raise _with_command(error, store) from error
    warn_of(made)
    if output and written:
        from results.whole_file import write_whole

        write_whole(output, _text(made, written, standalone, str(output)).encode())
        click.echo(f"Tables: {output}")
    elif written:
        write_utf8(_text(made, written, standalone))
    else:
        screen = console()
        print_tables(made, screen)
        if not metric and not table:
            screen.print(MORE, style="quiet")
    return 0


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


ALSO_WITH_VERIFY = {"verify", "store", "plugins", "json"}


def _verified(file: Path, store: str | None, json: bool) -> int:
    """Verifies a file of tables, and prints the result."""
    from orchestrator.command_line.base import given_plugins
    from orchestrator.command_line.copied import parsed
    from orchestrator.screen.verified_tables import print_verified
    from orchestrator.use_cases.tables import tables
    from orchestrator.use_cases.verify_tables import read, verify_tables
    from trainables.errors import CalibsweepError, ConfigurationError

    context = click.get_current_context()
    for param in context.command.params:
        if param.name and param.name not in ALSO_WITH_VERIFY and _given(param.name):
            name = param.opts[0] if isinstance(param, click.Option) else param.name.upper()
            raise ConfigurationError(
                f"--verify takes {name} from the file: give only --store and --plugin beside it."
            )
    _, origin = read(file)
    try:
        given = parsed("tables", origin.command)
        format = "json" if given.get("json") else given.get("format") or ENDINGS[Path(given["output"]).suffix]
    except (ValueError, KeyError) as error:
        raise ConfigurationError(f"{file}: the command at its end is changed: {origin.command}") from error
    if given.get("plugins") and not given_plugins:
        raise ConfigurationError(f"{file} was made with --plugin {given['plugins'][0]}: give it as well.")
    try:
        made = tables(
            store or given.get("store", "store"),
            given.get("sweep"),
            metrics=given.get("metric", ()),
            criterion=given.get("criterion"),
            calibrator=given.get("calibrator"),
            overrides=given.get("overrides", ()),
            epoch=int(given["epoch"]) if "epoch" in given else None,
            table=given.get("table"),
        )
    except CalibsweepError as error:
        # Its paths are relative to the folder in which the file was made.
        raise ConfigurationError(f"{error} {file} was made by: {origin.command}") from error
    standalone = given.get("standalone", False)
    again = _text(made, "json", False) if format == "json" else made.render(format, standalone=standalone)
    found = verify_tables(file, format, made, again)
    if json:
        from orchestrator.screen.as_json import as_json

        click.echo(as_json(found), nl=False)
    else:
        print_verified(found)
    return 0 if found.follows else RAN_WITH_FAILURES


def _given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def _format_of(output: Path) -> str:
    from trainables.errors import ConfigurationError

    if output.suffix not in ENDINGS:
        ending = f"ending {output.suffix!r} has no format" if output.suffix else "the name has no ending"
        raise ConfigurationError(f"--output {output}: {ending}; use {', '.join(ENDINGS)}.")
    return ENDINGS[output.suffix]


def _text(made: Tables, format: str, standalone: bool, output: str | None = None) -> str:
    """The text of a file of tables, with its origin."""
    if format != "json":
        return made.document(format, standalone=standalone, output=output)
    from orchestrator.screen.as_json import as_json

    return as_json(dataclasses.replace(made, made_from=made.made_from.of_file("json", output=output)))
