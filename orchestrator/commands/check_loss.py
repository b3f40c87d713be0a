"""`calibsweep check-loss`."""

from __future__ import annotations

import click

from orchestrator.command_line.base import Command
from orchestrator.commands import completion
from orchestrator.commands.options import json_option
from orchestrator.screen.terminal import console


@click.command("check-loss", cls=Command, example="calibsweep check-loss focal_1")
@click.argument(
    "loss",
    metavar="NAME|FILE",
    shell_complete=completion.losses,
    help="A loss (`calibsweep list losses`), or a Python file with losses.",
)
@json_option
def check_loss(loss: str, json: bool) -> int:
    """Test a loss against every requirement of training. Exit code 1 if it fails one."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.use_cases.check_loss import check_loss

    checked = check_loss(loss)
    if json:
        click.echo(as_json(checked), nl=False)
    else:
        screen = console()
        for finding in checked.findings:
            screen.print(str(finding), style="bad", highlight=False, soft_wrap=True)
        if not checked.findings:
            screen.print(f"{checked.loss} passes every check.", style="good")
    return 1 if checked.findings else 0
