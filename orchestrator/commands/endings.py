"""How a command ends: with its exit code, and with one line for a user's mistake."""

from __future__ import annotations

import io
import re
import sys
from types import TracebackType
from typing import NoReturn

import click

from orchestrator.commands import mistakes
from orchestrator.commands.base import NAME
from orchestrator.driver import own_code
from orchestrator.driver.signals import Interrupted, interruptible

RAN_WITH_FAILURES, COULD_NOT_RUN = 1, 2

LONGEST_LINE = 1000
"""Of an error, which may quote what was typed."""


def run_and_exit(app: click.Command) -> NoReturn:
    """Runs the command that was typed. A user's mistake is one line and exit code 2, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Nor is it a reason to end a sweep that a terminal lacks a letter.
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
    """Prints what somebody's code raised, for `trial` has no worker to tell of it."""
    import traceback

    from trainables.texts import visible

    sys.stderr.write(visible("".join(traceback.format_exception(kind, error, trace)), kept="\n"))


def _refuse(*mistakes: str) -> NoReturn:
    from trainables.texts import visible

    for told in mistakes:
        # What can be copied from it may have spaces that matter.
        line = visible(re.sub(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+\s*", " ", told.strip()))
        if len(line) > LONGEST_LINE:
            line = f"{line[:LONGEST_LINE]} ..."
        sys.stderr.write(f"{NAME}: {line}\n")
    sys.exit(COULD_NOT_RUN)
