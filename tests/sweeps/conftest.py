"""A catalogue of pretended components, so that these tests depend on no real loss, model or data set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trainables.catalogue import DATASETS, LOSSES, MODELS, PROTOCOLS

# Importing one of these would fail the test: reading and expanding a sweep must not.
UNIMPORTABLE = "raise AssertionError('imported')\n"

FILES = {
    "__init__.py": "",
    "datasets/__init__.py": "",
    "datasets/pictures.py": UNIMPORTABLE
    + """
@register("pictures", spec={"input": "image", "image_size": 8})
class Pictures:
    def __init__(self, root, samples: int = 300): ...

@register("photographs", spec={"input": "image", "image_size": 32})
class Photographs: ...

@register("letters", spec={"input": "text"})
class Letters: ...

@register("of_files", spec={"input": "image", "image_size": 8, "content": "path", "endings": [".data"]})
class OfFiles:
    def __init__(self, root, path: str): ...
""",
    "models/__init__.py": "",
    "models/networks.py": UNIMPORTABLE
    + """
@register("dense", spec={"input": "image"})
class Dense:
    def __init__(self, num_classes: int, widths: tuple[int, ...] = (32,), dropout: float | None = None): ...

@register("conv", spec={"input": "image", "image_sizes": (8, 16)})
class Conv: ...

@register("reader", spec={"input": "text"})
class Reader: ...
""",
    "losses/__init__.py": "",
    "losses/losses.py": UNIMPORTABLE
    + """
@register("plain")
class Plain: ...

@register("focal")
@register("focal_1", gamma=1.0)
@register("focal_2", gamma=2.0)
class Focal:
    def __init__(self, gamma: float, detached: bool = False): ...

@register("kernel")
class Kernel:
    def __init__(self, strength: float): ...
""",
    "protocols/__init__.py": "",
    "protocols/protocols.py": """
from dataclasses import dataclass

from trainables.protocols.base import Protocol, with_defaults
from trainables.registry import register
from trainables.trial import TrainingSettings

@register("mukhoti2020")
@dataclass(frozen=True)
class Usual(Protocol):
    def training(self, dataset, model, loss):
        return TrainingSettings()

    def completed_loss(self, loss, dataset):
        name = loss if isinstance(loss, str) else loss[0]
        return with_defaults(loss, {"strength": 2.0}) if name == "kernel" else loss

@register("bare")
@dataclass(frozen=True)
class Bare(Protocol):
    temperature_criterion: str = "nll"

    def training(self, dataset, model, loss):
        return TrainingSettings(batch_size=32)
""",
}


@pytest.fixture(scope="session")
def _package_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretended")
    for name, text in FILES.items():
        path = folder / "pretended" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def catalogue(_package_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The four registries read the pretended components instead of the real ones."""
    monkeypatch.syspath_prepend(str(_package_folder))
    for registry in (DATASETS, MODELS, LOSSES, PROTOCOLS):
        monkeypatch.setattr(registry, "package", f"pretended.{registry.package.rpartition('.')[2]}")
        monkeypatch.setattr(registry, "_entries", None)
    yield
    assert not {"pretended.datasets.pictures", "pretended.models.networks"} & set(sys.modules)


@pytest.fixture
def sweep_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalogue: None) -> Callable[[str], Path]:
    """Writes a sweep file called a.yaml into the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        path = Path("a.yaml")
        path.write_text(text, encoding="utf-8")
        return path

    return write
