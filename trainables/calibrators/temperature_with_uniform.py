"""Temperature scaling, smoothed."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfProbmetrics
from trainables.registry import register


@register(
    "temperature_with_uniform",
    spec={
        "title": "temperature scaling mixed with the uniform distribution",
        "symbol": "TU",
        "keeps_order": True,
        "requires": "calibrators",
    },
)
class TemperatureWithUniform(OfProbmetrics):
    """Temperature scaling by NLL, mixed with a share 1 / (N + 1) of the uniform distribution.

    Berta et al., 'Rethinking Early Stopping: Refine, Then Calibrate' (2025), section 4: N validation samples
    cannot show that a class is less probable.
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.get_calibrator("ts-mix")
