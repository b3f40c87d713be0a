"""`calibsweep tables`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Choice, Command
from orchestrator.commands import completion
from orchestrator.commands.files_of_tables import ENDINGS, format_of, given, made_by, text_of, verified
from orchestrator.commands.options import FILE, json_option, set_option, store_option, trials_of_argument
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
    from trainables.errors import ConfigurationError

    if verify:
        return verified(verify, store if given("store") else None, json)
    written = format_of(output) if output else "json" if json else format
    if standalone and written != "latex":
        raise ConfigurationError("--standalone needs --format latex.")
    if len(forms := [form for form in ("--output", "--json", "--format") if given(form[2:])]) > 1:
        raise ConfigurationError(f"{' and '.join(forms)} exclude each other.")
    from orchestrator.screen import gaps as of_gaps
    from orchestrator.screen.tables import MORE, print_tables, warn_of
    from orchestrator.use_cases.tables import Tables
    from results.tables.screen import ON_SCREEN

    several = not (metric or gaps or written or table or epoch)
    made = made_by(
        store=store,
        sweep=sweep,
        metrics=ON_SCREEN if several else metric,
        criterion=criterion,
        calibrator=calibrator,
        overrides=overrides,
        elsewhere=not several,
        epoch=epoch,
        table=table,
        gaps=gaps,
    )
    if isinstance(made, Tables):
        warn_of(made)
    else:
        of_gaps.warn_of(made)
    if output and written:
        from results.whole_file import write_whole

        write_whole(output, text_of(made, written, standalone, str(output)).encode())
        click.echo(f"Tables: {output}")
    elif written:
        write_utf8(text_of(made, written, standalone))
    elif isinstance(made, Tables):
        screen = console()
        print_tables(made, screen)
        if not metric and not table:
            screen.print(MORE, style="quiet")
    else:
        of_gaps.print_gaps(made, console())
    return 0
