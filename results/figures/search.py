"""The figure of a search: its history, and the importance of its parameters or the front of its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from results.figures import files, style
from results.figures.kinds import Picture


@dataclass(frozen=True)
class Point:
    """A suggestion with scores.

    Attributes:
        number: Its place in the search, from 0.
        scores: In the order of the objectives, as stored: fractions, and nats for NLL.
        best: Whether it is the best, or on the front.
    """

    number: int
    scores: tuple[float, ...]
    best: bool


def svg(
    title: str,
    points: Sequence[Point],
    stopped: Sequence[int],
    objectives: Sequence[str],
    lower: bool,
    importance: Mapping[str, float],
) -> bytes:
    """The figure as an SVG file.

    Args:
        stopped: Numbers of the suggestions that stopped early.
        lower: Whether a lower value of the first objective is better.
        importance: Share of each parameter; empty if it is unknown.
    """
    with style.styled():
        drawing, axes = style.grid(1, 2, 2.6)
        _history(axes[0, 0], points, stopped, objectives[0], lower)
        if len(objectives) > 1:
            _front(axes[0, 1], points, objectives)
        else:
            _importance(axes[0, 1], importance)
        style.heading(drawing, title, "scores on the validation part")
        return files.written(Picture((), title, drawing), "svg", "calibsweep search")


def _history(axes: Axes, points: Sequence[Point], stopped: Sequence[int], name: str, lower: bool) -> None:
    style.letter(axes, 0, "history")
    best, reached = None, []
    for point in points:
        score = point.scores[0]
        best = score if best is None else min(best, score) if lower else max(best, score)
        reached.append(best)
    numbers = [point.number for point in points]
    axes.plot(numbers, [point.scores[0] for point in points], "o", color=style.BAND, label="trial")
    axes.plot(numbers, reached, drawstyle="steps-post", color=style.INK, label="best so far")
    if stopped:
        bottom, _ = axes.get_ylim()
        axes.plot(
            stopped, [bottom] * len(stopped), "x", color=style.GAP, label="stopped early", clip_on=False
        )
    axes.set_xlabel("trial")
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()


def _importance(axes: Axes, importance: Mapping[str, float]) -> None:
    style.letter(axes, 1, "importance (fANOVA)")
    names = list(importance)[::-1]
    axes.barh(names, [importance[name] for name in names], color=style.ACCURACY)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the variance")


def _front(axes: Axes, points: Sequence[Point], objectives: Sequence[str]) -> None:
    style.letter(axes, 1, "front")
    for best, color, label in ((False, style.BAND, "trial"), (True, style.GAP, "front")):
        chosen = [point.scores for point in points if point.best == best]
        axes.plot(
            [scores[0] for scores in chosen], [scores[1] for scores in chosen], "o", color=color, label=label
        )
    axes.set_xlabel(objectives[0])
    axes.set_ylabel(objectives[1])
    axes.legend()
