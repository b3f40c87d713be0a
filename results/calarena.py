"""Writes stored predictions as a benchmark of CalArena, for its own tools.

Berta, Holzmueller, Bach and Jordan, 'CalArena: A Large-Scale Post-Hoc Calibration Benchmark' (2026,
arXiv:2605.30188). The layout is that of github.com/probkit/CalArena, as `run_benchmark.py` reads it and
`calibration_benchmarks/generate_cv_benchmarks.py` writes it:

    {benchmark}.h5                 {dataset}/{model}/ with probas_cal, labels_cal, probas_test, labels_test
    {benchmark}-experiments.csv    one line per group: dataset, model, cal_size, test_size, n_classes

A benchmark's name is in lower case and ends in '-binary' or '-multiclass'. Probabilities are float32, [N] of
class 1 for two classes, else [N, K]; labels are int32 [N]. A CalArena 'model' is a network, its training loss
and its seed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from results.figures.arithmetic import log_softmax
from results.figures.data import Cell, Part, Trial
from trainables.errors import ConfigurationError, DataError
from trainables.texts import visible

EXTRA = "calarena"

PARTS = {"cal": "validation", "test": "test"}
"""Our part of the data, for each of CalArena's."""


@dataclass(frozen=True)
class Benchmark:
    """A written benchmark.

    Attributes:
        name: As for CalArena's `--benchmark`.
        data: Its HDF5 file.
        index: Its CSV file.
        experiments: Number of trials in it.
    """

    name: str
    data: Path
    index: Path
    experiments: int


def export(
    cells: Sequence[Cell],
    sweep: str,
    folder: Path,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> tuple[Benchmark, ...]:
    """Writes the trials with two classes as one benchmark, and those with more as another.

    Replaces files of the same names, at the end.

    Args:
        sweep: Its name, for those of the benchmarks.
        folder: Made if it does not exist.
        progress: Called after each trial with the number written and the total.

    Raises:
        ConfigurationError: The package h5py is not installed.
        DataError: The folder cannot be written.
    """
    h5py = _h5py()
    trials = [(cell, trial) for cell in cells for trial in cell.trials]
    rows: dict[str, list[dict[str, Any]]] = {}
    files: dict[str, Any] = {}
    with contextlib.ExitStack() as partial:
        with contextlib.ExitStack() as opened:
            for number, (cell, trial) in enumerate(trials, 1):
                parts = {name: trial.parts[part] for name, part in PARTS.items()}
                problem = "binary" if parts["test"].logits.shape[1] == 2 else "multiclass"
                benchmark = f"{sweep.lower()}-{problem}"
                with _writing(folder):
                    if benchmark not in files:
                        folder.mkdir(parents=True, exist_ok=True)
                        path = _partial(folder, benchmark)
                        partial.callback(path.unlink, missing_ok=True)
                        files[benchmark] = opened.enter_context(h5py.File(path, "w"))
                        files[benchmark].attrs.update(source="calibsweep", problem_type=problem)
                    row = _experiment(cell, trial, parts, files[benchmark])
                rows.setdefault(benchmark, []).append(row)
                progress(number, len(trials))
        with _writing(folder):
            return tuple(_finished(folder, benchmark, rows[benchmark]) for benchmark in rows)


def probabilities(part: Part) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The probabilities of a part's samples, in CalArena's form: [N, K], or [N] of class 1 if K is 2."""
    found = np.exp(log_softmax(part.logits)).astype(np.float32)
    return found[:, 1] if found.shape[1] == 2 else found


def _experiment(cell: Cell, trial: Trial, parts: dict[str, Part], file: Any) -> dict[str, Any]:
    """Writes a trial's group, and returns its line of the index."""
    dataset = _group_name(trial.dataset)
    model = "-".join(filter(None, (trial.model, trial.loss, cell.settings, f"seed{trial.seed}")))
    model = _group_name(model)
    if f"{dataset}/{model}" in file:
        # Labels may differ in letters alone that no group's name has.
        model += f"-{trial.key}"
    group = file.create_group(f"{dataset}/{model}")
    for name, part in parts.items():
        group.create_dataset(f"probas_{name}", data=probabilities(part), compression="gzip")
        group.create_dataset(f"labels_{name}", data=part.labels.astype(np.int32), compression="gzip")
    sizes = {f"{name}_size": len(part.labels) for name, part in parts.items()}
    classes = parts["test"].logits.shape[1]
    return {
        "dataset": dataset,
        "model": model,
        **sizes,
        **({"n_classes": classes} if classes > 2 else {}),
        # CalArena's own indices also have columns about the origin of a model, which its tools ignore.
        "network": trial.model,
        "loss": trial.loss,
        "seed": trial.seed,
        "key": trial.key,
    }


def _finished(folder: Path, benchmark: str, rows: list[dict[str, Any]]) -> Benchmark:
    data, index = folder / f"{benchmark}.h5", folder / f"{benchmark}-experiments.csv"
    pd.DataFrame(rows).to_csv(index, index=False)
    _partial(folder, benchmark).replace(data)
    return Benchmark(benchmark, data, index, len(rows))


def _group_name(label: str) -> str:
    """A label as the name of one group: HDF5 separates groups by '/'."""
    return visible(label).replace("/", "-")


def _partial(folder: Path, benchmark: str) -> Path:
    return folder / f".{benchmark}.h5.partial"


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror or error}.") from error


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ConfigurationError(
            f"CalArena's layout needs the package h5py: pip install 'calibsweep[{EXTRA}]'."
        ) from error
    return h5py
