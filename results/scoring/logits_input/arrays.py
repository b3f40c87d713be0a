"""An array in a file: known by its header, read when it is asked for."""

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
        file: Where it lies.
        name: As the file names it; the file's own name without suffix where it holds this array alone.
        shape: As its header says.
        dtype: What `load` gives.
        load: Reads it, and raises DataError where the file turns out to be damaged.
        part: The part that the file itself says it is of, as a column `split` does.
        role: What it is, where the file says it otherwise than by the name.
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
        """How many numbers it has, also where no machine could hold them."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.name!r} of {self.file}"


def in_memory(
    file: Path, name: str, values: AnyArray, part: PartName | None = None, role: Role | None = None
) -> Array:
    return Array(file, name, values.shape, values.dtype, lambda: values, part, role)
