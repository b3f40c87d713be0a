"""Anyone's logits, scored as the benchmark scores its own: files in, scores and notes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from results.scoring.logits_input import Names, Note, checked, chosen, doubts, read
from trainables.calibration import TEMPERATURES, evaluate, score


@dataclass(frozen=True)
class Scored:
    """Scores of files.

    Attributes:
        scores: As `evaluate` names them; of the test part alone, before scaling, where there is no other.
        notes: How the files were taken, and what to doubt.
    """

    scores: dict[str, float]
    notes: list[Note]


def score_files(
    files: Sequence[Path],
    *,
    names: Sequence[str] = (),
    probabilities: bool = False,
    flatten: bool = False,
    ignore: int | None = None,
) -> Scored:
    """The scores of logits and labels in files of the forms that docs/scoring.md lists.

    Args:
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
    arrays, notes = read(files, known, probabilities=probabilities)
    pairs, told = chosen(arrays, known, probabilities=probabilities)
    parts, more = checked(pairs, probabilities=probabilities, flatten=flatten, ignore=ignore)
    tensors = {
        part: (torch.from_numpy(each.logits), torch.from_numpy(each.labels)) for part, each in parts.items()
    }
    if "val" in tensors:
        scores = evaluate(*tensors["val"], *tensors["test"])
    else:
        scores = {f"test_{name}": value for name, value in score(*tensors["test"]).items()}
    return Scored(scores, [*notes, *told, *more, *doubts(parts, scores, TEMPERATURES)])
