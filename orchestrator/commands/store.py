"""`calibsweep store`: what looks after a store of results."""

from __future__ import annotations

import click

from orchestrator.commands.base import Command, Group
from orchestrator.commands.options import store_option
from orchestrator.screen.terminal import console

store = Group("store", help="Looks after a store of results.")


@click.command(cls=Command, example="calibsweep store compact --store ./store")
@store_option
def compact(store: str) -> None:
    """Gathers the rows of all finished trials in one file, so that thousands are read at once."""
    from orchestrator.use_cases import compaction as command

    command.compact(store, console())


@click.command(cls=Command, example="calibsweep store verify --store ./store")
@store_option
def verify(store: str) -> int:
    """Looks at every file of a store, and scores every finished trial anew from its stored logits.

    All that is found is told by kind, with what the next run makes of it. Exit code 1 if anything differs
    from what was committed, or is damaged.
    """
    from orchestrator.use_cases import verify as command

    return command.verify(store, console())


@click.command(cls=Command, example="calibsweep store ls --store ./store")
@store_option
def ls(store: str) -> int:
    """Shows what a store holds: which seeds of which data set, model and loss are done or failed.

    With the size of their files, and what they were made with.
    """
    from orchestrator.use_cases import contents as command

    return command.show(store, console())


store.add("Commands", [ls, verify, compact])
