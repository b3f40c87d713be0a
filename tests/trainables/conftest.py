"""Numbers of the released code: a few recorded here, all of them where the shared folder is there."""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("CALIBSWEEP_SHARED", ROOT.parent / "shared")) / "reference"
SOURCES = {"recorded": Path(__file__).parent / "recorded", "shared": SHARED}


@dataclass(frozen=True)
class Reference:
    """One of the two collections: `cases` by key, and the arrays by name."""

    cases: dict[str, dict[str, Any]]
    gamma_sequence: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def array(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])


@dataclass(frozen=True)
class Case:
    key: str
    facts: dict[str, Any]
    reference: Reference

    @property
    def labels(self) -> Tensor:
        return self.array("labels")

    @property
    def logits(self) -> Tensor:
        return self.array("logits")

    def array(self, name: str) -> Tensor:
        return self.reference.array(f"{self.key}/{name}")


def _load(folder: Path) -> Reference:
    message = json.loads((folder / "cases.json").read_text())
    with np.load(folder / "cases.npz") as file:
        arrays = {name: file[name] for name in file.files}
    return Reference({case["key"]: case for case in message["cases"]}, message["gamma_sequence_1"], arrays)


LOADED = {name: _load(folder) for name, folder in SOURCES.items() if (folder / "cases.json").exists()}
MISSING = pytest.param(
    None,
    id="shared",
    marks=pytest.mark.skip(reason=f"no reference numbers in {SHARED}; set CALIBSWEEP_SHARED"),
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        cases = [
            pytest.param(Case(key, facts, reference), id=f"{source}-{key}")
            for source, reference in LOADED.items()
            for key, facts in reference.cases.items()
        ]
        metafunc.parametrize("case", cases if "shared" in LOADED else [*cases, MISSING])
    if "reference" in metafunc.fixturenames:
        whole = [pytest.param(reference, id=source) for source, reference in LOADED.items()]
        metafunc.parametrize("reference", whole if "shared" in LOADED else [*whole, MISSING])


@pytest.fixture(scope="session")
def torchmetrics(torchvision: ModuleType) -> ModuleType:
    """torchmetrics, which imports torchvision."""
    return importlib.import_module("torchmetrics")
