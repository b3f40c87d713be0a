"""`calibsweep data`: prepare data sets, or check your own."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Command, Group
from orchestrator.commands import completion
from orchestrator.commands.options import data_option, json_option
from orchestrator.screen.terminal import console

data = Group("data", help="Prepare data sets, or check your own.")


@click.command(cls=Command, example="calibsweep data prepare cifar10 --data ./data")
@click.argument(
    "name",
    metavar="DATASET",
    shell_complete=completion.datasets,
    help="A data set (`calibsweep list datasets`).",
)
@data_option
@json_option
def prepare(name: str, data: Path | None, json: bool) -> None:
    """Download, verify and unpack a data set once, before a cluster needs it. Rerun to resume."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.bars import bars_by_step
    from orchestrator.use_cases.data import prepare

    if json:
        click.echo(as_json(prepare(name, data)), nl=False)
        return
    screen = console()
    with bars_by_step(screen) as progress:
        prepared = prepare(name, data, progress=progress)
    if prepared.folder is None:
        screen.print(f"{name} needs no files.", highlight=False)
    else:
        screen.print(f"{name} is ready in {prepared.folder}.", highlight=False, soft_wrap=True)


@click.command(cls=Command, example="calibsweep data check ./pictures", components=False)
@click.argument(
    "path",
    type=click.Path(path_type=Path),
    help="A folder with a folder of pictures per class; or a CSV, TSV or Parquet file of texts and labels, "
    "or with --target of numbers and categories. With or without train, validation and test.",
)
@click.option("--text", default="text", show_default=True, metavar="NAME", help="The column of texts.")
@click.option("--label", default="label", show_default=True, metavar="NAME", help="The column of classes.")
@click.option("--target", default="", metavar="NAME", help="The column of classes of numbers and categories.")
@click.option("--category", multiple=True, metavar="NAME", help="A column of numbers that is a category.")
@click.option("--ignored", multiple=True, metavar="NAME", help="A column that is no input.")
@json_option
def check(
    path: Path,
    text: str,
    label: str,
    target: str,
    category: tuple[str, ...],
    ignored: tuple[str, ...],
    json: bool,
) -> None:
    """Read pictures, texts or a table of your own as a trial would: parts, classes, counts and sizes."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.own_data import print_own_data
    from orchestrator.use_cases.data import check_data

    found = check_data(path, text=text, label=label, target=target, categories=category, ignored=ignored)
    if json:
        click.echo(as_json(found), nl=False)
    else:
        print_own_data(found, console())


data.add("Commands", [prepare, check])
