"""The command line: assembled here from `orchestrator/commands/`, and ended as it should be."""

from __future__ import annotations

import io
import re
import sys
from types import TracebackType
from typing import NoReturn

import click

from orchestrator.commands import mistakes
from orchestrator.commands.base import NAME, app
from orchestrator.commands.check_loss import check_loss
from orchestrator.commands.completion import OPTIONS
from orchestrator.commands.data import data
from orchestrator.commands.launch import launch
from orchestrator.commands.listing import list_
from orchestrator.commands.logs import logs
from orchestrator.commands.plan import plan
from orchestrator.commands.run import run
from orchestrator.commands.score import score
from orchestrator.commands.status import status
from orchestrator.commands.stop import stop
from orchestrator.commands.store import store
from orchestrator.commands.tables import tables
from orchestrator.commands.trial import trial
from orchestrator.driver import own_code
from orchestrator.driver.signals import Interrupted, interruptible

RAN_WITH_FAILURES, COULD_NOT_RUN = 1, 2

LONGEST_LINE = 1000
"""Of an error, which may quote what was typed."""

app.params += OPTIONS
app.add("A sweep, on this machine or on a cluster", [plan, run, status])
app.add("A sweep as a job of a cluster", [launch, logs, stop])
app.add("What came out", [tables, store, score])
app.add("What it is made of", [list_, data, trial, check_loss])
click.version_option(None, "-V", "--version", package_name=NAME, message="%(prog)s %(version)s")(app)


def main() -> None:
    """Entry point: a user's mistake is one line on standard error and exit code 2, never a traceback."""
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
