"""`calibsweep score`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Command
from orchestrator.commands.options import FILE, FOLDER
from orchestrator.screen.terminal import console


@click.command(cls=Command, example="calibsweep score my_logits.npz --json")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=FILE,
    metavar="FILE...",
    help="Logits and labels: .npz, .npy, .pt, .csv or .parquet.",
)
@click.option(
    "--names",
    multiple=True,
    metavar="KEY=NAME,...",
    help="Names of arrays: logits=predictions,labels=y. Keys: logits, labels, those of one part (val_logits "
    "...), and val and test for files. Repeatable.",
)
@click.option(
    "--probabilities", is_flag=True, help="The arrays are probabilities or their logarithms, not logits."
)
@click.option("--flatten", is_flag=True, help="Score each position of [N, K, H, W] or [N, L, K] as a sample.")
@click.option(
    "--ignore", type=int, metavar="LABEL", help="Leave out samples with this label, such as -100 or 255."
)
@click.option(
    "--figures",
    type=FOLDER,
    metavar="FOLDER",
    help="Draw a reliability diagram, and ECE and NLL against the temperature, into this folder (SVG).",
)
@click.option("--json", "json", is_flag=True, help="Print fractions and nats, as JSON.")
def score(
    files: tuple[Path, ...],
    names: tuple[str, ...],
    probabilities: bool,
    flatten: bool,
    ignore: int | None,
    figures: Path | None,
    json: bool,
) -> None:
    """Score your own logits, before and after temperature scaling.

    Files hold val_logits [N, K], val_labels [N], test_logits [M, K] and test_labels [M], by these or similar
    names; docs/scoring.md lists all formats. Temperatures are fitted on the validation part, scores are
    of the test part. A test part alone is scored before scaling.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.use_cases.score import score

    scored = score(
        files, names=names, probabilities=probabilities, flatten=flatten, ignore=ignore, figures=figures
    )
    if json:
        drawn = {"figures": scored.figures} if figures else {}
        click.echo(as_json({**scored.scores, "warnings": scored.notes, **drawn}), nl=False)
        return
    from orchestrator.screen.scores_table import print_scores

    screen = console()
    screen.print(f"{', '.join(map(str, files))}, test part", style="bold", highlight=False, soft_wrap=True)
    print_scores(scored.scores, screen)
    if scored.notes or scored.figures:
        screen.print()
    for file in scored.figures:
        screen.print(str(file), highlight=False, soft_wrap=True, markup=False)
    for note in scored.notes:
        screen.print(f"{note.kind}: {note.line}", highlight=False, soft_wrap=True)
