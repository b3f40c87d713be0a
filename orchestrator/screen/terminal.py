"""Where commands print."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import click

from orchestrator.commands.base import NAME

if TYPE_CHECKING:
    from rich.console import Console

    from results.terminal import Terminal


def console(stderr: bool = False) -> Terminal:
    """Standard output, or standard error. What it takes to print on it is loaded by commands that do."""
    from results.terminal import Terminal

    return Terminal(stderr=stderr)


def warn(line: str) -> None:
    """Prints a line on standard error, where it is no part of what a program reads."""
    from trainables.texts import visible

    click.echo(f"{NAME}: {visible(line)}", err=True)


def can_redraw(file: IO[str]) -> bool:
    """Whether what was printed there can be printed over: on a terminal, and on one that knows how.

    Colours may be forced where neither is so, as in CI.
    """
    return file.isatty() and os.environ.get("TERM", "dumb").lower() not in ("", "dumb", "unknown")


@contextlib.contextmanager
def busy(console: Console, doing: str, stays: bool = True) -> Iterator[None]:
    """Says what is being done, for as long as it is where that can be taken away again.

    Args:
        stays: Elsewhere it is a line. Not before it is known that what was typed makes sense.
    """
    if can_redraw(console.file):
        with console.status(doing):
            yield
    else:
        if stays:
            console.print(doing, highlight=False)
        yield
