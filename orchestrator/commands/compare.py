"""`calibsweep compare`."""

from __future__ import annotations

import click

from orchestrator.command_line.base import Choice, Command
from orchestrator.commands import completion
from orchestrator.commands.endings import RAN_WITH_FAILURES
from orchestrator.commands.options import json_option, set_option, store_option, trials_of_argument
from orchestrator.screen.terminal import console, warn, write_utf8

FORMATS = ("md", "html", "csv")


@click.command(cls=Command, example="calibsweep compare sst --store results-store --fail-under 0.9")
@trials_of_argument(", and only its complete cells")
@store_option
@click.option(
    "--table",
    "tables",
    multiple=True,
    metavar="PAPER/NUMBER",
    shell_complete=completion.tables_of_papers,
    help="Only this published table, such as mukhoti2020/5. Repeatable.",
)
@click.option("--each", is_flag=True, help="Also print each number.")
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Exit code 1 if a smaller share of the comparable numbers agrees, or none is comparable.",
)
@click.option(
    "--format", type=Choice(FORMATS), help="Print each number in this format. [default: for the screen]"
)
@set_option
@json_option
def compare(
    sweep: str | None,
    store: str,
    tables: tuple[str, ...],
    each: bool,
    fail_under: float | None,
    format: str | None,
    overrides: tuple[str, ...],
    json: bool,
) -> int:
    """Compare the published numbers with the trials of a store.

    Each agrees, differs, or is not comparable, with the reason. Agreement is shown beside that of chance.
    """
    from orchestrator.use_cases.compare import compare
    from trainables.errors import ConfigurationError

    if ((json or format) and each) or (json and format):
        raise ConfigurationError("--each, --format and --json each print every number: choose one.")
    from orchestrator.screen.compared import below, print_comparison
    from orchestrator.screen.tables import warn_of_damaged

    made = compare(store, sweep, tables=tables, overrides=overrides)
    warn_of_damaged(made.damaged)
    if json:
        from orchestrator.screen.as_json import as_json

        click.echo(as_json(made), nl=False)
    elif format:
        write_utf8(made.render(format))
    else:
        print_comparison(made, each, console())
    if fail_under is not None and (why := below(made.counts.share, fail_under)):
        warn(why)
        return RAN_WITH_FAILURES
    return 0
