"""`calibsweep --version`."""

from __future__ import annotations

import click

from orchestrator.command_line.base import NAME


def _show(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from orchestrator.use_cases.version import version

    found = version()
    click.echo(f"{NAME} {found.number}" + (f" (commit {found.commit})" if found.commit else ""))
    context.exit()


VERSION = click.Option(
    ["-V", "--version"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show,
    help="Show the version and commit, and exit.",
)
