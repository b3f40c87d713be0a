"""Chooses the reader of a file by its first bytes, since a suffix may be wrong."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from results.scoring.logits_input.arrays import Array
from results.scoring.logits_input.names import Names
from results.scoring.logits_input.notes import Note
from results.scoring.logits_input.numpy_files import npy_file, npz_file
from results.scoring.logits_input.other_files import refuse
from results.scoring.logits_input.table_files import csv_file, parquet_file
from results.scoring.logits_input.torch_files import torch_file
from trainables.errors import DataError, InputError

LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
"""Start of files in the old format of torch.save, before torch 1.6 and on request."""


def read(
    paths: Sequence[Path], names: Names, *, probabilities: bool = False
) -> tuple[list[Array], list[Note]]:
    """All arrays of the files, most of them unread, and notes on them.

    Raises:
        DataError: A file that is missing or damaged.
        InputError: A file of a kind that is not read, or too large for the memory that is free.
    """
    arrays: list[Array] = []
    notes: list[Note] = []
    for path in paths:
        found, added = _read(path, names, probabilities)
        arrays += found
        notes += added
    return arrays, notes


def _read(path: Path, names: Names, probabilities: bool) -> tuple[list[Array], list[Note]]:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except FileNotFoundError as error:
        raise DataError(f"no such file: {path}.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder: give the files in it.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if not start:
        raise DataError(f"{path} is empty.")
    if start.startswith(b"\x93NUMPY"):
        return npy_file(path), []
    if start.startswith(b"PK"):
        return (torch_file(path) if _is_torch(path) else npz_file(path)), []
    if start.startswith(LEGACY_TORCH):
        return torch_file(path), []
    if start.startswith(b"PAR1"):
        return parquet_file(path, names, probabilities=probabilities)
    refuse(path, start)
    return csv_file(path, names, probabilities=probabilities)


def _is_torch(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as file:
            return any(name.endswith("/data.pkl") for name in file.namelist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataError(f"{path} is damaged or incomplete: {error}") from error
