"""What the page shows of single trials: reliability, curves, settings and origin."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from results.figures.arithmetic import BAND, by_bin
from results.report.page import Curves, Diagram
from results.statistics.binned import BINS, Floats, equal_width_bins
from results.store.files import Folder
from results.store.stored_data import data_in
from results.wording import duration
from trainables.texts import visible

Bools = NDArray[np.bool_]

MEASURES = {"ece": 100.0, "nll": 100.0, "error": 100.0}
"""Measures of curves, with the factor to units of print."""

PARTS = ("train", "validation", "test")

MOST_EPOCHS = 48
"""Epochs of a curve: more are thinned, since a page of 1,000 trials must stay small."""

ReadCurves = Callable[[Sequence[str]], Mapping[str, pd.DataFrame]]
"""Returns the learning curves of trials by key, without those that cannot be read."""


def curves_in(folder: Folder, stored: pd.DataFrame) -> ReadCurves:
    """Reads learning curves.

    Args:
        stored: The rows of trials, with the labels of the time of storing.
    """
    return data_in(folder, stored, "epochs", lambda table: table.to_pandas())


def curves(frame: pd.DataFrame) -> Curves | None:
    """The measures of `MEASURES` by epoch, else the training loss; None without any."""
    scales = {**MEASURES, "loss": 1.0}
    columns = {
        measure: {part: f"{part}_{measure}" for part in PARTS if f"{part}_{measure}" in frame.columns}
        for measure in scales
    }
    shown = {measure: columns[measure] for measure in MEASURES if columns[measure]}
    if not shown and columns["loss"]:
        shown = {"loss": columns["loss"]}
    if not shown or frame.empty:
        return None
    chosen = np.unique(np.linspace(0, len(frame) - 1, min(len(frame), MOST_EPOCHS)).round().astype(int))
    lines = {
        measure: {
            part: tuple((scales[measure] * frame[column].to_numpy(dtype=float)[chosen]).tolist())
            for part, column in parts.items()
        }
        for measure, parts in shown.items()
    }
    return Curves(tuple((chosen + 1).tolist()), lines)


def diagram(sure: Floats, correct: Bools) -> Diagram:
    """The bins of a reliability diagram.

    The band of a bin is that of a binomial distribution with its mean confidence. Within a bin, confidences
    differ by at most 1/15, so the distribution with a confidence for each sample is hardly narrower.

    Args:
        sure: Confidence of each test sample, [N].
        correct: Whether its prediction is correct, [N].
    """
    counts, confidences, accuracies = by_bin(sure, correct.astype(np.int64), BINS, equal_width_bins)
    filled = np.flatnonzero(counts)
    ends = []
    for quantile in BAND:
        hits = np.ceil(special.bdtrik(quantile, counts[filled], np.minimum(confidences[filled], 1.0)))
        # No root where even no hit is likelier than the quantile.
        ends.append(np.nan_to_num(hits.clip(0, counts[filled]), nan=0.0) / counts[filled])
    return Diagram(
        BINS,
        tuple(
            (int(each), int(counts[each]), float(confidences[each]), float(accuracies[each]), low, high)
            for each, low, high in zip(filled, *(end.tolist() for end in ends), strict=True)
        ),
    )


SHARED = {
    "protocol": "protocol",
    "device": "device",
    "processor": "processor",
    "gpus": "GPUs",
    "execution": "execution",
    "system": "system",
    "version_calibsweep": "calibsweep",
    "version_torch": "torch",
    "version_numpy": "numpy",
    "version_ray": "Ray",
    "version_python": "Python",
    "source_commit": "commit",
    "parameters": "parameters",
    "dataset_fingerprint": "digest of the data",
}
"""Columns of a row that trials share, and their names on the page."""


def origin(row: Mapping[str, Any]) -> dict[str, str]:
    """Commit, versions and hardware of a trial, as texts by name."""
    return {name: _text(row[column]) for column, name in SHARED.items() if _known(row.get(column))}


def facts(row: Mapping[str, Any]) -> dict[str, str]:
    """Duration and memory of a trial, as texts by name."""
    found = {}
    seconds, memory, resumed = (
        float(row[name]) if _known(row.get(name)) else math.nan
        for name in ("training_seconds", "peak_memory_gib", "resumed_from_epoch")
    )
    if not math.isnan(seconds):
        found["training"] = f"{seconds:.0f} s" if seconds < 60 else duration(seconds)
    if not math.isnan(memory):
        found["peak memory"] = f"{memory:.2f} GiB"
    if resumed > 0:
        found["resumed"] = f"from epoch {resumed + 1:.0f}"
    return found


def _known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> str:
    return (
        f"{value:,g}"
        if isinstance(value, float) and value < 1e6
        else (f"{value:,.0f}" if isinstance(value, float) else visible(str(value)))
    )
