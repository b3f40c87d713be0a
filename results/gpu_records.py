"""Training speeds of networks on the cards measured by benchmarks/gpu.py.

Its files are in benchmarks/recorded/ of the source tree, as gpu-<card>-<date>.json. An installed package has
none: callers then guess, and say so.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.errors import ConfigurationError, DataError
from trainables.registry import closest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "recorded"
FORMAT = 1


@dataclass(frozen=True)
class Speed:
    """Training speed of a network.

    Attributes:
        model: Label, as in a trial.
        compile: Whether its step was compiled.
        flops_per_second: Operations per second in training, forward and backward.
    """

    model: str
    precision: str
    compile: bool
    flops_per_second: float


@dataclass(frozen=True)
class GpuRecord:
    """The contents of one file.

    Attributes:
        card: The driver's name for it, e.g. 'NVIDIA H100 80GB HBM3'.
        date: Date of measurement, in UTC (YYYY-MM-DD).
    """

    card: str
    date: str
    speeds: tuple[Speed, ...]

    def nearest(self, model: str, precision: str, compile: bool) -> Speed | None:
        """The speed of a model, or of the most similar measured one.

        That is the one with the nearest name ('resnet50' for 'resnet50_tiny'), or else the slowest one. None
        if there are no measurements with these settings.
        """
        known = {s.model: s for s in self.speeds if (s.precision, s.compile) == (precision, compile)}
        if model in known:
            return known[model]
        near = max(known, key=lambda name: _common(name, model), default="")
        if _common(near, model):
            return known[near]
        return min(known.values(), key=lambda speed: speed.flops_per_second, default=None)


def chosen(card: str | None, folder: Path | None = None) -> GpuRecord | None:
    """The latest record among cards whose name contains `card`, or among all; None if there are no records.

    Raises:
        ConfigurationError: No record matches the card.
        DataError: A file is not a record of a card.
    """
    records = sorted(recorded(folder or FOLDER), key=lambda record: record.date)
    if card is None:
        return records[-1] if records else None
    fitting = [record for record in records if card.lower() in record.card.lower()]
    if not fitting:
        raise ConfigurationError(
            f"no measurement of a GPU {card!r}.{closest(card, {record.card for record in records})} "
            "Measure one with benchmarks/gpu.py (docs/performance.md)."
        )
    return fitting[-1]


def recorded(folder: Path) -> Iterator[GpuRecord]:
    """All records.

    Raises:
        DataError: A file is not a record of a card.
    """
    for path in sorted(folder.glob("gpu-*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT or content["device"] != "cuda" or content["tiny"]:
                raise ValueError("made without a GPU, with --tiny, or in another format")
            yield _record(content)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is not a record of benchmarks/gpu.py: {error}.") from error


def _record(content: dict[str, Any]) -> GpuRecord:
    steps = content["steps"]
    speeds = tuple(
        Speed(
            row["model"],
            row["precision"],
            row["compile"],
            row["images_per_second"] * row["training_flops_per_image"],
        )
        for step in steps.values()
        for row in step.get("speeds", ())
    )
    return GpuRecord(steps["card"]["found"]["identity"]["name"], content["started"][:10], speeds)


def _common(one: str, other: str) -> int:
    """Number of leading parts that two names share: one for 'resnet50' and 'resnet50_tiny'."""
    pairs = zip(one.split("_"), other.split("_"), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
