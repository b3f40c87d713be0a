"""What `--json` prints can be read back by any JSON parser."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from orchestrator.screen.as_json import as_json


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    score: float
    colour: Colour


@dataclass(frozen=True)
class Outer:
    name: str
    inner: tuple[Inner, ...]
    counts: dict[Colour, int]
    file: Path
    missing: float | None = None


def test_a_result_survives_the_way_through_json() -> None:
    inner = (Inner(math.nan, Colour.RED), Inner(-0.0, Colour.RED), Inner(1 / 3, Colour.RED))
    text = as_json(Outer("ü", inner, {Colour.RED: 2}, Path("a") / "b"))
    assert text.endswith("}\n") and "-0" not in text
    assert json.loads(text) == {
        "name": "ü",
        "inner": [{"score": score, "colour": "red"} for score in (None, 0.0, 1 / 3)],
        "counts": {"red": 2},
        "file": "a/b",
        "missing": None,
    }


def test_numbers_of_numpy_are_numbers() -> None:
    assert json.loads(as_json([np.float32(0.5), np.int64(7), np.bool_(True), np.inf])) == [0.5, 7, True, None]
    assert json.loads(as_json(np.array([[1, 2, 3], [4, 5, 6]]))) == [[1, 2, 3], [4, 5, 6]]


def test_a_value_without_a_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        as_json({"a": object()})
