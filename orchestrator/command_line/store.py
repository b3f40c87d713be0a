"""`calibsweep store`: what looks after a store of results."""

from __future__ import annotations

import click

from orchestrator.command_line.base import Command, Group
from orchestrator.command_line.options import store_option
from orchestrator.terminal import console

store = Group("store", help="Looks after a store of results.")


@click.command(cls=Command, example="calibsweep store compact --store ./store")
@store_option
def compact(store: str) -> None:
    """Gathers the rows of all finished trials in one file, so that tables of thousands come up at once."""
    from orchestrator.wording import counted
    from results.store import Store

    number = Store(store).compact()
    console().print(f"{counted(number, 'trial')} in the compacted copy of {store}.", highlight=False)


@click.command(cls=Command, example="calibsweep store verify --store ./store")
@store_option
def verify(store: str) -> int:
    """Looks at every file of a store, and scores every finished trial anew from its stored logits.

    All that is found is told by kind, with what the next run makes of it. Exit code 1 if anything differs
    from what was committed, or is damaged.
    """
    from orchestrator.commands import verify as command

    return command.verify(store, console())


store.add("Commands", [verify, compact])
