"""All settings of `--set`: names, kinds of value, defaults and descriptions."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from sweeps.spec import Overrides, Run, SweepFile
from trainables.trial import TrainingSettings


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        path: As in `--set`, e.g. 'training.epochs'.
        default: The value if neither the sweep file nor, for training, the protocol sets it, as one would
            type it.
        text: Its description, in one paragraph.
    """

    path: str
    default: str
    text: str


def settings() -> Iterator[Setting]:
    """All settings, in the order of sweep files."""
    texts = _texts(Overrides)
    for name in ("protocol", "seeds"):
        yield Setting(name, _typed(SweepFile.model_fields[name].default), texts[name])
    texts = _texts(TrainingSettings)
    for field in fields(TrainingSettings):
        choices = re.findall(r"'(\w+)'|\"(\w+)\"", str(field.type))
        among = f" One of {', '.join(a or b for a, b in choices)}." if choices else ""
        yield Setting(f"training.{field.name}", _typed(field.default), texts[field.name] + among)
    texts = _texts(Run)
    for name, info in Run.model_fields.items():
        yield Setting(f"run.{name}", _typed(info.default), texts[name])


def _texts(described: type) -> dict[str, str]:
    """The descriptions of attributes in a docstring."""
    _, _, attributes = inspect.getdoc(described).partition("Attributes:\n")  # type: ignore[union-attr]
    found: dict[str, str] = {}
    name = ""
    for line in attributes.splitlines():
        if start := re.match(r" {4}(\w+): (.*)", line):
            name, found[start[1]] = start[1], start[2]
        elif name:
            found[name] += f" {line.strip()}"
    # In YAML's spelling.
    return {name: re.sub(r"\bNone\b", "null", text) for name, text in found.items()}


def _typed(value: Any) -> str:
    """A value in YAML's spelling."""
    if isinstance(value, tuple):
        return f"[{', '.join(_typed(entry[0] if isinstance(entry, tuple) else entry) for entry in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
