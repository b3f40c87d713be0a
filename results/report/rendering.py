"""Writes the content of a report as one self-contained page.

Texts may come from a foreign store, a sweep file or a plug-in: in HTML the template escapes them, and in the
data `escaped` does. The page's policy allows its own script and style by their digests, and nothing else: no
request, no frame, no other code.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from results.report.page import Cell, Curves, Loss, Page, Trial, Value
from trainables.texts import visible

if TYPE_CHECKING:
    from jinja2 import Environment

SCRIPTS = ("elements.js", "charts.js", "table.js", "details.js", "report.js")
"""Parts of the script, in their order."""

HEADLINE = "ece"
"""The metric of the first answer, if it is there."""


def render(page: Page) -> str:
    """The page as HTML, with `visible` texts."""
    from markupsafe import Markup

    environment = templates_of_pages()
    widths = [sum(column.metric == number for column in page.columns) for number in range(len(page.metrics))]
    style = style_of(environment, page.losses, widths)
    templates = files("results.report") / "templates"
    script = "".join((templates / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{script}}})();\n'
    metrics = [metric.name for metric in page.metrics]
    return environment.get_template("report.html.j2").render(
        page=page,
        widths=widths,
        headline=metrics.index(HEADLINE) if HEADLINE in metrics else 0,
        style=Markup(style),
        script=Markup(script),
        data=Markup(escaped(json.dumps(data(page), separators=(",", ":"), allow_nan=False))),
        policy=policy(style, script),
    )


def templates_of_pages() -> Environment:
    """The templates of pages. They escape texts, and show them with `visible`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    return Environment(
        loader=PackageLoader("results.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: (
            value if not isinstance(value, str) or isinstance(value, Markup) else visible(value, "\n")
        ),
    )


def style_of(environment: Environment, losses: Sequence[Loss] = (), widths: Sequence[int] = ()) -> str:
    """The style of a page.

    Args:
        widths: Number of columns of each metric.
    """
    # Digests are of bytes: nothing is escaped, and nothing but colours and numbers is filled in.
    plain = environment.overlay(autoescape=False)
    return plain.get_template("report.css").render(losses=losses, widths=widths)


def policy(style: str, script: str = "") -> str:
    """The content security policy of a page with this style and script alone, and pictures within it."""
    allowed = [f"script-src '{_digest(script)}'"] if script else []
    return "; ".join(
        (
            "default-src 'none'",
            *allowed,
            f"style-src '{_digest(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def escaped(text: str) -> str:
    """JSON that neither ends its element nor begins another: letters with a meaning in HTML as codes."""
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def data(page: Page) -> dict[str, Any]:
    """The data of the script: plain, and with short names and numbers."""
    epochs: dict[tuple[int, ...], int] = {}
    return {
        "losses": [_visible(loss.name) for loss in page.losses],
        "networks": [_visible(network.title) for network in page.networks],
        "metrics": [_visible(dataclasses.asdict(metric)) for metric in page.metrics],
        "columns": [dataclasses.asdict(column) for column in page.columns],
        "cells": [_cell(cell, epochs) for cell in page.cells],
        "answers": [
            [None if answer is None else _visible(dataclasses.asdict(answer)) for answer in answers]
            for answers in page.answers
        ],
        "origins": [_visible(dict(origin)) for origin in page.origins],
        "calibration": _visible(page.calibration),
        "omitted": page.omitted,
        "epochs": [list(each) for each in epochs],
    }


def _cell(cell: Cell, epochs: dict[tuple[int, ...], int]) -> dict[str, Any]:
    return {
        "network": cell.network,
        "loss": cell.loss,
        "missing": list(cell.missing),
        "scores": [None if value is None else _value(value) for value in cell.scores],
        "trials": [_trial(trial, epochs) for trial in cell.trials],
        "again": list(cell.again),
        "recorded": cell.recorded,
        "training": _visible(cell.training),
    }


def _value(value: Value) -> list[Any]:
    """Text, deviation, mean, mean and 95% point of its floor, whether it may be the best, is calibrated."""
    numbers = [_short(each, 6) for each in (value.mean, value.floor, value.upper)]
    return [value.text, value.deviation_text, *numbers, int(value.best), int(value.calibrated)]


def _trial(trial: Trial, epochs: dict[tuple[int, ...], int]) -> dict[str, Any]:
    return {
        "key": trial.key,
        "seed": trial.seed,
        "temperature": _short(trial.temperature, 3),
        "mark": trial.mark,
        "epoch": trial.epoch,
        "scores": [_short(value, 5) for value in trial.scores],
        "diagrams": [
            [
                each.bins,
                [
                    [*each.filled[n][:2], *(_short(v, 3) for v in each.filled[n][2:])]
                    for n in range(len(each.filled))
                ],
            ]
            for each in trial.diagrams
        ],
        "curves": None if trial.curves is None else _curves(trial.curves, epochs),
        "facts": _visible(dict(trial.facts)),
        "origin": trial.origin,
    }


def _curves(curves: Curves, epochs: dict[tuple[int, ...], int]) -> list[Any]:
    """The position of its epochs, and its lines. Most trials share their epochs."""
    lines = {
        measure: {part: [_short(value, 3) for value in values] for part, values in parts.items()}
        for measure, parts in curves.lines.items()
    }
    return [epochs.setdefault(curves.epochs, len(epochs)), lines]


def _short(value: float, digits: int) -> float | int | None:
    """A number with so many significant digits; None for NaN, which JSON lacks."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded == int(rounded) else rounded


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(name)): _visible(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [_visible(each) for each in value]
    return value
