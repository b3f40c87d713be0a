"""Anyone's logits, scored as the benchmark scores its own: files in, scores and notes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from results.scoring.logits_input import Names, Note, checked, chosen, doubts, read
from trainables.calibration import TEMPERATURES, evaluate
from trainables.calibration import score as scores_of


@dataclass(frozen=True)
class Scored:
    """Scores of files.

    Attributes:
        scores: As `evaluate` names them, in fractions and nats; of the test part alone, before scaling, where
            there is no other. NaN for a score that has no value.
        notes: How the files were taken, and what to doubt.
    """

    scores: dict[str, float]
    notes: tuple[Note, ...]


def score(
    files: Sequence[Path | str],
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
