"""Options that several commands have, and the names that they choose from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

MOST = 1e9
"""GPUs, GPU-hours, or what an hour costs, in whatever currency."""


class Format(StrEnum):
    MARKDOWN = "md"
    LATEX = "latex"
    HTML = "html"
    CSV = "csv"


class CriterionName(StrEnum):
    ECE = "ece"
    ADAPTIVE_ECE = "adaptive_ece"
    NLL = "nll"


class Kind(StrEnum):
    LOSSES = "losses"
    MODELS = "models"
    DATASETS = "datasets"
    PROTOCOLS = "protocols"
    SWEEPS = "sweeps"


def finite(value: float | None) -> float | None:
    if value is not None and not value <= MOST:
        raise typer.BadParameter(f"{value} is not a number up to {MOST:g}.")
    return value


SweepArgument = Annotated[
    str, typer.Argument(metavar="SWEEP", help="A sweep file, or a bundled sweep's name.")
]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="CALIBSWEEP_STORE",
        metavar="URI",
        help="Where results are: a folder or s3://, gs://.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Changes the sweep, e.g. training.epochs=3. Repeatable."
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", envvar="CALIBSWEEP_DATA", metavar="FOLDER", help="Where data sets lie."),
]
ClusterOption = Annotated[
    Path | None,
    typer.Option("--cluster", metavar="FILE", help="Ray's launcher makes the cluster of this file."),
]
DashboardOption = Annotated[
    str | None,
    typer.Option("--address", metavar="http://...", help="The dashboard of a cluster that runs."),
]
