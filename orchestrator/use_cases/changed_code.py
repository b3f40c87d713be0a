"""Finds finished trials that were made by other code than today's."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.use_cases.standing import Standing
from results.store import code, provenance
from trainables.catalogue import DATASETS, LOSSES, MODELS
from trainables.errors import DataError
from trainables.registry import Registry
from trainables.trial import Trial

REGISTRIES: dict[str, Registry[Any]] = {"dataset": DATASETS, "model": MODELS, "loss": LOSSES}


@dataclass(frozen=True)
class ChangedCode:
    """A component, or the training code, that computes or may compute different numbers than before.

    Attributes:
        kind: 'dataset', 'model', 'loss' or 'training'.
        name: Name of the component; '' for the training code.
        file: File that defines the component; '' for the training code.
        trials: Number of finished trials made by the other code.
        certain: Whether the numbers are known to differ. Otherwise only the source is.
    """

    kind: str
    name: str
    file: str
    trials: int
    certain: bool


def changed_code(standing: Standing, root: Path) -> tuple[ChangedCode, ...]:
    """The components, and the training code, that no longer compute the same numbers.

    Where the source differs, compares today's numbers with those stored in a row. Where that is impossible,
    the source decides.

    Args:
        root: Folder of the data sets, needed to compare the code of data sets.
    """
    known, frame = {trial.key: trial for trial in standing.sweep.trials}, standing.snapshot.trials()
    columns = [f"{what}_{kind}" for kind in code.KINDS for what in ("code", "source", "numbers")]
    kept = [name for name in ("key", "dataset_fingerprint", *columns) if name in frame.columns]
    rows: list[Any] = frame[kept].to_dict("records")
    changed: Counter[tuple[str, str, bool]] = Counter()
    judged: dict[tuple[Any, ...], bool | None] = {}
    for row in rows:
        trial = known.get(row["key"])
        if trial is None:
            continue
        sources = provenance.sources(trial)
        for kind in code.KINDS:
            if code.same(kind, row, sources) is not False:
                continue
            part: Any = trial.training if kind == "training" else getattr(trial, kind)
            data = row.get("dataset_fingerprint") if kind == "dataset" else None
            case = kind, part, trial.dataset, trial.training.loss_reduction, row.get(f"numbers_{kind}"), data
            if case not in judged:
                judged[case] = _computes_the_same(kind, row, trial, root)
            if judged[case] is not True:
                changed[kind, "" if kind == "training" else part.name, judged[case] is False] += 1
    return tuple(
        ChangedCode(kind, name, REGISTRIES[kind][name].path.name if name else "", number, certain)
        for (kind, name, certain), number in changed.items()
    )


def _computes_the_same(kind: str, row: Mapping[str, Any], trial: Trial, root: Path) -> bool | None:
    """None if unknown."""
    # Loads torch and data sets, so it is called only where a source has changed.
    from trainables import computed
    from trainables.training.run import load_dataset

    dataset = None
    if kind == "dataset" or (kind == "model" and not computed.numbers(trial).get("model")):
        with contextlib.suppress(DataError):
            dataset = load_dataset(trial, root, computed.CPU)
    numbers = computed.numbers(trial, dataset).get(kind)
    today = {f"code_{kind}": "today's"}
    if numbers:
        today[f"numbers_{kind}"] = code.as_text(numbers)
    if dataset is not None:
        today["dataset_fingerprint"] = dataset.fingerprint
    same = code.same(kind, {**row, f"code_{kind}": "of then"}, today)
    by_numbers = f"numbers_{kind}" in today and isinstance(row.get(f"numbers_{kind}"), str)
    by_data = dataset is not None and row.get("dataset_fingerprint") != dataset.fingerprint
    return same if same or by_numbers or by_data else None
