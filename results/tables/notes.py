"""Notes below a table: missing trials, other training, undefined scores and different code."""

from __future__ import annotations

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from results.scoring.scores import Metric
from results.tables import names
from results.tables.layout import MISSING, MIXED, UNDEFINED, Row
from results.tables.statistics import Settings, described, differing

KINDS = {"dataset": "data set", "model": "model", "loss": "loss", "training": "training"}

NOT_PLANNED = "Empty cells are not part of the sweep."

MOST_LISTED = 8
"""Most cells with missing trials that a note names; the rest are counted."""


def notes_on_holes(summary: pd.DataFrame, cells: int, planned: bool) -> list[str]:
    """Notes on missing trials and empty cells.

    Args:
        summary: From `statistics.summarise`.
        cells: Number of cells in the table.
        planned: Whether a sweep says which trials are missing.
    """
    if not planned:
        holes = cells - len(summary)
        return [f"—: no finished trial ({holes} of {cells} cells)."] if holes else []
    notes = []
    gaps: list[Any] = [row for row in summary.itertuples() if row.missing]
    if gaps:
        parts = []
        for row in gaps[:MOST_LISTED]:
            seeds = "seeds" if len(row.missing) > 1 else "seed"
            cell = f"{_place(row.dataset, row.model, row.settings)} / {names.loss(row.loss)}"
            parts.append(f"{cell}: {seeds} {', '.join(map(str, row.missing))}")
        if len(gaps) > MOST_LISTED:
            parts.append(f"and {len(gaps) - MOST_LISTED} more cells")
        missing = sum(len(row.missing) for row in gaps)
        total = missing + int(summary["seeds"].sum())
        dash = f" ({MISSING} where a cell has none)" if any(row.seeds == 0 for row in gaps) else ""
        notes.append(f"Missing{dash}: {missing} of {total} trials. {'; '.join(parts)}.")
    if len(summary) < cells:
        notes.append(NOT_PLANNED)
    return notes


UNSAID = ("loss version", "sampler")
"""Each loss has its own versions, so a difference between them means nothing. Its label tells the sampler."""


def notes_on_training(summary: pd.DataFrame, known: Mapping[str, Settings]) -> list[str]:
    """Notes on losses that share a row but were trained differently."""
    place_of = functools.cache(_place)
    rows: dict[str, list[tuple[str, str]]] = defaultdict(list)
    columns = (summary[name].tolist() for name in ("dataset", "model", "settings", "loss", "variant"))
    for dataset, model, settings, loss, variant in zip(*columns, strict=True):
        rows[place_of(dataset, model, settings)].append((loss, variant))
    notes: dict[str, list[str]] = defaultdict(list)
    for place, cells in rows.items():
        if len({variant for _, variant in cells}) == 1:
            continue
        trained = {
            loss: {name: value for name, value in known[variant].items() if name not in UNSAID}
            for loss, variant in cells
            if variant in known
        }
        if not trained:
            continue
        (usual_text, _), *_ = Counter(map(repr, trained.values())).most_common(1)
        usual = next(settings for settings in trained.values() if repr(settings) == usual_text)
        for loss, own in trained.items():
            if own != usual:
                changed = differing([usual, own])
                here, elsewhere = described(own, changed), described(usual, changed)
                notes[f"{names.loss(loss)} with {here} (else {elsewhere})"].append(place)
    return [
        f"Trained unlike the rest of its row: {text}: {'; '.join(where)}." for text, where in notes.items()
    ]


def notes_on_undefined(rows: Iterable[Row]) -> list[str]:
    """A note on scores without a value."""
    cells = [cell for row in rows for cell in row.cells if cell is not None and cell.seeds]
    undefined = any(math.isnan(cell.mean) and not cell.says_nothing for cell in cells)
    return [f"{UNDEFINED}: the score has no value for at least one of the seeds."] if undefined else []


def notes_on_few_classes(rows: Iterable[Row], metric: Metric) -> list[str]:
    """A note on scores that are left out, since all networks have the same."""
    if not any(cell is not None and cell.says_nothing for row in rows for cell in row.cells):
        return []
    return [
        f"{UNDEFINED} in {metric.title}: the same for all networks with {metric.same_up_to} classes or fewer."
    ]


def notes_on_code(mixed: Mapping[tuple[Any, ...], list[str]]) -> list[str]:
    """A note on trials of different code; `mixed` is from `code.mixed`."""
    if not mixed:
        return []
    parts = []
    for (dataset, model, loss, _), kinds in mixed.items():
        changed = ", ".join(KINDS[kind] for kind in kinds)
        parts.append(f"{names.dataset(dataset)} / {names.model(model)} / {names.loss(loss)} ({changed})")
    more = [f"and {len(parts) - MOST_LISTED} more cells"] if len(parts) > MOST_LISTED else []
    return [
        f"{MIXED}: trials made by different code, or versions of torch, that do not compute the same: "
        f"{'; '.join([*parts[:MOST_LISTED], *more])}."
    ]


def _place(dataset: str, model: str, settings: str) -> str:
    return f"{names.dataset(dataset)} / {names.model(model)}" + (f" ({settings})" if settings else "")
