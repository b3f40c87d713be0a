"""The figure of a search: its history, the importance of its parameters, and the front of its scores."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from results.figures import files, style
from results.figures.kinds import Picture
from results.searched import Record, Suggested, in_percent
from sweeps.search import Objective

COLUMNS = 2

ROW = 2.6
"""Inches: the height of a row of panels."""


def svg(record: Record) -> bytes:
    """The figure as an SVG file: a history of each objective, and with several the front of the first two."""
    objectives = record.objectives
    panels = len(objectives) + 1 + (len(objectives) > 1)
    with style.styled():
        drawing, axes = style.grid(-(-panels // COLUMNS), COLUMNS, ROW)
        places = list(axes.flat)
        for place in places[panels:]:
            place.set_axis_off()
        for position, objective in enumerate(objectives):
            _history(places[position], position, record, objective)
        _importance(places[len(objectives)], len(objectives), record.importance)
        if len(objectives) > 1:
            _front(places[panels - 1], panels - 1, record)
        style.heading(drawing, f"Search {record.name}", "scores on the validation part")
        return files.written(Picture((), f"Search {record.name}", drawing), "svg", "calibsweep search")


def _history(axes: Axes, position: int, record: Record, objective: Objective) -> None:
    style.letter(axes, position, "history")
    least = min if objective.direction == "lower" else max
    place = list(record.objectives).index(objective)
    numbers, scores, reached = [], [], []
    for each in record.scored:
        numbers.append(each.number)
        scores.append(_score(each, place))
        reached.append(least(scores))
    axes.plot(numbers, scores, "o", color=style.BAND, label="trial")
    axes.plot(numbers, reached, drawstyle="steps-post", color=style.INK, label="best so far")
    if stopped := [each.number for each in record.suggested if each.stopped]:
        bottom, _ = axes.get_ylim()
        axes.plot(
            stopped, [bottom] * len(stopped), "x", color=style.GAP, label="stopped early", clip_on=False
        )
    axes.set_xlabel("trial")
    axes.set_ylabel(objective.name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if in_percent(objective.name):
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend()


def _importance(axes: Axes, position: int, importance: Mapping[str, Mapping[str, float]]) -> None:
    """A bar for each parameter and objective."""
    style.letter(axes, position, "importance (fANOVA)")
    known = {objective: shares for objective, shares in importance.items() if shares}
    if not known:
        axes.set_axis_off()
        axes.text(0, 0.9, "unknown: too few results", transform=axes.transAxes, va="top")
        return
    names = list(next(iter(known.values())))[::-1]
    height = 0.8 / len(known)
    colors = (style.ACCURACY, style.GAP, style.BAND, style.INK)
    for number, (objective, shares) in enumerate(known.items()):
        middle = (len(known) - 1) / 2 - number
        places = [row + height * middle for row in range(len(names))]
        axes.barh(
            places,
            [shares[name] for name in names],
            height=height,
            color=colors[number % len(colors)],
            label=objective,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("share of the variance")
    if len(known) > 1:
        axes.legend()


def _front(axes: Axes, position: int, record: Record) -> None:
    style.letter(axes, position, "front")
    for best, color, label in ((False, style.BAND, "trial"), (True, style.GAP, "front")):
        chosen = [each for each in record.scored if each.best == best]
        points = [(_score(each, 0), _score(each, 1)) for each in chosen]
        axes.plot([x for x, _ in points], [y for _, y in points], "o", color=color, label=label)
    for objective, axis in zip(record.objectives[:2], (axes.xaxis, axes.yaxis), strict=True):
        axis.set_label_text(objective.name)
        if in_percent(objective.name):
            axis.set_major_formatter(PercentFormatter(1))
    axes.legend()


def _score(suggested: Suggested, place: int) -> float:
    assert suggested.scores is not None
    return suggested.scores[place]
