"""Explains a mistyped command in one line, with a suggestion."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Sequence

import click

from orchestrator.command_line.base import NAME, app


def line(error: click.UsageError, words: Sequence[str]) -> str:
    """The mistake, and a suggestion.

    Args:
        words: Everything typed after the program's name.
    """
    command = error.ctx.command if error.ctx else None
    # Without the program's name, with which the line begins.
    path = (error.ctx.command_path if error.ctx else NAME).partition(" ")[2]
    message = error.format_message()
    if isinstance(error, click.NoSuchOption):
        meant = _meant(error.option_name, command, words)
        message = f"{_unknown(path)} option {error.option_name!r}.{meant}"
    elif isinstance(error, click.exceptions.NoSuchCommand):
        from trainables.registry import closest

        known = command.commands if isinstance(command, click.Group) else ()
        near = closest(error.command_name, known)
        message = f"{_unknown(path)} command {error.command_name!r}.{near}"
    elif isinstance(error, click.BadOptionUsage):
        # The parser does not know its command.
        params = app.commands[words[0]].params if words and words[0] in app.commands else []
        options = [param for param in params if isinstance(param, click.Option)]
        text = "".join(option.help or "" for option in options if error.option_name in option.opts)
        message = f"{error.option_name} needs a value" + (f": {text[:1].lower()}{text[1:]}" if text else ".")
    elif isinstance(error, click.MissingParameter) and error.param:
        name, text = _name(error.param), getattr(error.param, "help", "") or ""
        message = f"{path} needs {name}: {text[:1].lower()}{text[1:]}"
    elif isinstance(error, click.BadParameter) and error.param:
        message = f"{_name(error.param)}: {error.message}"
    elif spare := re.match(r"Got unexpected extra arguments? \((.*)\)", message):
        message = f"{path}: unexpected argument: {spare[1]} (quote an argument with spaces)"
    return message


def _unknown(path: str) -> str:
    return f"{path}: unknown" if path else "unknown"


def _name(param: click.Parameter) -> str:
    return param.opts[0] if isinstance(param, click.Option) else param.human_readable_name.strip("[].")


def _meant(option: str, command: click.Command | None, words: Sequence[str]) -> str:
    """' Did you mean ...?' with the nearest option, or the equivalent --set."""
    options = [name for param in (command.params if command else ()) for name in param.opts]
    known = {name: name for name in [*options, "--help"] if name.startswith("--")}
    if "--set" in options:
        from sweeps.spec import SETTINGS

        for path in SETTINGS:
            # The setting's name in the form of an option.
            name = "--" + path.rpartition(".")[2].replace("_", "-")
            known.setdefault(name, f"--set {shlex.quote(f'{path}={_value(option, words)}')}")
    near = difflib.get_close_matches(option.replace("_", "-"), known, n=1, cutoff=0.6)
    return f" Did you mean {known[near[0]]}?" if near else f" See {NAME} {_help(command)}."


def _help(command: click.Command | None) -> str:
    return f"{command.name} --help" if command and command.name != NAME else "--help"


def _value(option: str, words: Sequence[str]) -> str:
    """The value typed after an option."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name == option:
            value = value if equals else following
            return value if value and not value.startswith("--") else "VALUE"
    return "VALUE"
