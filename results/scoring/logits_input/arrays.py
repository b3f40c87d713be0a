"""An array in a file. Its header is read first, its data on demand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
PartName = Literal["val", "test", "train"]
Role = Literal["logits", "labels"]


@dataclass(frozen=True)
class Array:
    """One array of a file.

    Attributes:
        file: Its file.
        name: Its name in the file; the name of the file without suffix if it has only this array.
        shape: Shape in the header.
        dtype: Dtype of the result of `load`.
        load: Reads the data; raises DataError if the file is damaged.
        part: Its part, if the file names it, for example in a column `split`.
        role: Its role, if the file gives it other than by the name.
    """

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], AnyArray]
    part: PartName | None = None
    role: Role | None = None

    @property
    def size(self) -> int:
        """Number of elements, even if no machine could hold them."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.name!r} of {self.file}"


def in_memory(
    file: Path, name: str, values: AnyArray, part: PartName | None = None, role: Role | None = None
) -> Array:
    return Array(file, name, values.shape, values.dtype, lambda: values, part, role)
