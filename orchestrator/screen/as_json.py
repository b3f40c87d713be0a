"""Converts the result of a use case to JSON, for `--json`."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any


def as_json(value: object) -> str:
    """Converts a value to indented JSON with a final line feed.

    A dataclass becomes an object of its fields, a mapping an object in its own order, any other collection
    an array. NaN and infinities become null, since JSON lacks them. The text is ASCII, so that every locale
    can print it.

    Raises:
        TypeError: A value has no JSON form.
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
        # Adding 0 turns -0 into 0.
        return float(value) + 0.0 if math.isfinite(value) else None
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, Collection):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):
        # NumPy numbers of any width.
        return _plain(value.tolist())
    raise TypeError(f"{type(value).__name__} has no form in JSON")
