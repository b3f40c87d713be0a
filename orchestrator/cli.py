"""Assembles the command line from `orchestrator/commands/`."""

from __future__ import annotations

from typing import NoReturn

from orchestrator.command_line.base import app
from orchestrator.commands.check_loss import check_loss
from orchestrator.commands.compare import compare
from orchestrator.commands.completion import OPTIONS
from orchestrator.commands.data import data
from orchestrator.commands.endings import run_and_exit
from orchestrator.commands.export import export
from orchestrator.commands.figures import figures
from orchestrator.commands.launch import launch
from orchestrator.commands.listing import list_
from orchestrator.commands.logs import logs
from orchestrator.commands.new import new
from orchestrator.commands.plan import plan
from orchestrator.commands.report import report
from orchestrator.commands.run import run
from orchestrator.commands.score import score
from orchestrator.commands.search import search
from orchestrator.commands.show import show
from orchestrator.commands.status import status
from orchestrator.commands.stop import stop
from orchestrator.commands.store import store
from orchestrator.commands.tables import tables
from orchestrator.commands.trial import trial
from orchestrator.commands.version import VERSION

app.params += OPTIONS
app.add("A sweep, on this machine or on a cluster", [plan, run, status, search])
app.add("A sweep as a job of a cluster", [launch, logs, stop])
app.add("Results", [report, tables, show, compare, figures, store, export, score])
app.add("Components and data", [list_, data, new, trial, check_loss])
app.params.append(VERSION)


def main() -> NoReturn:
    """Entry point."""
    run_and_exit(app)
