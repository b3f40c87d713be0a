"""Prints commands to copy and paste, with the options of the current command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from orchestrator.command_line.base import NAME, app, given_plugins
from trainables.shell import quoted

if TYPE_CHECKING:
    from rich.console import Console


def typed(command: str, given: Mapping[str, Any], **more: Any) -> str:
    """Builds a shell line that calls one of our commands.

    Args:
        command: As typed, e.g. 'store verify'.
        given: Values of another command's parameters, by name. Those that this command lacks are omitted.
        more: Values of this command's parameters, by name.
    """
    found: click.Command = app
    for name in command.split():
        assert isinstance(found, click.Group)
        found = found.commands[name]
    values = {**given, **more}
    arguments: list[str] = []
    options: list[str] = []
    for param in found.params:
        value = values.get(param.name or "")
        if param.name == "plugins" and value is None:
            value = given_plugins
        several = param.multiple or param.nargs == -1
        each = [] if value is None else [str(one) for one in value] if several else [str(value)]
        if isinstance(param, click.Argument):
            arguments += each
        elif isinstance(param, click.Option) and param.is_flag:
            options += param.opts[:1] if value else param.secondary_opts[:1] if value is False else []
        else:
            options += [word for one in each for word in (param.opts[0], one)]
    if any(argument.startswith("-") for argument in arguments):
        return quoted(NAME, *command.split(), *options, "--", *arguments)
    return quoted(NAME, *command.split(), *arguments, *options)


def parsed(command: str, line: str) -> dict[str, Any]:
    """The parameters of one of our commands, by name, in a line that a file holds: the inverse of `typed`.

    No callback of an option runs: such a line names plug-ins, and must not load them.

    Raises:
        ValueError: It is not a line of this command.
    """
    found = app.commands[command]
    words = shlex.split(line)
    if words[:2] != [NAME, command]:
        raise ValueError(f"not a line of {NAME} {command}")
    try:
        given, left, _ = found.make_parser(click.Context(found, **found.context_settings)).parse_args(
            words[2:]
        )
    except click.UsageError as error:
        raise ValueError(error.format_message()) from error
    if left:
        raise ValueError(f"unexpected argument {left[0]!r}")
    return {name: value for name, value in given.items() if isinstance(value, str | list | bool)}


def show(console: Console, line: str, explanation: str = "") -> None:
    """Prints a command on a line of its own, never wrapped, and its explanation below."""
    console.print(f"  {line}", style="command", soft_wrap=True)
    if explanation:
        console.print(f"      {explanation}", style="quiet")
