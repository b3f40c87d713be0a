"""Anyone's logits, scored as the benchmark scores its own: files or arrays in, scores and notes out."""

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
        scores: As `evaluate` names them, in fractions and nats; of the test part alone, before scaling, where
            there is no other. NaN for a score that has no value.
        notes: How they were taken, and what to doubt.
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
    """The scores of logits and labels, in files of the forms that docs/scoring.md lists or in memory.

    Args:
        files: Or arrays or tensors by name: `{"test_logits": [N, K], "test_labels": [N], ...}`.
        names: What arrays, columns or files are, as KEY=NAME: logits=predictions.
        probabilities: Whether they hold probabilities or log-probabilities.
        flatten: Whether each position of logits of more than two axes is a sample.
        ignore: The label of samples that are left out.

    Raises:
        DataError: A file that is missing or damaged.
        InputError: Logits or labels that have no scores.
        ConfigurationError: A name that there is not.
    """
    known = Names.parsed(names)
    notes: list[Note] = []
    if isinstance(files, Mapping):
        arrays = [_in_memory(name, values) for name, values in files.items()]
    else:
        arrays, notes = read([Path(file) for file in files], known, probabilities=probabilities)
    pairs, told = chosen(arrays, known, probabilities=probabilities)
    parts, more = checked(pairs, probabilities=probabilities, flatten=flatten, ignore=ignore)
    tensors = {
        part: (torch.from_numpy(each.logits), torch.from_numpy(each.labels)) for part, each in parts.items()
    }
    if "val" in tensors:
        scores = evaluate(*tensors["val"], *tensors["test"])
    else:
        scores = {f"test_{name}": value for name, value in scores_of(*tensors["test"]).items()}
    # Adding 0 makes 0 of -0.
    scores = {name: value + 0.0 for name, value in scores.items()}
    return Scored(scores, (*notes, *told, *more, *doubts(parts, scores, TEMPERATURES)))


def _in_memory(name: str, values: Any) -> Array:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return in_memory(Path("memory"), name, np.asarray(values))
