"""The content of a report as plain data. `results.report.building` fills it, `rendering` writes it as a page.

Numbers are in units of print: percent, and 100 x nats for NLL. Losses, networks, cells, trials and columns
are named by their position in the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Loss:
    """Attributes:
    label: As in the sweep.
    name: As printed.
    color, dark: #rrggbb on light paper, as in all figures, and on a dark screen.
    """

    label: str
    name: str
    color: str
    dark: str


@dataclass(frozen=True)
class Network:
    """A data set and a model, trained in one way.

    Attributes:
        title: 'SST Binary, Tree-LSTM'.
    """

    dataset: str
    model: str
    settings: str
    title: str


@dataclass(frozen=True)
class Column:
    """A metric before or after calibration.

    Attributes:
        metric: Position of its metric.
        scaling: 'before', 'after', or 'none' for a metric that calibration cannot change.
        heading: 'pre T', 'post T' or ''.
        places: Decimals in print.
    """

    metric: int
    scaling: str
    heading: str
    places: int


@dataclass(frozen=True)
class Metric:
    """Attributes:
    direction: 'lower' or 'higher', whichever is better; '' for neither.
    points: Name of one unit in a sentence: 'points', or ''.
    """

    name: str
    title: str
    about: str
    direction: str
    points: str


@dataclass(frozen=True)
class Value:
    """The mean over the seeds of a cell in a column, as printed and as numbers; NaN where undefined.

    Attributes:
        text, deviation_text: As in tables, with marks.
        best: Whether the loss may be the best of its network, and others are ruled out.
        floor, upper: Mean and 95% point of the error of a calibrated network; NaN without a floor.
        calibrated: Whether the error is no more than that.
        near_chance: Whether the network may do no better than always naming the most frequent class.
    """

    text: str
    deviation_text: str
    mean: float
    best: bool
    floor: float
    upper: float
    calibrated: bool
    near_chance: bool


Real = Literal["yes", "partly", "no", "unknown"]


@dataclass(frozen=True)
class Answer:
    """Which loss is the best of a network in a column, by how much, and whether that is real.

    Attributes:
        best: Position of the loss with the best mean.
        value: Its mean and deviation.
        much: Its difference from another loss, with the 95% interval.
        real: Whether the best loss is known: 'yes' if all others are ruled out, 'partly' if some are.
        why: One or two sentences.
        error: The classification error of that loss beside the lowest: a loss may be calibrated and useless.
            '' for accuracies, and without an error.
        floor: The error beside that of calibrated networks; '' without a floor.
        may_be_best: The losses that are not ruled out, the best first.
    """

    best: int
    value: str
    much: str
    real: Real
    why: str
    error: str
    floor: str
    may_be_best: tuple[int, ...]


@dataclass(frozen=True)
class Diagram:
    """The non-empty bins of a reliability diagram, of equal width.

    Attributes:
        bins: Their number, the empty ones included.
        filled: Of each non-empty bin: position, samples, mean confidence, accuracy, and the band that holds
            the accuracy of a calibrated network in 95% of test sets; fractions.
    """

    bins: int
    filled: tuple[tuple[int, int, float, float, float, float], ...]


@dataclass(frozen=True)
class Curves:
    """Learning curves, thinned to a few epochs.

    Attributes:
        epochs: Their numbers, from 1.
        lines: By measure and part of the data: values in units of print.
    """

    epochs: tuple[int, ...]
    lines: Mapping[str, Mapping[str, tuple[float, ...]]]


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Attributes:
        temperature: NaN if there is none.
        mark: Of a temperature at the edge of its grid; ''.
        epoch: The reported one, from 1; 0 if unknown.
        scores: Its score in each column; NaN where undefined.
        diagrams: Before and after calibration; empty without stored logits.
        facts: All else that is recorded and not shared by most trials, as texts by name.
        origin: Position of the facts that it shares with others: commit, versions, hardware.
    """

    key: str
    seed: int
    temperature: float
    mark: str
    epoch: int
    scores: tuple[float, ...]
    diagrams: tuple[Diagram, ...]
    curves: Curves | None
    facts: Mapping[str, str]
    origin: int


@dataclass(frozen=True)
class Cell:
    """A loss on a network.

    Attributes:
        missing: Expected seeds without a finished trial.
        scores: By column; None if the loss has none there.
        again: The command that trains a trial of it again, in parts between which the seed belongs.
        recorded: The command that shows all that is recorded of its trials.
        training: Its training settings, as text.
    """

    network: int
    loss: int
    missing: tuple[int, ...]
    scores: tuple[Value | None, ...]
    trials: tuple[Trial, ...]
    again: tuple[str, ...]
    recorded: str
    training: str


@dataclass(frozen=True)
class Failure:
    """The last failed attempt at each of some trials, alike in class and message.

    Attributes:
        trials: Their names.
        attempts: The most of any of them.
    """

    failure_class: str
    message: str
    traceback: str
    trials: tuple[str, ...]
    attempts: int


@dataclass(frozen=True)
class Grid:
    """A table of texts."""

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Published:
    """The published numbers beside ours.

    Attributes:
        short: '42 of 99 published numbers agree'.
        totals: How many agree, and how many would by chance.
        places: For each paper and network: agreement by score, notes, and each number.
        explanation: How to read the grids.
    """

    short: str
    totals: tuple[str, ...]
    places: tuple[tuple[Grid, tuple[str, ...], tuple[Grid, ...]], ...]
    explanation: str


@dataclass(frozen=True)
class FixedEpoch:
    """The scores after a fixed epoch beside those of the reported one.

    Attributes:
        number: The epoch, from 1.
        grids: One for each network.
    """

    number: int
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """Attributes:
    title: Name of the sweep, or of the store.
    made_of: Facts on the page as a whole, by name: store, commits, hardware, date, command.
    done, planned: Number of finished trials, and of all trials of the sweep.
    answers: By network, then by column.
    notes: Sentences on single cells: holes, training, code.
    reading: How to read the numbers.
    omitted: What is left out, and why; '' if nothing is.
    calibration: Name of what is between before and after.
    """

    title: str
    description: str
    made_of: Mapping[str, str]
    done: int
    planned: int
    losses: Sequence[Loss]
    networks: Sequence[Network]
    metrics: Sequence[Metric]
    columns: Sequence[Column]
    cells: Sequence[Cell]
    answers: Sequence[Sequence[Answer | None]]
    origins: Sequence[Mapping[str, Any]]
    failures: Sequence[Failure]
    published: Published | None
    fixed_epoch: FixedEpoch | None
    notes: Sequence[str]
    reading: Sequence[str]
    omitted: str
    calibration: str
