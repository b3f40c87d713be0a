"""`calibsweep export`: stored predictions for the tools of others."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Command, Group
from orchestrator.commands.options import FOLDER, json_option, set_option, store_option, sweep_argument
from orchestrator.screen.terminal import console

export = Group("export", help="Export stored predictions for other tools.")


@click.command(cls=Command, example="calibsweep export calarena sst --store ./store -o calarena")
@sweep_argument
@store_option
@click.option(
    "-o",
    "--output",
    "folder",
    type=FOLDER,
    default=Path("calarena"),
    show_default=True,
    metavar="FOLDER",
    help="Folder of the files, which replace others of their names.",
)
@set_option
@json_option
def calarena(sweep: str, store: str, folder: Path, overrides: tuple[str, ...], json: bool) -> None:
    """Write the finished trials of a sweep as benchmarks of CalArena.

    For its `run_benchmark.py`, which fits and scores calibrators (github.com/probkit/CalArena): an HDF5 file
    of probabilities and labels on validation and test data, and a CSV index. One benchmark holds the trials
    with two classes, another those with more.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.bars import bar
    from orchestrator.screen.exported import print_exported
    from orchestrator.use_cases.export import export_calarena

    if json:
        click.echo(as_json(export_calarena(sweep, store, folder=folder, overrides=overrides)), nl=False)
        return
    with bar("exporting", console()) as progress:
        exported = export_calarena(sweep, store, folder=folder, overrides=overrides, progress=progress)
    print_exported(exported)


export.add("Commands", [calarena])
