"""Hook of mkdocs: fills the page of commands with the help of each, so that it never differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from orchestrator.cli import app
from orchestrator.command_line.base import NAME

PLACE = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts the help of all commands in the place of the comment."""
    return markdown.replace(PLACE, "\n".join(_sections(app, NAME)))


def _sections(group: click.Group, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        words = f"{path} {name}"
        if isinstance(command, click.Group):
            yield from _sections(command, words)
        else:
            context = click.Context(
                command, info_name=words, **{**command.context_settings, "terminal_width": 80}
            )
            yield f"## {words}\n\n```text\n{command.get_help(context)}\n```\n"
