"""Converts logits in common forms to finite numbers [N, K] whose softmax is the intended probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from results.scoring.logits_input.arrays import AnyArray
from results.scoring.logits_input.labels import SUM_TOLERANCE, class_numbers
from results.scoring.logits_input.names import Pair
from results.scoring.logits_input.notes import Note, warning
from results.scoring.logits_input.shapes import Form, form_of
from results.wording import counted
from trainables.errors import InputError

Floats = npt.NDArray[np.floating]

ROWS = 2**16
"""Samples per chunk, so that temporary memory is small compared with the logits."""

MASKED = 1e4
"""Minimum gap between the logit of a masked class and all others."""


@dataclass(frozen=True)
class Part:
    """Input for scoring: finite logits [N, K], float32 or float64, and class numbers [N]."""

    logits: Floats
    labels: npt.NDArray[np.int64]


def checked(
    pairs: Mapping[str, Pair],
    *,
    probabilities: bool = False,
    flatten: bool = False,
    ignore: int | None = None,
) -> tuple[dict[str, Part], list[Note]]:
    """The parts ("val" and "test", or only "test") in the form for scoring, and notes on them.

    All shapes are looked at before any data is read.

    Args:
        probabilities: Whether they are probabilities or log-probabilities.
        flatten: Whether each position of logits of more than two axes is a sample.
        ignore: Label of ignored samples.

    Raises:
        InputError: Logits or labels that have no scores; the text says where.
        DataError: A file that is damaged.
    """
    forms = {part: form_of(part, pair, flatten=flatten) for part, pair in pairs.items()}
    classes = {part: form.classes for part, form in forms.items()}
    if len(set(classes.values())) > 1:
        raise InputError(
            f"val_logits have {classes['val']} classes, but test_logits {classes['test']}: do they come "
            "from one network?"
        )
    parts, notes = {}, []
    for part, pair in pairs.items():
        parts[part], found = _checked(part, pair, forms[part], probabilities, ignore)
        notes += found
    return parts, notes


def _checked(
    part: str, pair: Pair, form: Form, probabilities: bool, ignore: int | None
) -> tuple[Part, list[Note]]:
    labels, counts, notes = class_numbers(pair.labels.load(), form, part, ignore)
    if len(form.positions) > 1:
        line = f"each of {counted(len(labels), 'position')} of the {part} part is a sample."
        notes.append(Note("flattened", line))
    logits = _floats(form.samples(pair.logits.load()))
    samples = np.arange(len(labels))
    if not counts.all():
        logits, labels, samples = logits[counts], labels[counts], np.flatnonzero(counts)
    where = _Places(f"{part}_logits", form, samples)
    _check_numbers(logits, where)
    kind = _kind(logits)
    if form.axis is None:
        notes.append(
            Note("binary", f"{part}_logits have one number per sample: read as the logit of class 1 of two.")
        )
    if probabilities and kind != "log-probabilities":
        logits = _log(logits, where)
        notes.append(
            Note("from_probabilities", f"{part}_logits are probabilities: their logarithms are scored.")
        )
    elif form.axis is None:
        logits = np.column_stack([np.zeros_like(logits), logits])
    if kind == "log-probabilities":
        line = f"{part}_logits are log-probabilities: scored as logits, since their softmax is the same."
        notes.append(Note("log_probabilities", line))
    elif kind == "probabilities" and not probabilities:
        shape = "lie from 0 to 1" if form.axis is None else "are at least 0 and sum to 1 in each row"
        line = f"{part}_logits {shape}, like probabilities: if so, use --probabilities."
        notes.append(warning("looks_like_probabilities", line))
    logits, masked = _unmasked(logits, labels, where)
    if masked:
        line = (
            f"{counted(masked, 'logit')} of {part}_logits are -inf, a probability of 0 at every temperature."
        )
        notes.append(Note("masked", line))
    return Part(logits, labels), notes


@dataclass(frozen=True)
class _Places:
    """Names the place of a logit in the file, after samples were removed."""

    name: str
    form: Form
    samples: npt.NDArray[np.intp]

    def of(self, row: int, column: int | None = None) -> str:
        one_each = column is None or self.form.axis is None
        text = self.form.place(int(self.samples[row])) + ("" if one_each else f", column {column}")
        return f"{self.name}, {text} (counted from 0)"


def _floats(logits: AnyArray) -> Floats:
    """float32 if it is exact, else float64; writable, as torch requires."""
    exact = logits.dtype.kind == "f" and logits.dtype.itemsize <= 4
    # A longdouble that overflows float64 becomes infinite, and is reported as such.
    with np.errstate(over="ignore"):
        return np.require(logits, np.float32 if exact else np.float64, ("C", "W"))


def _check_numbers(logits: Floats, where: _Places) -> None:
    for value, wrong in (("NaN", np.isnan), ("+inf", np.isposinf)):
        found = _first(wrong(logits))
        if found is not None:
            raise InputError(
                f"{where.of(*found)} is {value}: a logit must be a number, or -inf for a masked class."
            )


def _first(wrong: npt.NDArray[np.bool_]) -> tuple[int, int] | None:
    """Row and column of the first true value."""
    if not wrong.any():
        return None
    row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return int(row), int(column)


def _kind(logits: Floats) -> Literal["logits", "probabilities", "log-probabilities"]:
    """What the values [N, K], or [N, 1] with one number per sample, look like."""
    one_each = logits.shape[1] == 1
    least, greatest = float(logits.min()), float(logits.max())
    if least >= 0 and greatest <= 1 + SUM_TOLERANCE:
        sums = logits.sum(axis=1, dtype=np.float64)
        if one_each or bool((np.abs(sums - 1) <= SUM_TOLERANCE).all()):
            return "probabilities"
    elif greatest <= SUM_TOLERANCE and not one_each:
        starts = range(0, len(logits), ROWS)
        sums = (np.exp(logits[start : start + ROWS].astype(np.float64)).sum(axis=1) for start in starts)
        if all(bool((np.abs(each - 1) <= SUM_TOLERANCE).all()) for each in sums):
            return "log-probabilities"
    return "logits"


def _log(values: Floats, where: _Places) -> Floats:
    """Logarithms [N, K] of probabilities [N, K], or of 1 - p and p for [N, 1]."""
    outside = _first(~((values >= 0) & (values <= 1 + SUM_TOLERANCE)))
    if outside is not None:
        raise InputError(f"{where.of(*outside)} is {values[outside]:.4g}, which is not a probability.")
    values = values.astype(np.float64)
    with np.errstate(divide="ignore"):
        if values.shape[1] == 1:
            # The probability of the other class, without cancellation if this one is small.
            return np.column_stack([np.log1p(-values.clip(max=1)), np.log(values)])
        sums = values.sum(axis=1)
        wrong = np.abs(sums - 1) > SUM_TOLERANCE
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(f"{where.of(row)}: its probabilities sum to {sums[row]:.4g} and not to 1.")
        return np.log(values)


def _unmasked(logits: Floats, labels: npt.NDArray[np.int64], where: _Places) -> tuple[Floats, int]:
    """Replaces -inf by finite logits, and counts them."""
    masked = np.isneginf(logits)
    number = int(masked.sum())
    if not number:
        return logits, 0
    nothing_left = masked.all(axis=1)
    if nothing_left.any():
        row = int(nothing_left.argmax())
        raise InputError(f"{where.of(row)}: all classes are masked by -inf; exclude the sample.")
    true = masked[np.arange(len(labels)), labels]
    if true.any():
        row = int(true.argmax())
        raise InputError(
            f"{where.of(row)}: the true class, {labels[row]}, has probability 0, so the NLL is infinite; "
            "unmask it, exclude the sample, or save logits if probabilities were rounded to 0."
        )
    # Scores are computed from finite logits. A gap of 1e4 is one of 1e3 at the greatest temperature, and
    # exp(-1e3) is exactly 0 in float64, whose least number is exp(-744.4): the probability is 0 at every
    # temperature, and the others are what they are without that class. It is below every other logit, so
    # ranks are right as well; and as far as the others are large, so that the gap is not lost in rounding.
    with np.errstate(over="ignore"):
        least = np.where(masked, np.inf, logits).min(axis=1)
        reach = np.abs(np.where(masked, 0, logits)).max(axis=1).clip(min=MASKED)
        far = np.maximum(least - reach, np.finfo(logits.dtype).min)
    return np.where(masked, far[:, None], logits).astype(logits.dtype), number
