"""A network's logits and labels, and arrays that need no file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from results.scoring.logits_input.arrays import Array, in_memory
from results.scoring.logits_input.names import Pair

CLASSES = 4


@dataclass(frozen=True)
class Network:
    """What a network gave on two parts of different sizes: logits [N, K] in float32, labels [N]."""

    val_logits: npt.NDArray[np.float32]
    val_labels: npt.NDArray[np.int64]
    test_logits: npt.NDArray[np.float32]
    test_labels: npt.NDArray[np.int64]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return dict(vars(self))


def predictions(samples: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, samples)
    logits = 3 * generator.normal(size=(samples, CLASSES)) + 4 * np.eye(CLASSES)[labels]
    return logits.astype(np.float32), labels


@pytest.fixture(scope="session")
def network() -> Network:
    return Network(*predictions(317, seed=0), *predictions(353, seed=1))


def array(name: str, values: object, file: str = "mine.npz") -> Array:
    return in_memory(Path(file), name, np.asarray(values))


def pair(logits: object, labels: object) -> Pair:
    return Pair(array("logits", logits), array("labels", labels))
