"""torchvision, wherever it is installed."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision, also where its compiled part is of another build of torch, as beside one for CPUs only.

    The networks need nothing of that part, but importing torchvision refers to two operators of it. Declaring
    them is enough.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return importlib.import_module("torchvision")
