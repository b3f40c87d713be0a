"""`calibsweep score`: anyone's logits, scored as the benchmark scores its own."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from results.scores import CRITERIA, SCORES
from trainables.calibration import evaluate
from trainables.errors import DataError, InputError

ARRAYS = ("val_logits", "val_labels", "test_logits", "test_labels")


def show(path: Path, as_json: bool, console: Console) -> None:
    """Prints all scores of an .npz file's test part, before scaling and after each temperature.

    Raises:
        DataError, InputError: A file that cannot be read, or arrays that have no scores.
    """
    scores = evaluate(*read(path))
    if as_json:
        finite = {name: value if np.isfinite(value) else None for name, value in scores.items()}
        sys.stdout.write(json.dumps(finite, indent=2) + "\n")
        return
    table = Table(
        box=None, pad_edge=False, header_style="bold", title=f"{path}, test part", title_justify="left"
    )
    table.add_column("score")
    table.add_column("before", justify="right")
    for criterion, by in CRITERIA.items():
        temperature = scores[f"temperature_{criterion}"]
        table.add_column(f"T = {temperature:.1f}\nby {by.title}", justify="right")
    for score in SCORES.values():
        columns = [score.column("before", "ece"), *(score.column("after", c) for c in CRITERIA)]
        printed = (score.printed(value) if np.isfinite(value := scores[c]) else "-" for c in columns)
        table.add_row(f"{score.title} ({score.printed_unit})", *printed)
    console.print(table)


def read(path: Path) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """val_logits, val_labels, test_logits and test_labels of an .npz file. Pickled arrays are refused."""
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in ARRAYS if name not in file.files]
            if missing:
                raise InputError(
                    f"{path} has no array {missing[0]!r}: it has {', '.join(file.files) or 'none'}."
                )
            arrays = {name: file[name] for name in ARRAYS}
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}.") from error
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(
            f"{path} is not an .npz file of plain arrays: {str(error).splitlines()[0]}"
        ) from error
    for name, array in arrays.items():
        kinds = "iu" if name.endswith("labels") else "f"
        if array.dtype.kind not in kinds:
            wanted = "whole numbers" if kinds == "iu" else "floating-point numbers"
            raise InputError(f"{name} in {path} must be {wanted}, but is {array.dtype}.")
    logits = {
        name: torch.from_numpy(np.ascontiguousarray(arrays[name], dtype=arrays[name].dtype.newbyteorder("=")))
        for name in ARRAYS
        if name.endswith("logits")
    }
    labels = {
        name: torch.from_numpy(arrays[name].astype(np.int64)) for name in ARRAYS if name.endswith("labels")
    }
    return logits["val_logits"], labels["val_labels"], logits["test_logits"], labels["test_labels"]
