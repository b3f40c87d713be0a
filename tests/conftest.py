"""What tests of all rooms share."""

from __future__ import annotations

import importlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

# Commands name one another by the command line, which tests may go past.
import orchestrator.cli  # noqa: F401
from orchestrator.command_line.base import given_plugins
from trainables.registry.plugins import PLUGINS

from .s3_proxy import CREDENTIALS, Proxy, moto_server, proxy_before

REPOSITORY = Path(__file__).resolve().parents[1]

# One thread, as in a sweep's workers: bytes are compared between runs.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long anything takes is no test's business, least of all on a machine that does other things too.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most slow tests come first: one that began last would keep everything waiting."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True)
def no_plugins_left() -> Iterator[None]:
    """A command that runs in this process adds its plug-ins to every registry of it."""
    before = PLUGINS._files
    yield
    PLUGINS._files = before
    given_plugins.clear()


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision, also where its compiled part is of another build of torch, as beside one for CPUs only.

    Nothing here needs that part, but importing torchvision refers to two operators of it. Declaring them is
    enough.
    """
    import torch

    try:
        return importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return importlib.import_module("torchvision")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[int]:
    """The port of a real S3 server, in a process of its own."""
    with moto_server() as port:
        yield port


@pytest.fixture
def s3(s3_server: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A new bucket behind a proxy (`tests/s3_proxy.py`), and credentials for it in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with proxy_before(s3_server) as proxy:
        yield proxy
