"""The benchmarks' networks are those of the papers: sizes, structure and starting weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from trainables import models
from trainables.catalogue import MODELS
from trainables.models.densenet import DenseLayer
from trainables.models.wide_resnet import BasicBlock
from trainables.training.curves import last_linear

# Of the released code, instantiated: parameters by classes, layers of each kind, operations (2 for a multiply
# and add) of one image. Those without released code are by hand: 'resnet20' and 'resnet32' from the paper,
# 'resnet110_tiny' from resnet110, and the ImageNet ones from torchvision's documentation.
SIZES = [
    ("resnet50", 32, {10: 23_520_842, 100: 23_705_252, 200: 23_910_152}, (53, 53, 1), 2.596e9),
    ("resnet110", 32, {10: 45_864_522, 100: 46_048_932}, (113, 113, 1), 5.448e9),
    ("wide_resnet_26_10", 32, {10: 36_481_434, 100: 36_539_124}, (28, 28, 1), 1.0487e10),
    ("resnet20", 32, {10: 272_474}, (21, 21, 1), 8.163e7),
    ("resnet32", 32, {10: 464_154, 100: 470_004}, (31, 31, 1), 1.3773e8),
    ("densenet121", 32, {10: 6_956_298, 100: 7_048_548}, (120, 120, 1), 1.777e9),
    ("resnet50_tiny", 64, {200: 25_138_952}, (53, 53, 1), 1.0386e10),
    ("resnet110_tiny", 64, {200: 25_138_952 + 20 * 1_117_184}, (113, 113, 1), None),
    ("resnet50_imagenet", 224, {1000: 25_557_032}, (53, 53, 1), 2 * 4.09e9),
    ("resnet110_imagenet", 224, {1000: 25_557_032 + 20 * 1_117_184}, (113, 113, 1), None),
    ("densenet121_imagenet", 224, {1000: 7_978_856}, (120, 121, 1), 2 * 2.83e9),
]

BATCH = 3


def layers(model: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, kind)]


@pytest.mark.parametrize(("name", "pixels", "parameters", "counts", "operations"), SIZES)
def test_size_and_structure(
    name: str,
    pixels: int,
    parameters: dict[int, int],
    counts: tuple[int, int, int],
    operations: float | None,
    torchvision: ModuleType,
) -> None:
    assert MODELS[name].spec.image_sizes == (pixels,)
    for classes, expected in parameters.items():
        with torch.device("meta"):
            model = models.build(name, classes)
        assert sum(parameter.numel() for parameter in model.parameters()) == expected
        # The learning curves measure the features that enter this layer.
        classifier = last_linear(model)
        assert classifier is list(model.modules())[-1] and classifier.out_features == classes
    assert tuple(len(layers(model, kind)) for kind in (nn.Conv2d, nn.BatchNorm2d, nn.Linear)) == counts
    assert all(isinstance(conv, nn.Conv2d) and conv.bias is None for conv in layers(model, nn.Conv2d))
    assert not layers(model, nn.Dropout)
    with FlopCounterMode(display=False) as counter:
        logits = model(torch.empty(BATCH, 3, pixels, pixels, device="meta"))
    assert logits.shape == (BATCH, classes)
    if operations is not None:
        assert counter.get_total_flops() / BATCH == pytest.approx(operations, rel=2e-3)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def usual_std(conv: nn.Conv2d) -> float:
    """torch's default: uniform within 1 / sqrt(fan in)."""
    return 1 / math.sqrt(3 * conv.in_channels * math.prod(conv.kernel_size))


def he_std(conv: nn.Conv2d) -> float:
    return math.sqrt(2 / (conv.out_channels * math.prod(conv.kernel_size)))


@pytest.mark.parametrize(
    ("name", "std"),
    [
        ("resnet50", usual_std),
        ("densenet121", usual_std),
        ("wide_resnet_26_10", he_std),
        ("resnet50_tiny", he_std),
    ],
)
def test_starting_weights(name: str, std: Callable[[nn.Conv2d], float]) -> None:
    torch.manual_seed(0)
    model = models.build(name, 10)
    for conv in layers(model, nn.Conv2d):
        assert isinstance(conv, nn.Conv2d)
        weights = conv.weight.detach()
        # The least layer has 432 weights, the standard error of whose deviation is 3.4 %.
        assert weights.std().item() == pytest.approx(std(conv), rel=4 / math.sqrt(2 * weights.numel()))
        assert abs(weights.mean().item()) < 5 * std(conv) / math.sqrt(weights.numel())
        if std is usual_std:
            assert weights.abs().max().item() <= math.sqrt(3) * std(conv)
    for norm in layers(model, nn.BatchNorm2d):
        assert isinstance(norm, nn.BatchNorm2d)
        assert bool((norm.weight == 1).all()) and bool((norm.bias == 0).all())
    linear = last_linear(model)
    assert linear is not None
    assert linear.weight.std().item() == pytest.approx(1 / math.sqrt(3 * linear.in_features), rel=0.02)


def test_one_generator_state_gives_one_network() -> None:
    first, second = (torch.manual_seed(7) and models.build("densenet121", 10) for _ in range(2))
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def in_order(target: nn.Module, source: nn.Module) -> nn.Module:
    """`target` with the weights of `source`, whose layers come in the same order, both in evaluation."""
    values = list(source.state_dict().values())
    target.load_state_dict(dict(zip(target.state_dict(), values, strict=True)))
    return target.eval()


def with_statistics(model: nn.Module) -> nn.Module:
    """`model` with a batch normalisation that does something, so that one in the wrong place is seen."""
    for norm in layers(model, nn.BatchNorm2d):
        assert isinstance(norm, nn.BatchNorm2d)
        for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            assert isinstance(values, Tensor)
            nn.init.uniform_(values, 0.5, 1.5)
    return model.eval()


def test_resnet50_is_torchvisions_with_another_stem(torchvision: ModuleType) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50(weights=None, num_classes=10)
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = nn.Identity()
    with_statistics(theirs)
    images = torch.randn(2, 3, 32, 32)
    ours = in_order(models.build("resnet50", 10), theirs)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=0)


def test_wide_blocks_are_torchvisions_basic_blocks(torchvision: ModuleType) -> None:
    torch.manual_seed(0)
    projection = nn.Sequential(nn.Conv2d(16, 32, 1, 2, bias=False), nn.BatchNorm2d(32))
    theirs = with_statistics(torchvision.models.resnet.BasicBlock(16, 32, stride=2, downsample=projection))
    features = torch.randn(2, 16, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(in_order(BasicBlock(16, 32, 2), theirs)(features), theirs(features))


def test_dense_layers_put_new_channels_first() -> None:
    layer = DenseLayer(channels=8, growth=4)
    features = torch.randn(2, 8, 4, 4)
    grown = layer(features)
    assert grown.shape == (2, 12, 4, 4)
    assert torch.equal(grown[:, 4:], features)
    assert torch.equal(grown[:, :4], layer.new(features))


def test_networks_for_32_pixels_take_no_others() -> None:
    with torch.device("meta"), pytest.raises(RuntimeError):
        models.build("resnet50", 200)(torch.empty(2, 3, 64, 64))


def test_shortcuts_of_resnet32_have_no_parameters() -> None:
    network = models.build("resnet32", 10)
    for conv in layers(network, nn.Conv2d):
        # He et al. 2015, equation 10; 432 weights as above.
        std = math.sqrt(2 / (conv.in_channels * 9))
        assert conv.kernel_size == (3, 3)
        assert conv.weight.std().item() == pytest.approx(std, rel=4 / math.sqrt(2 * conv.weight.numel()))
    block = next(module for module in network.blocks if module.padding)
    nn.init.zeros_(block.residual[-1].weight)
    images = torch.rand(BATCH, 16, 8, 6)
    found = block.eval()(images)
    assert found.shape == (BATCH, 32, 4, 3)
    assert torch.equal(found[:, 8:24], images[:, :, ::2, ::2])
    assert not found[:, :8].any() and not found[:, 24:].any()
