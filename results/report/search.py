"""The page of a search: its best, figure, space and trials, self-contained like that of a report."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results.figures.search import svg
from results.report.page import Grid
from results.report.rendering import policy, style_of, templates_of_pages
from results.searched import Record, Suggested, score_text
from results.tables import names
from results.wording import counted
from sweeps.search import Search

MOST_LINES = 1000
"""Trials on the page: of more, the best."""


@dataclass(frozen=True)
class Page:
    """Attributes:
    facts: Sentences on the whole search, each with its kind: 'good', 'bad' or ''.
    next: The command that evaluates the best; '' before the search has ended.
    notes: How to read the best.
    picture: The figure, an SVG file in base64; '' without scores.
    alternative: The figure in words.
    made_of: Facts on the page by name.
    """

    title: str
    description: str
    facts: Sequence[tuple[str, str]]
    best: Grid
    next: str
    notes: Sequence[str]
    picture: str
    alternative: str
    space: Grid
    trials: Grid
    made_of: Mapping[str, str]


def page_of(search: Search, record: Record, command: str, made_of: Mapping[str, str]) -> Page:
    """The page of a search.

    Args:
        command: Evaluates the best; '' before the search has ended.
    """
    file, (trial, *_) = search.file, search.representatives()
    parameters = list(dict.fromkeys(name for loss in search.candidates for name in search.dimensions(loss)))
    best = record.best
    return Page(
        title=record.name,
        description=file.description,
        facts=_facts(record),
        best=_grid("The best" if len(best) == 1 else "The front", record, parameters, best),
        next=command,
        notes=_notes(record),
        picture=base64.b64encode(svg(record)).decode() if record.scored else "",
        alternative="Score of each trial in the order of the search with the best so far, and the importance "
        "of each parameter" + (", and the front of the scores." if len(record.objectives) > 1 else "."),
        space=_space(search, record),
        trials=_trials(record, parameters),
        made_of={
            "Data set and network": f"{names.dataset(trial.dataset.label)}, {names.model(trial.model.label)}",
            "Seed of the trials": str(file.seed),
            "Sampler": f"{file.sampler}, seed {file.sampler_seed}, {file.at_once} at once",
            **made_of,
        },
    )


def render(page: Page) -> str:
    """The page as HTML, with `visible` texts."""
    from markupsafe import Markup

    environment = templates_of_pages()
    style = style_of(environment)
    template = environment.get_template("search.html.j2")
    return template.render(page=page, style=Markup(style), policy=policy(style))


def _facts(record: Record) -> list[tuple[str, str]]:
    told, scored = len(record.suggested), len(record.scored)
    stopped = sum(each.stopped for each in record.suggested)
    facts = [(f"{told:,} of {counted(record.trials, 'trial')} ended", "good" * (told == record.trials))]
    if stopped:
        facts.append((f"{stopped:,} stopped early", ""))
    if failed := told - scored - stopped:
        facts.append((f"{failed:,} failed", "bad"))
    return [*facts, (f"by {' and '.join(each.name for each in record.objectives)}", "")]


def _notes(record: Record) -> list[str]:
    return [
        "Scores are on the validation part. They chose the best of "
        f"{counted(len(record.scored), 'trial')}, so that they flatter it: a new network with the same "
        "settings has worse ones on average. The sweep file of the best has other seeds.",
        *(
            [
                "Scores after calibration are cross-validated: each sample is calibrated by a fit to others. "
                "Each network has the best of the calibrators."
            ]
            if any(each.calibrated for each in record.objectives)
            else []
        ),
        *(
            ["The front: no other trial is at least as good in all scores and better in one."]
            if len(record.objectives) > 1
            else []
        ),
    ]


def _space(search: Search, record: Record) -> Grid:
    several = len(record.objectives) > 1
    heads = [f"Importance for {each.name}" if several else "Importance" for each in record.objectives]
    lines = []
    if search.file.calibrators:
        lines.append(["calibrator", ", ".join(search.file.calibrators), *[""] * len(heads)])
    if len(search.candidates) > 1:
        lines.append(["loss", ", ".join(search.candidates), *_shares(record, "loss")])
    for loss in search.candidates:
        for name, dimension in search.dimensions(loss).items():
            line = [name, str(dimension), *_shares(record, name)]
            if line not in lines:
                lines.append(line)
    return Grid("Space", ("Parameter", "Values", *heads), tuple(map(tuple, lines)))


def _shares(record: Record, name: str) -> list[str]:
    shares = [record.importance.get(each.name, {}).get(name) for each in record.objectives]
    return ["" if share is None else f"{share:.0%}" for share in shares]


def _trials(record: Record, parameters: Sequence[str]) -> Grid:
    lower = record.objectives[0].direction == "lower"

    def order(each: Suggested) -> tuple[bool, float]:
        if each.scores is None:
            return (True, each.number)
        return (False, each.scores[0] if lower else -each.scores[0])

    lines = sorted(record.suggested, key=order)
    title = "All trials" if len(lines) <= MOST_LINES else f"The best {MOST_LINES:,} trials"
    return _grid(title, record, parameters, lines[:MOST_LINES])


def _grid(title: str, record: Record, parameters: Sequence[str], lines: Sequence[Suggested]) -> Grid:
    objectives = [each.name for each in record.objectives]
    calibrated = any(each.calibrated for each in record.objectives)
    return Grid(
        title,
        ("Trial", "Loss", *parameters, *["Calibrator"] * calibrated, *objectives, "End", "Key"),
        tuple(
            (
                str(each.number),
                each.loss,
                *(str(each.values.get(name, "")) for name in parameters),
                *[each.calibrator] * calibrated,
                *(
                    "" if each.scores is None else score_text(name, each.scores[place])
                    for place, name in enumerate(objectives)
                ),
                each.end,
                each.key,
            )
            for each in lines
        ),
    )
