"""Converts labels in common forms to class numbers 0 to K-1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from results.scoring.logits_input.arrays import AnyArray
from results.scoring.logits_input.notes import Note
from results.scoring.logits_input.shapes import Form
from results.wording import counted
from trainables.errors import InputError

SOFT = (
    "calibration compares the confidence in one class with how often that class is the true one, so each "
    "sample needs one class; of labels by vote, save the class with most votes"
)

SUM_TOLERANCE = 1e-2
"""Tolerance for the sum of a row of probabilities: some are published with three decimals."""


def class_numbers(
    labels: AnyArray, form: Form, part: str, ignore: int | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], list[Note]]:
    """Class numbers of all samples, and which samples count.

    Args:
        labels: Values from the file.
        part: 'val' or 'test', for messages.
        ignore: Label of ignored samples.

    Raises:
        InputError: Labels that are not one class each of 0 to K-1.
    """
    name, notes = f"{part}_labels", []
    if labels.shape != form.positions and not form.rows_of_labels:
        notes.append(
            Note("labels_column", f"{name} have shape {list(labels.shape)}: read as one label per row.")
        )
    values = form.labels(labels)
    if form.rows_of_labels:
        values = _from_rows(values, form, name)
        line = f"{name} are one-hot rows: read as the number of the column that is 1."
        notes.append(Note("labels_one_hot", line))
    elif values.dtype.kind == "b":
        values = values.astype(np.int64)
        notes.append(Note("labels_true_false", f"{name} are booleans: read as 1 and 0."))
    counts = np.ones(len(values), dtype=np.bool_) if ignore is None else values != ignore
    if ignore is not None:
        left_out = counted(len(values) - int(counts.sum()), "sample")
        notes.append(Note("ignored", f"{left_out} of the {part} part ignored, with label {ignore}."))
        if not counts.any():
            raise InputError(f"all {name} are {ignore}: --ignore leaves nothing to score.")
    if values.dtype.kind == "f":
        _check_whole(values, counts, form, name)
        notes.append(Note("labels_floats", f"{name} are {values.dtype}: read as integers."))
    _check_range(values[counts], form, name)
    # Ignored labels may have any value.
    return np.where(counts, values, 0).astype(np.int64), counts, notes


def _from_rows(rows: AnyArray, form: Form, name: str) -> AnyArray:
    """Position of the 1 in each row [N, K]."""
    ones = rows == 1
    if bool((ones.sum(axis=1) == 1).all()) and bool((rows[~ones] == 0).all()):
        places: AnyArray = ones.argmax(axis=1)
        return places
    shape = f"{name} have a row of {rows.shape[1]} numbers for each sample"
    if bool(((rows == 0) | ones).all()):
        raise InputError(f"{shape}, some with none or several 1s: multi-label samples are not supported.")
    sums = rows.sum(axis=1, dtype=np.float64)
    if bool((rows >= 0).all()) and bool((np.abs(sums - sums[0]) < SUM_TOLERANCE * max(sums[0], 1)).all()):
        raise InputError(f"{name} are soft, a probability for each class: {SOFT}.")
    raise InputError(f"{shape} that are not labels: save one class number from 0 per sample.")


def _check_whole(values: AnyArray, counts: npt.NDArray[np.bool_], form: Form, name: str) -> None:
    wrong = counts & ~(np.isfinite(values) & (values == np.floor(values)))
    if not wrong.any():
        return
    first = int(wrong.argmax())
    problem = f"{name} are not integers: {form.place(first)} (from 0 on) has {values[first]}"
    if bool(((values >= 0) & (values <= 1))[counts].all()):
        raise InputError(f"{problem}. If they are soft, probabilities of class 1: {SOFT}.")
    raise InputError(f"{problem}: save class numbers from 0.")


def _check_range(values: AnyArray, form: Form, name: str) -> None:
    first, last, classes = int(values.min()), int(values.max()), form.classes
    if first >= 0 and last < classes:
        return
    found = f"{name} run from {first} to {last}"
    if form.axis is None:
        cause = (
            "write -1 as 0"
            if set(np.unique(values).tolist()) == {-1, 1}
            else "subtract 1"
            if first == 1
            else ("save logits with a column for each class instead of predicted classes")
        )
        raise InputError(f"{found}, but with one logit per sample they must be 0 or 1: {cause}.")
    outside = np.unique(values[(values < 0) | (values >= classes)]).tolist()
    if first == 1 and last == classes:
        mend = "they seem to start from 1, so subtract 1"
    elif len(outside) == 1 and (outside[0] < 0 or outside[0] > classes):
        mend = f"--ignore {int(outside[0])} ignores those samples"
    else:
        mend = "check that the labels belong to these logits, and that each class has a column"
    raise InputError(
        f"{found}, but with {classes} columns of logits they must be 0 to {classes - 1}: {mend}."
    )
