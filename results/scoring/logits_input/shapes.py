"""Interprets the shapes of logits and labels, from headers alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from results.scoring.logits_input.arrays import AnyArray, Array
from results.scoring.logits_input.memory import check_fits
from results.scoring.logits_input.names import Pair
from trainables.errors import InputError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Form:
    """How the logits and labels of one part make samples.

    Attributes:
        positions: Shape of the samples: [N], or [N, H, W].
        classes: Number of classes; 2 for one logit per sample.
        axis: Axis of the classes in the logits; None for one logit per sample.
        rows_of_labels: Whether each label is a row [K], such as one-hot.
    """

    positions: Shape
    classes: int
    axis: int | None
    rows_of_labels: bool = False

    def samples(self, logits: AnyArray) -> AnyArray:
        """The logits as [N, K], or [N, 1] for one per sample."""
        if self.axis is None:
            return logits.reshape(-1, 1)
        return np.moveaxis(logits, self.axis, -1).reshape(-1, self.classes)

    def labels(self, labels: AnyArray) -> AnyArray:
        """The labels as [N], or [N, K] if they are rows."""
        return labels.reshape(-1, self.classes) if self.rows_of_labels else labels.reshape(-1)

    def place(self, sample: int) -> str:
        """Where a sample is in the file, counted from 0."""
        if len(self.positions) == 1:
            return f"row {sample}"
        place: list[int] = []
        for length in reversed(self.positions):
            sample, rest = divmod(sample, length)
            place.insert(0, rest)
        return f"position {place}"


def form_of(part: str, pair: Pair, *, flatten: bool = False) -> Form:
    """How the two arrays of a part ('val' or 'test') make samples, by headers alone.

    Raises:
        InputError: Shapes that do not match, several positions a sample without `flatten`, no numbers, or
            more than fit in memory.
    """
    for role, array in ((f"{part}_logits", pair.logits), (f"{part}_labels", pair.labels)):
        if array.dtype.kind not in NUMBERS:
            raise InputError(
                f"{role} ({array}) are {_kind(array)}: save plain numbers, as in "
                "numpy.savez(FILE, logits=..., labels=...)."
            )
        if array.size == 0:
            raise InputError(f"{role} ({array}) are empty: shape {list(array.shape)}.")
    if pair.logits.dtype.kind == "b":
        raise InputError(f"{part}_logits ({pair.logits}) are booleans, not logits.")
    form = _form(part, pair.logits.shape, pair.labels.shape)
    samples = math.prod(form.positions)
    check_fits(pair.logits.size, samples, pair.logits)
    if len(form.positions) > 1 and not flatten:
        raise InputError(
            f"{part}_logits have shape {list(pair.logits.shape)}: --flatten scores each of the {samples:,} "
            "positions as a sample."
        )
    return form


NUMBERS = "biuf"
"""Supported kinds of NumPy dtypes: integers, floats, and booleans as labels."""


def _kind(array: Array) -> str:
    if array.dtype.kind in "US":
        return "text, but a label is the number of its column of logits, from 0"
    if array.dtype.hasobject:
        return "Python objects, which requires unpickling"
    return f"of type {array.dtype}"


def _form(part: str, logits: Shape, labels: Shape) -> Form:
    shapes = f"{part}_logits have shape {list(logits)} and {part}_labels {list(labels)}"
    if not logits or not labels:
        raise InputError(f"{shapes}: logits are [N, K] and labels [N].")
    one_each = len(logits) == 1 or (len(logits) == 2 and logits[1] == 1)
    if one_each and labels in ((logits[0],), (logits[0], 1)):
        return Form(logits[:1], 2, None)
    if one_each and labels == (logits[0], 2):
        return Form(logits[:1], 2, None, rows_of_labels=True)
    if len(logits) == 2 and labels in (logits[:1], (logits[0], 1)):
        return Form(logits[:1], logits[1], 1)
    if len(logits) == 2 and labels == logits:
        return Form(logits[:1], logits[1], 1, rows_of_labels=True)
    if len(logits) > 2:
        return _flattened(shapes, logits, labels)
    if len(logits) == 1 and len(labels) == 2:
        raise InputError(f"{shapes}: they seem to be swapped; assign them with --names logits=...,labels=...")
    if len(logits) == 2 and labels[:1] == logits[1:] and logits[0] < logits[1]:
        raise InputError(f"{shapes}: one column per sample; save the logits transposed, as [N, K].")
    if logits[0] != labels[0]:
        raise InputError(
            f"{shapes}: {logits[0]:,} samples, but {labels[0]:,} labels; save both for the same samples."
        )
    raise InputError(f"{shapes}: logits are [N, K] and labels [N].")


def _flattened(shapes: str, logits: Shape, labels: Shape) -> Form:
    axes = [
        axis
        for axis in (1, len(logits) - 1)
        if labels in (logits[:axis] + logits[axis + 1 :], (*logits[:axis], 1, *logits[axis + 1 :]))
    ]
    if not axes:
        raise InputError(f"{shapes}: logits [N, K, H, W] need labels [N, H, W], and [N, L, K] need [N, L].")
    if len(axes) > 1:
        raise InputError(f"{shapes}: the axis of the classes is ambiguous; save them as [N, K] and [N].")
    (axis,) = axes
    positions = logits[:axis] + logits[axis + 1 :]
    return Form(positions, logits[axis], axis) if logits[axis] > 1 else Form(positions, 2, None)
