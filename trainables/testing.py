"""The common part of the conformance kits of all kinds.

Each kit is a class with methods `test_*` for pytest, which check one requirement each:

    from trainables.losses.testing import LossConformance

    class TestPoly(LossConformance):
        name = "poly"
        params = {"epsilon": 2.0}
        plugins = ["poly.py"]

The kits are `LossConformance`, `ModelConformance`, `DatasetConformance`, `MetricConformance`,
`CalibratorConformance` and `SamplerConformance`, each in the `testing` of its kind's package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables import tasks
from trainables.errors import ConfigurationError
from trainables.registry import Entry, Registry
from trainables.registry.plugins import PLUGINS

SAMPLES, CLASSES = 24, 7

CLASS_COUNTS = (19, 7, 400, 20, 101, 100, 150)
"""Number of training labels of each class: at the edges of the groups of `metrics.per_class`, and between."""


class Conformance:
    """The requirements on components of one kind.

    Attributes:
        registry: The registry of the kind.
        name: Name of the component.
        params: Its own parameters, where they differ from its defaults.
        plugins: Files that define it, if it does not belong to calibsweep.
    """

    registry: ClassVar[Registry[Any]]
    name: ClassVar[str]
    params: ClassVar[Mapping[str, Any]] = {}
    plugins: ClassVar[Sequence[str | Path]] = ()

    @property
    def entry(self) -> Entry[Any]:
        PLUGINS.add(self.plugins)
        return self.registry[self.name]

    def build(self, **context: Any) -> Any:
        """Builds a new component.

        Args:
            context: Context parameters of the kind. The component gets those that it names.
        """
        return self.registry.build(self.entry.name, **self.params, **context)

    def test_mark(self) -> None:
        """The mark can be read, and the docstring starts with a sentence that describes the component."""
        assert self.entry.summary.endswith("."), "the docstring must start with one sentence"


def check_task(entry: Entry[Any]) -> None:
    """Raises ConfigurationError if a loss or metric is not for classification, as the kit's batches are."""
    if entry.spec.task != tasks.DEFAULT:
        raise ConfigurationError(
            f"{entry.kind} {entry.name!r} is for the task {entry.spec.task!r}, but the conformance kit has "
            f"only batches for {tasks.DEFAULT}."
        )


def random_logits(samples: int = SAMPLES, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits, float64 [samples, 7], and labels, int64 [samples]; half of these are the predicted class."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(samples, CLASSES, generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES, (samples,), generator=generator)
    labels[::2] = logits[::2].argmax(dim=1)
    return logits, labels
