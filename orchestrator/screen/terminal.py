"""The streams that commands print to."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import click

from orchestrator.command_line.base import NAME

if TYPE_CHECKING:
    from rich.console import Console

    from results.terminal import Terminal


def console(stderr: bool = False) -> Terminal:
    """Standard output or standard error. Imports Rich on the first call."""
    from results.terminal import Terminal

    return Terminal(stderr=stderr)


def warn(line: str) -> None:
    """Prints a line to standard error, so that it does not mix with output for programs."""
    from trainables.texts import visible

    click.echo(f"{NAME}: {visible(line)}", err=True)


def write_utf8(text: str) -> None:
    """Writes a document to standard output, in UTF-8 whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())


def can_redraw(file: IO[str]) -> bool:
    """Whether printed text can be overwritten: it is a terminal, and not a dumb one.

    Forced colours do not imply that, as in CI.
    """
    return file.isatty() and os.environ.get("TERM", "dumb").lower() not in ("", "dumb", "unknown")


@contextlib.contextmanager
def busy(console: Console, doing: str, stays: bool = True) -> Iterator[None]:
    """Shows the current step for the duration of the context, if the terminal can redraw.

    Args:
        stays: Otherwise print it as a line. Use False before the command's arguments are validated.
    """
    if can_redraw(console.file):
        with console.status(doing):
            yield
    else:
        if stays:
            console.print(doing, highlight=False)
        yield
