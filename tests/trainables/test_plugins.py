"""Components from plug-in files and from entry points of other packages."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from trainables import source
from trainables.catalogue import DATASETS, LOSSES, METRICS, MODELS
from trainables.errors import ConfigurationError
from trainables.registry import sources
from trainables.registry.plugins import PLUGINS, Plugin

LOSS = '''
"""A loss."""

import torch

from trainables.losses.base import Loss
from trainables.registry import register

@register("poly", spec={"example": {"epsilon": 2.0}})
class Poly(Loss):
    """Poly-1."""

    def __init__(self, epsilon: float, reduction: str = "sum"):
        super().__init__(reduction)
        self.epsilon = epsilon

    def per_sample(self, logits, labels):
        if self.epsilon < 0:
            raise ValueError(self.epsilon)
        log_probability = torch.log_softmax(logits, dim=1).gather(1, labels[:, None]).squeeze(1)
        return -log_probability + self.epsilon * (1 - log_probability.exp())
'''

SEVERAL = '''
from torch import nn

from trainables.datasets.digits import Digits
from trainables.registry import register

class Shared(nn.Module): ...

@register("linear_net")
class Linear(Shared):
    """A model by the class that it inherits here."""

@register("made_net")
def made(num_classes: int) -> nn.Module:
    """A model by what it returns."""

@register("more_digits", spec={"input": "image"})
class MoreDigits(Digits):
    """A data set by its base class."""

@register("share_of_ones", spec={"title": "ones", "meaning": "Share of ones"})
def share_of_ones(probabilities, labels) -> float:
    """A metric by what it returns."""
    return float((labels == 1).double().mean())

@register("said", kind="metric", spec={"title": "said", "meaning": "Said"})
def said(probabilities, labels):
    """A metric, since its mark says so."""
'''


@pytest.fixture(autouse=True)
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PLUGINS, "_files", ())


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def refusal(*paths: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        PLUGINS.add(paths)
        LOSSES.names()
    (line,) = refused.value.lines
    return line


def test_a_plugin_is_read_without_being_imported_then_built(tmp_path: Path) -> None:
    path = written(tmp_path / "my-losses.py", LOSS)
    PLUGINS.add([path])
    entry = LOSSES["poly"]
    assert (entry.origin, entry.path, entry.summary) == ("plug-in", path, "Poly-1.")
    assert entry.source_digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert entry.module not in sys.modules
    loss = LOSSES.build("poly", epsilon=2, reduction="mean")
    logits, labels = torch.tensor([[0.0, 0.0], [3.0, 3.0]]), torch.tensor([0, 1])
    assert loss(logits, labels).item() == pytest.approx(0.6931472 + 2 * 0.5)


def test_the_kind_follows_from_base_class_result_or_mark(tmp_path: Path) -> None:
    PLUGINS.add([written(tmp_path / "several.py", SEVERAL)])
    found = {
        registry.kind: {name for name in registry.names() if registry[name].origin}
        for registry in (LOSSES, MODELS, DATASETS, METRICS)
    }
    assert found == {
        "loss": set(),
        "model": {"linear_net", "made_net"},
        "data set": {"more_digits"},
        "metric": {"share_of_ones", "said"},
    }
    labels = torch.tensor([1, 0, 1, 2, 0])
    assert METRICS.build("share_of_ones", probabilities=torch.rand(5, 3), labels=labels) == 0.4


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("@register('x')\ndef x(): ...", "kind="),
        ("@register('x', kind='los')\ndef x(): ...", "'loss'"),
        ("@register('focal_1', kind='loss')\ndef x(): ...", "'focal_1'"),
        ("@register('x', kind='loss', spec={'softmx': False})\ndef x(): ...", "'softmax'"),
        ("class Broken(:", "line 1"),
        ("x = '\0'", "null bytes"),
    ],
)
def test_refuses_a_plugin_that_it_cannot_use(text: str, named: str, tmp_path: Path) -> None:
    line = refusal(written(tmp_path / "odd.py", text))
    assert "odd.py" in line and named in line


def test_files_that_are_not_python_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "poly.py", LOSS)
    (tmp_path / "latin.py").write_bytes(b"# \xe9")
    (tmp_path / "folder.py").mkdir()
    assert "'poly.py'" in refusal(tmp_path / "ploy.py")
    for name in ("poly.yaml", "latin.py", "folder.py"):
        assert name in refusal(tmp_path / name)


def test_an_edited_plugin_is_other_code_by_the_same_names(tmp_path: Path) -> None:
    path = written(tmp_path / "poly.py", LOSS)
    PLUGINS.add([path])
    before, digest = LOSSES["poly"], source.digest(LOSSES["poly"].module)
    PLUGINS.add([path])
    assert LOSSES["poly"] is before
    written(path, LOSS.replace("1 - log", "2 - log"))
    PLUGINS.add([path])
    after = LOSSES["poly"]
    assert after.source_digest != before.source_digest
    assert source.digest(after.module) != digest
    assert {after.module, "trainables.losses.base"} <= source.modules(after.module).keys()


@pytest.mark.slow
def test_a_plugin_is_imported_where_its_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "poly.py"
    code = f"""
        import traceback, torch
        from pathlib import Path
        from trainables.catalogue import LOSSES
        from trainables.registry.plugins import PLUGINS, Plugin
        PLUGINS.install([Plugin(Path({str(path)!r}), {LOSS.encode()!r})])
        try:
            LOSSES.build("poly", epsilon=-1)(torch.rand(3, 4), torch.arange(3))
        except ValueError:
            traceback.print_exc()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert f'"{path}", line 19' in done.stderr and "raise ValueError(self.epsilon)" in done.stderr


def test_one_file_by_two_paths_is_one_plugin(tmp_path: Path) -> None:
    path = written(tmp_path / "poly.py", LOSS)
    PLUGINS.add([path, tmp_path / "." / "poly.py"])
    PLUGINS.install([Plugin(Path("/another/machine/poly.py"), LOSS.encode())])
    assert len(PLUGINS.files) == 1 and "poly" in LOSSES.names()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, to which a distribution can be added."""
    monkeypatch.syspath_prepend(tmp_path)
    for registry in (LOSSES, MODELS):
        monkeypatch.setattr(registry, "_entries", None)
    sources._entry_points.cache_clear()
    yield tmp_path
    sources._entry_points.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "their_losses"]:
        del sys.modules[name]


def distribution(folder: Path, entry_points: str) -> None:
    info = folder / "their_losses-1.2.dist-info"
    written(info / "METADATA", "Metadata-Version: 2.1\nName: their-losses\nVersion: 1.2\n")
    written(info / "entry_points.txt", entry_points)


@pytest.mark.parametrize(
    "named", ["their_losses", "their_losses.deep.poly", "their_losses.deep.poly:Poly", "their_losses.deep"]
)
def test_entry_points_name_modules_packages_or_classes(named: str, installed: Path) -> None:
    distribution(installed, f"[calibsweep.losses]\nany = {named}\n")
    heavy = "raise AssertionError('imported')\n" if named != "their_losses" else ""
    written(installed / "their_losses" / "__init__.py", heavy)
    written(installed / "their_losses" / "deep" / "__init__.py", "")
    place = "poly.py" if named == "their_losses" else "deep/poly.py"
    written(installed / "their_losses" / place, LOSS)
    entry = LOSSES["poly"]
    assert (entry.origin, entry.attribute) == ("their-losses 1.2", "Poly")
    assert entry.path == installed / "their_losses" / place
    assert not any(name.startswith("their_losses") for name in sys.modules)
    if not heavy:
        assert LOSSES.build("poly", epsilon=1.0).epsilon == 1.0


def test_an_entry_point_without_module_names_its_package(installed: Path) -> None:
    distribution(installed, "[calibsweep.losses]\nany = their_losses.gone\n")
    with pytest.raises(ConfigurationError, match=r"their-losses 1\.2.*'their_losses\.gone'"):
        LOSSES.names()
