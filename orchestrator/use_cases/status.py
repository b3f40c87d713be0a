"""`calibsweep status` of a sweep that runs on this machine, or anywhere: what the store says of it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from orchestrator.screen.view import standing_still
from orchestrator.use_cases import plan
from orchestrator.use_cases.cost import Prices
from results.store.running import running
from results.store.store import Store
from results.wording import counted
from sweeps.expand import load


def status(sweep_name: str, uri: str, overrides: list[str], prices: Prices, console: Console) -> int:
    """Shows what runs of a sweep at this moment, then the plan's view. Returns 0.

    Raises:
        ConfigurationError: An option that does not fit the sweep.
        StoreError: There is no such store, or it cannot be read.
    """
    sweep = load(sweep_name, overrides)
    prices.check_for(sweep)
    store = Store(uri)
    store.check_place()
    runs = running(store)
    table = Table(box=None, pad_edge=False, show_header=False)
    for trial in sweep.trials:
        if (run := runs.get(trial.key)) is not None:
            quiet = "" if run.quiet_seconds is None else standing_still(run.quiet_seconds)
            table.add_row(str(trial), f"{run.epochs}/{trial.training.epochs} epochs", quiet)
    if table.row_count:
        console.print(f"{counted(table.row_count, 'trial')} of {sweep.name} running at this moment:")
        console.print(table)
    else:
        console.print(f"No trial of {sweep.name} runs at this moment.")
    console.print()
    plan.view(sweep, store, runs, False, prices, console)
    return 0
