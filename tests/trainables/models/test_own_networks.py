"""Networks of torchvision and timm by their names, with weights from a file and a new last layer."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, get_args

import pytest
import torch
from torch import nn

from trainables import models
from trainables.errors import ConfigurationError, DataError
from trainables.models.testing import ModelConformance
from trainables.resolve import resolve

CLASSES = 7


@pytest.fixture(scope="module", autouse=True)
def _importable(torchvision: ModuleType) -> None: ...


class TestTorchvision(ModelConformance):
    name = "torchvision"
    params = MappingProxyType({"name": "shufflenet_v2_x0_5"})


class TestTimm(ModelConformance):
    name = "timm"
    params = MappingProxyType({"name": "resnet10t"})

    @pytest.fixture(autouse=True)
    def _timm(self) -> None:
        pytest.importorskip("timm", reason="the extra 'timm' is not installed")


def build(library: str, name: str, side: int = 32, **params: Any) -> nn.Module:
    torch.manual_seed(3)
    return models.build(library, CLASSES, input_shape=(3, side, side), **{"name": name, **params})


def test_every_classifier_of_torchvision_is_named() -> None:
    import torchvision

    from trainables.models.torchvision_networks import torchvision as component

    annotation = inspect.get_annotations(component, eval_str=True)["name"]
    assert {*torchvision.models.list_models(module=torchvision.models)} <= {*get_args(annotation)}


@pytest.mark.parametrize("name", ["googlenet", "vit_b_32", "regnet_y_400mf"])
def test_unusual_ones_are_counted_on_the_meta_device(name: str) -> None:
    with torch.device("meta"):
        network = build("torchvision", name, 64)
        assert network.train()(torch.empty(2, 3, 64, 64)).shape == (2, CLASSES)


@pytest.mark.slow
def test_all_layers_but_the_last_have_the_weights_of_the_file(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    path = tmp_path / "weights.pth"
    for classes in (1000, CLASSES):
        theirs = resnet18(num_classes=classes)
        torch.save(theirs.state_dict(), path)
        ours, fresh = build("torchvision", "resnet18", weights=str(path)), build("torchvision", "resnet18")
        for name, value in ours.state_dict().items():
            expected = fresh if name.startswith("fc.") else theirs
            assert torch.equal(value, expected.state_dict()[name]), name


def test_the_key_follows_from_the_weights_not_their_place(tmp_path: Path) -> None:
    keys = []
    for place, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / place).write_bytes(content)
        model = ("torchvision", {"name": "resnet18", "weights": str(tmp_path / place)})
        keys.append(resolve("cifar10", model, "brier", 0).key)
    keys.append(resolve("cifar10", ("torchvision", {"name": "resnet18"}), "brier", 0).key)
    assert keys[0] == keys[1] and len(set(keys)) == 3


@pytest.mark.slow
def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'resnet18'"):
        resolve("cifar10", ("torchvision", {"name": "resnet81"}), "brier", 0)
    with pytest.raises(ConfigurationError, match="document"):
        resolve("twenty_newsgroups", ("torchvision", {"name": "resnet18"}), "brier", 0)
    for name, side in (("vit_b_32", 40), ("inception_v3", 64)):
        with pytest.raises(ConfigurationError, match=f"{name} does not take images of 3 x {side} x {side}"):
            build("torchvision", name, side)
    with pytest.raises(ConfigurationError, match="images of 1 x 8 x 9"):
        models.build("torchvision", CLASSES, input_shape=(1, 8, 9), **{"name": "resnet18"})
    path = tmp_path / "weights.pth"
    torch.save(build("torchvision", "resnet34").state_dict(), path)
    with pytest.raises(DataError, match=r"does not fit the network: layer1\.2\.conv1\.weight, .* more"):
        build("torchvision", "resnet18", weights=str(path))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="no readable weights"):
        build("torchvision", "resnet18", weights=str(path))
    torch.save([1, 2], path)
    with pytest.raises(DataError, match="not a state dict"):
        build("torchvision", "resnet18", weights=str(path))


def test_timm(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="the extra 'timm' is not installed")
    safetensors = pytest.importorskip("safetensors.torch")
    theirs = timm.create_model("resnet10t", num_classes=11)
    path = tmp_path / "weights.safetensors"
    safetensors.save_file(theirs.state_dict(), path)
    ours = build("timm", "resnet10t", weights=str(path))
    assert torch.equal(ours.state_dict()["conv1.0.weight"], theirs.state_dict()["conv1.0.weight"])
    with pytest.raises(ConfigurationError, match="Did you mean 'resnet10t'"):
        build("timm", "resnet10tt")
