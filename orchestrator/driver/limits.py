"""Limits on a learning curve: a trial beyond one of them stops early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Limits:
    """The worst values with which a trial may go on.

    Attributes:
        curve: Name of the learning curve.
        direction: Which of two values is better.
        worst: By number of completed epochs, in increasing order.
    """

    curve: str
    direction: Literal["lower", "higher"]
    worst: tuple[tuple[int, float], ...]

    def stopped_after(self, values: Sequence[float | None]) -> int | None:
        """The number of epochs after which these values break a limit; None if they break none.

        Args:
            values: The curve: one value per epoch. A missing value breaks no limit.
        """
        for epochs, worst in self.worst:
            if epochs <= len(values) and (value := values[epochs - 1]) is not None:
                kept = value <= worst if self.direction == "lower" else value >= worst
                if not kept:
                    return epochs
        return None


def values_of(curves: Sequence[Mapping[str, object]], name: str) -> list[float | None]:
    """The values of a curve, one per epoch; None where it is missing."""
    values = (epoch.get(name) for epoch in curves)
    return [float(value) if isinstance(value, int | float) else None for value in values]
