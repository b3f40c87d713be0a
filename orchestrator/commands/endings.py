"""Ends a command with its exit code, and reports a user's mistake in one line."""

from __future__ import annotations

import io
import re
import sys
from types import TracebackType
from typing import NoReturn

import click

from orchestrator.command_line.base import NAME
from orchestrator.commands import mistakes
from orchestrator.driver import own_code
from orchestrator.driver.signals import Interrupted, interruptible

RAN_WITH_FAILURES, COULD_NOT_RUN = 1, 2

LONGEST_LINE = 1000
"""Of an error, which may quote the command line."""


def run_and_exit(app: click.Command) -> NoReturn:
    """Runs the typed command. A user's mistake gives one line and exit code 2, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A character that the terminal lacks must not end a sweep either.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.excepthook = _show
    try:
        from trainables.errors import CalibsweepError

        try:
            with interruptible():
                sys.exit(app.main(prog_name=NAME, standalone_mode=False))
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(COULD_NOT_RUN)
        except click.UsageError as error:
            _refuse(mistakes.line(error, sys.argv[1:]))
        except CalibsweepError as error:
            _refuse(*error.lines)
    except ImportError as error:
        _refuse(own_code.why(error))
    except Interrupted as interrupted:
        sys.stderr.write(f"{NAME}: {interrupted}\n")
        sys.exit(RAN_WITH_FAILURES)


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints the traceback of a user's code: `trial` has no worker to report it."""
    import traceback

    from trainables.texts import visible

    sys.stderr.write(visible("".join(traceback.format_exception(kind, error, trace)), kept="\n"))


def _refuse(*mistakes: str) -> NoReturn:
    from trainables.texts import visible

    for mistake in mistakes:
        # Collapse only line breaks, since spaces may matter in a command to copy.
        line = visible(re.sub(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+\s*", " ", mistake.strip()))
        if len(line) > LONGEST_LINE:
            line = f"{line[:LONGEST_LINE]} ..."
        sys.stderr.write(f"{NAME}: {line}\n")
    sys.exit(COULD_NOT_RUN)
