"""Hooks of mkdocs: the page of commands has their help, and links out of docs/ lose their address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click

from orchestrator.cli import app
from orchestrator.command_line.base import NAME

PLACE = "<!-- commands -->"
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
"""A link to a file of the repository, in a page directly in docs/: the site has no such file."""


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The text of a page with its commands and links replaced."""
    if "/" not in page.file.src_uri:
        markdown = OUTSIDE.sub(r"`\1`", markdown)
    return markdown.replace(PLACE, "\n".join(_sections(app, NAME)))


def _sections(group: click.Group, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        words = f"{path} {name}"
        if isinstance(command, click.Group):
            yield from _sections(command, words)
        else:
            # So wide that a page shows whole lines.
            settings = {**command.context_settings, "terminal_width": 80}
            context = click.Context(command, info_name=words, **settings)
            yield f"## {words}\n\n```text\n{command.get_help(context)}\n```\n"
