"""What a training step has to move and to compute, against counts by hand."""

from __future__ import annotations

import pytest

from trainables.floor import Rates, work, work_of
from trainables.resolve import resolve

# The data sheet of an H100 (SXM).
H100 = Rates(3.35e12, {"bfloat16": 989e12, "float32": 67e12})


def test_a_small_network_counted_by_hand() -> None:
    # Input 3 x 32 x 32; convolutions give 16 x 32 x 32, 32 x 16 x 16 and 32 x 8 x 8, each normalised; pooling
    # halves the sides of the first two, and makes 2 x 2 of the last; a linear layer of 128 features ends it.
    images, first, second, third, features, classes = 3 * 1024, 16 * 1024, 32 * 256, 32 * 64, 32 * 4, 11
    moved = 3 * (images + first) + 3 * (first // 4 + second) + 3 * (second // 4 + third)
    moved += (5 + 3) * (first + second + third)
    moved += 2 * (first + first // 4) + 2 * (second + second // 4) + 2 * (third + features)
    moved += 3 * (features + classes)
    products = 27 * first + 144 * second + 288 * third + features * classes
    parameters = 27 * 16 + 144 * 32 + 288 * 32 + 2 * (16 + 32 + 32) + features * classes + classes

    count = work("small_cnn", classes, (3, 32, 32))
    assert (count.flops, count.activations, count.parameters) == (2 * products, moved, parameters)
    assert count.moved_bytes("bfloat16", 50) == pytest.approx(2 * moved + 44 * parameters / 50)
    slow_memory, slow_products = Rates(1e6, {"float32": 1e18}), Rates(1e18, {"float32": 1e6})
    assert count.floor_seconds(slow_memory, "float32", 50) == pytest.approx(
        (4 * moved + 44 * parameters / 50) / 1e6
    )
    assert count.floor_seconds(slow_products, "float32", 50) == pytest.approx(6 * products / 1e6)


@pytest.mark.parametrize(
    ("model", "seconds"),
    [("resnet50", 1.5), ("resnet110", 2.3), ("densenet121", 2.1), ("wide_resnet_26_10", 1.4)],
)
def test_an_epoch_of_cifar_on_an_h100(model: str, seconds: float) -> None:
    # Worked out by other hands before any of this was counted: memory traffic, for the last arithmetic.
    floor = 45_000 * work(model, 10, (3, 32, 32)).floor_seconds(H100, "bfloat16", 128)
    assert floor == pytest.approx(seconds, rel=0.1)


def test_a_data_set_that_tells_no_shape_has_no_floor() -> None:
    assert work_of(resolve("sst", "tree_lstm", "brier", 0)) is None
    tiny = work_of(resolve("tiny_imagenet", "resnet50_tiny", "brier", 0))
    assert tiny == work("resnet50_tiny", 200, (3, 64, 64))
