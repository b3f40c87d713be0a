"""What the conformance kits of all kinds share.

Each kit is a class whose methods `test_*` look at one promise each, for pytest:

    from trainables.losses.testing import LossConformance

    class TestPoly(LossConformance):
        name = "poly"
        params = {"epsilon": 2.0}
        plugins = ["poly.py"]

There are `LossConformance`, `ModelConformance`, `DatasetConformance`, `MetricConformance`,
`CalibratorConformance` and `SamplerConformance`, each in the `testing` of its kind's package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.registry import Entry, Registry
from trainables.registry.plugins import PLUGINS

SAMPLES, CLASSES = 24, 7


class Conformance:
    """The promises that components of one kind keep.

    Attributes:
        registry: Of the kind.
        name: Of the component.
        params: Its own parameters, where they differ from its defaults.
        plugins: Files that it comes from, if it is none of calibsweep's own.
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
        """The component, built anew.

        Args:
            context: What the kind is given by whoever builds it. A component takes what it names.
        """
        return self.registry.build(self.entry.name, **self.params, **context)

    def test_mark(self) -> None:
        """The mark can be read, and the docstring begins with a sentence that says what the component is."""
        assert self.entry.summary.endswith("."), "the docstring must start with one sentence"


def random_logits(samples: int = SAMPLES, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits, float64 [samples, 7], and labels, int64 [samples]; half of these are the predicted class."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(samples, CLASSES, generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES, (samples,), generator=generator)
    labels[::2] = logits[::2].argmax(dim=1)
    return logits, labels
