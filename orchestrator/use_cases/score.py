"""Scores anyone's logits as the benchmark scores its own: files or arrays in, scores and notes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from results.scoring.logits_input import Names, Note, checked, chosen, doubts, read
from results.scoring.logits_input.arrays import Array, in_memory
from trainables.calibration import TEMPERATURES, evaluate
from trainables.calibration import score as scores_of


@dataclass(frozen=True)
class Scored:
    """Scores of files or arrays.

    Attributes:
        scores: Named as by `evaluate`, in fractions and nats. Without a validation part, only those before
            scaling. NaN where a score is undefined.
        notes: How the input was read, and doubts about it.
        figures: Files of the figures, if there is a folder for them.
    """

    scores: dict[str, float]
    notes: tuple[Note, ...]
    figures: tuple[Path, ...] = ()


def score(
    files: Sequence[Path | str] | Mapping[str, Any],
    *,
    names: Sequence[str] = (),
    probabilities: bool = False,
    flatten: bool = False,
    ignore: int | None = None,
    figures: Path | str | None = None,
    figure_format: str = "svg",
) -> Scored:
    """Scores logits and labels, from memory or from files in the formats of docs/scoring.md.

    Args:
        files: Files, or arrays or tensors by name: `{"test_logits": [N, K], "test_labels": [N], ...}`.
        names: Names of arrays, columns or files, as KEY=NAME: logits=predictions.
        probabilities: Whether they hold probabilities or log-probabilities.
        flatten: Whether each position of logits with more than two axes is a sample.
        ignore: The label of samples to omit.
        figures: Folder for a reliability diagram and, with a validation part, scores against the temperature.
        figure_format: 'svg' or 'pdf'.

    Raises:
        DataError: A file is missing or damaged.
        InputError: The logits or labels cannot be scored.
        ConfigurationError: A name does not exist.
    """
    known = Names.parsed(names)
    notes: list[Note] = []
    if isinstance(files, Mapping):
        arrays = [_in_memory(name, values) for name, values in files.items()]
    else:
        arrays, notes = read([Path(file) for file in files], known, probabilities=probabilities)
    pairs, taken = chosen(arrays, known, probabilities=probabilities)
    parts, more = checked(pairs, probabilities=probabilities, flatten=flatten, ignore=ignore)
    tensors = {
        part: (torch.from_numpy(each.logits), torch.from_numpy(each.labels)) for part, each in parts.items()
    }
    if "val" in tensors:
        scores = evaluate(*tensors["val"], *tensors["test"])
    else:
        scores = {f"test_{name}": value for name, value in scores_of(*tensors["test"]).items()}
    # Adding 0 turns -0 into 0.
    scores = {name: value + 0.0 for name, value in scores.items()}
    found = (*notes, *taken, *more, *doubts(parts, scores, TEMPERATURES))
    if figures is None:
        return Scored(scores, found)
    from orchestrator.use_cases.figures import of_logits

    name = "logits" if isinstance(files, Mapping) else Path(files[0]).name
    pairs_of = {part: (each.logits, each.labels) for part, each in parts.items()}
    drawn = of_logits(name, pairs_of, scores, Path(figures), figure_format)
    return Scored(scores, found, tuple(each.file for each in drawn.files))


def _in_memory(name: str, values: Any) -> Array:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return in_memory(Path("memory"), name, np.asarray(values))
