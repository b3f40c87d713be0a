"""The result of a use case as JSON, for `--json`."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any


def as_json(value: object) -> str:
    """The value as indented JSON that ends in a line feed.

    A dataclass becomes an object with its fields, a mapping one with its keys in their order, another
    collection an array. NaN and infinities, which JSON lacks, are null. The text is ASCII, so that every
    locale can print it.

    Raises:
        TypeError: A value that has no form in JSON.
    """
    return json.dumps(_plain(value), indent=2, allow_nan=False) + "\n"


def _plain(value: object) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, str | PurePath):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        # Adding 0 makes 0 of -0.
        return float(value) + 0.0 if math.isfinite(value) else None
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, Collection):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):
        # NumPy's numbers, of whatever width.
        return _plain(value.tolist())
    raise TypeError(f"{type(value).__name__} has no form in JSON")
