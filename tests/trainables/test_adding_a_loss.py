"""The guide's example works as it stands, and the guide has what findings refer to."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch

from trainables.errors import ConfigurationError
from trainables.losses import testing as conformance
from trainables.registry import Registry
from trainables.registry.specs import LossSpec

GUIDE = (Path(__file__).parents[2] / conformance.GUIDE).read_text()


def test_the_example_is_found_built_and_conforms(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    package = tmp_path / "example_losses"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "poly.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        losses = Registry(
            "loss", "example_losses", "trainables.losses.base:Loss", LossSpec, context=["reduction"]
        )
        loss = losses.build("poly", epsilon=2)
        logits, labels = torch.tensor([[0.0, 0.0], [3.0, 3.0]]), torch.tensor([0, 1])
        assert loss(logits, labels).item() == pytest.approx(2 * (0.6931472 + 2 * 0.5))
        with pytest.raises(ConfigurationError, match="epsilon"):
            losses.build("poly", epsilon=-2)
        assert conformance.check_loss(lambda *, reduction: losses.build("poly", reduction=reduction)) == []
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "example_losses"]:
            del sys.modules[name]


def test_each_check_has_its_section():
    assert re.findall(r"^### (\w+)$", GUIDE, re.MULTILINE) == list(conformance.CHECKS)
