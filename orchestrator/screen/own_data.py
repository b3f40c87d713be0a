"""Prints the parts and classes of a user's own data."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from orchestrator.use_cases.data import OwnData
from results.wording import counted
from trainables.texts import visible

MOST_CLASSES = 40


def print_own_data(found: OwnData, screen: Console) -> None:
    """Prints the number of samples of each class and part, and the line of a sweep file that reads them."""
    totals = [sum(part.counts.values()) for part in found.parts]
    samples = {"image_folder": "pictures", "text_table": "texts"}.get(found.component, "rows")
    screen.print(
        f"{sum(totals):,} {samples} of {counted(len(found.classes), 'class')} in {found.path}",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class", overflow="fold")
    for part in found.parts:
        table.add_column(f"{part.name} (drawn)" if part.drawn else part.name, justify="right")
    for name in found.classes[:MOST_CLASSES]:
        table.add_row(visible(name), *(f"{part.counts[name]:,}" for part in found.parts))
    if len(found.classes) > MOST_CLASSES:
        table.add_row(f"and {len(found.classes) - MOST_CLASSES} more", *("" for _ in found.parts))
    table.add_row("all", *(f"{total:,}" for total in totals), style="bold")
    screen.print(table)
    side = " of the shorter side" if found.unit == "pixels" else ""
    sizes = f"{found.least_size:,} to {found.greatest_size:,}, median {found.median_size:,g}"
    screen.print(
        f"columns of inputs: {found.least_size:,}"
        if found.unit == "columns"
        else f"{found.unit}{side}: {sizes}",
        highlight=False,
        soft_wrap=True,
    )
    screen.print("In a sweep file:", style="quiet")
    params = {"path": str(found.path), **found.columns}
    written = ", ".join(f"{name}: {json.dumps(value)}" for name, value in params.items())
    screen.print(
        f"  datasets: [{{{found.component}: {{{written}}}}}]",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
