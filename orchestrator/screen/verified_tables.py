"""Prints whether a file of tables follows from a store."""

from __future__ import annotations

import click

from orchestrator.use_cases.verify_tables import VerifiedTables
from results.tables.origin import Change, Origin
from results.wording import counted
from trainables.texts import visible

MOST = 10
"""Most differences, and most cells with other trials, that are printed."""

UNSEEN = "The sweep, or the code of derived scores, has changed since, without an effect on the file."


def print_verified(found: VerifiedTables) -> None:
    for line in _lines(found):
        click.echo(visible(line, "\n"))


def _lines(found: VerifiedTables) -> list[str]:
    store, now = found.now.store, found.now
    if found.follows:
        lines = [
            f"{found.file} follows from {store}: {counted(now.trials, 'trial')}, inputs {now.inputs[:12]}."
        ]
        return lines if found.same_inputs else [*lines, UNSEEN]
    lines = [f"{found.file} does not follow from {store}:"]
    lines += [
        f"  {each.where}: {each.file or 'nothing'} in the file, {each.store or 'nothing'} from the store"
        for each in found.differences[:MOST]
    ]
    if (more := len(found.differences) - MOST) > 0:
        lines.append(f"  and {counted(more, 'more difference')}")
    lines += [f"  {_changed(each)}" for each in found.changes[:MOST]]
    if (more := len(found.changes) - MOST) > 0:
        lines.append(f"  and other trials in {counted(more, 'more cell')}")
    if not found.differences:
        lines.append("The tables are the same, the trials behind them are not.")
    elif not found.changes:
        lines.append(_without_changes(found))
    return lines


def _without_changes(found: VerifiedTables) -> str:
    """Why tables of the same trials may differ."""
    then, now = _program(found.made_from), _program(found.now)
    if not found.same_inputs:
        return "The trials are the same; the sweep, or the code of derived scores, has changed."
    if then == now:
        return f"The trials are the same, and calibsweep is ({now}): the file was changed."
    return f"The trials are the same. The file was made by {then}; this is {now}."


def _changed(change: Change) -> str:
    if change.before == change.now:
        return f"{change.name}: {counted(change.now, 'trial')}, but others than when the file was made"
    return f"{change.name}: {counted(change.now, 'trial')}, {change.before} when the file was made"


def _program(origin: Origin) -> str:
    return f"calibsweep {origin.version}" + (f" ({origin.commit})" if origin.commit else "")
