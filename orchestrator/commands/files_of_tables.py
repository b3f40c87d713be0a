"""Files of `calibsweep tables`: their formats and texts, and their verification."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orchestrator.commands.endings import RAN_WITH_FAILURES

if TYPE_CHECKING:
    from orchestrator.use_cases.gaps import Gaps
    from orchestrator.use_cases.tables import Tables

ENDINGS = {".md": "md", ".tex": "latex", ".html": "html", ".csv": "csv", ".json": "json"}
"""Formats by the ending of a file's name."""

BESIDE_VERIFY = {"verify", "store", "plugins", "json"}
"""The options that --verify does not take from the file."""


def given(name: str) -> bool:
    """Whether the command line or the environment sets an option."""
    source = click.get_current_context().get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def format_of(output: Path) -> str:
    """Raises ConfigurationError if the ending of a file's name has no format."""
    from trainables.errors import ConfigurationError

    if output.suffix not in ENDINGS:
        ending = f"ending {output.suffix!r} has no format" if output.suffix else "the name has no ending"
        raise ConfigurationError(f"--output {output}: {ending}; use {', '.join(ENDINGS)}.")
    return ENDINGS[output.suffix]


def made_by(*, gaps: bool = False, **options: Any) -> Tables | Gaps:
    """The tables, or the gap matrices, by the options of the command.

    Raises ConfigurationError, with the command that computes missing scores if any are.
    """
    from orchestrator.command_line.copied import typed
    from orchestrator.use_cases import gaps as of_gaps
    from orchestrator.use_cases.rescore import MissingScoresError
    from orchestrator.use_cases.tables import tables
    from trainables.errors import ConfigurationError

    try:
        if not gaps:
            return tables(**options)
        for name in ("criterion", "calibrator", "metrics", "epoch", "table"):
            if options[name]:
                option = f"--{name.removesuffix('s')}"
                raise ConfigurationError(
                    f"--gaps and {option} exclude each other: it has metrics of its own."
                )
        return of_gaps.gaps(options["store"], options["sweep"], overrides=options["overrides"])
    except MissingScoresError as error:
        missing = {"store": options["store"], "metric": error.metrics, "calibrator": error.calibrators}
        raise ConfigurationError(f"{error}: {typed('store rescore', missing)}") from error


def text_of(made: Tables | Gaps, format: str, standalone: bool, output: str | None = None) -> str:
    """The text of a file, with its origin."""
    if format != "json":
        return made.document(format, standalone=standalone, output=output)
    from orchestrator.screen.as_json import as_json

    members = {each.name: getattr(made, each.name) for each in dataclasses.fields(made)}
    public = {name: value for name, value in members.items() if not name.startswith("_")}
    return as_json({**public, "made_from": made.made_from.of_file("json", output=output)})


def verified(file: Path, store: str | None, json: bool) -> int:
    """Verifies a file, prints the result, and returns the exit code.

    Args:
        store: The store to make its tables from, instead of that of the file.
    """
    from orchestrator.command_line.base import given_plugins
    from orchestrator.command_line.copied import parsed
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.verified_tables import print_verified
    from orchestrator.use_cases.verify_tables import read, verify_tables
    from trainables.errors import CalibsweepError, ConfigurationError

    for param in click.get_current_context().command.params:
        if param.name and param.name not in BESIDE_VERIFY and given(param.name):
            name = param.opts[0] if isinstance(param, click.Option) else param.name.upper()
            raise ConfigurationError(
                f"--verify takes {name} from the file: give only --store and --plugin beside it."
            )
    text, origin = read(file)
    try:
        typed = parsed("tables", origin.command)
        format = "json" if typed.get("json") else typed.get("format") or ENDINGS[Path(typed["output"]).suffix]
        epoch = int(typed["epoch"]) if "epoch" in typed else None
    except (ValueError, KeyError) as error:
        raise ConfigurationError(f"{file}: the command at its end is changed: {origin.command}") from error
    if typed.get("plugins") and not given_plugins:
        raise ConfigurationError(f"{file} was made with --plugin {typed['plugins'][0]}: give it as well.")
    try:
        made = made_by(
            store=store or typed.get("store", "store"),
            sweep=typed.get("sweep"),
            metrics=typed.get("metric", ()),
            criterion=typed.get("criterion"),
            calibrator=typed.get("calibrator"),
            overrides=typed.get("overrides", ()),
            epoch=epoch,
            table=typed.get("table"),
            gaps=typed.get("gaps", False),
        )
    except CalibsweepError as error:
        # Its paths are relative to the folder in which the file was made.
        raise ConfigurationError(f"{error} {file} was made by: {origin.command}") from error
    standalone = typed.get("standalone", False)
    again = text_of(made, "json", False) if format == "json" else made.render(format, standalone=standalone)
    found = verify_tables(file, text, origin, format, made.made_from, again)
    if json:
        click.echo(as_json(found), nl=False)
    else:
        print_verified(found)
    return 0 if found.follows else RAN_WITH_FAILURES
