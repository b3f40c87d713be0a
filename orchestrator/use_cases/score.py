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
    """

    scores: dict[str, float]
    notes: tuple[Note, ...]


def score(
    files: Sequence[Path | str] | Mapping[str, Any],
    *,
    names: Sequence[str] = (),
    probabilities: bool = False,
    flatten: bool = False,
    ignore: int | None = None,
) -> Scored:
    """Scores logits and labels, from memory or from files in the formats of docs/scoring.md.

    Args:
        files: Files, or arrays or tensors by name: `{"test_logits": [N, K], "test_labels": [N], ...}`.
        names: Names of arrays, columns or files, as KEY=NAME: logits=predictions.
        probabilities: Whether they hold probabilities or log-probabilities.
        flatten: Whether each position of logits with more than two axes is a sample.
        ignore: The label of samples to omit.

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
    return Scored(scores, (*notes, *taken, *more, *doubts(parts, scores, TEMPERATURES)))


def _in_memory(name: str, values: Any) -> Array:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return in_memory(Path("memory"), name, np.asarray(values))
