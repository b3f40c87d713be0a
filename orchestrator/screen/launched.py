"""Prints the job of a launched sweep, and the next commands."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from orchestrator.cluster.jobs import Job
from orchestrator.command_line import copied
from orchestrator.command_line.base import app
from orchestrator.use_cases.launch import Launched, Stopped, Target
from orchestrator.use_cases.status import Status
from results.wording import counted
from trainables.shell import quoted


def print_launched(launched: Launched, target: Target, given: Mapping[str, Any], console: Console) -> None:
    """Prints the job's id and the next commands.

    Args:
        given: Values of the command's parameters, by name; also in the functions below.
    """
    trials = counted(launched.trials, "trial")
    line = f"{launched.sweep}: {trials}, launched as {launched.job}. This terminal may be closed."
    console.print(line, highlight=False, soft_wrap=True)
    console.print("\nNext:", style="bold")
    for command, explanation in (
        ("status", "the states of its trials"),
        ("logs", "the output of its driver"),
        ("stop", "ends it; running trials save checkpoints"),
        ("launch", "resumes it after it has ended or died"),
    ):
        copied.show(console, copied.typed(command, given), explanation)
    _print_dashboard(target, console)


def print_job(status: Status, target: Target, given: Mapping[str, Any], console: Console) -> None:
    """Prints the state of the job, and the last lines of a failed one."""
    if status.job is None:
        console.print("No job of this sweep and store on the cluster. To launch it:", highlight=False)
        copied.show(console, copied.typed("launch", given))
    else:
        console.print(_line(status.job), highlight=False, soft_wrap=True)
    for line in status.log:
        console.print(line, style="quiet", soft_wrap=True)
    _print_dashboard(target, console)


def print_stopped(stopped: Stopped, target: Target, given: Mapping[str, Any], console: Console) -> None:
    """Prints how the job ended, and the command that resumes it."""
    if not stopped.was_under_way:
        console.print(f"Nothing to stop: {_line(stopped.job)}", highlight=False, soft_wrap=True)
        return
    console.print(_line(stopped.job), highlight=False, soft_wrap=True)
    console.print("To resume:")
    copied.show(console, copied.typed("launch", given, **only_to_launch(stopped.job)))
    if target.cluster:
        console.print(
            "The cluster's machines are still running and cost money. To shut them down:", style="warning"
        )
        copied.show(console, quoted("ray", "down", str(target.cluster)))


def only_to_launch(job: Job) -> dict[str, Any]:
    """The options of a job that only `launch` takes."""
    words = shlex.split(job.entrypoint)
    for name in ("run", "search"):
        if name in words:
            given = app.commands[name].make_context(name, words[words.index(name) + 1 :]).params
            return {option: given[option] for option in ("data", "retry_failed") if option in given}
    return {}


def _line(job: Job) -> str:
    since = datetime.datetime.fromtimestamp(job.submitted)
    return f"{job.id}: {job.status.lower()}, submitted {since:%a %d %b %H:%M}. {job.message}"


def _print_dashboard(target: Target, console: Console) -> None:
    where = quoted("ray", "dashboard", str(target.cluster)) if target.cluster else target.address
    line = f"Ray's dashboard (never open its port to the world): {where}"
    console.print(line, style="quiet", soft_wrap=True)
