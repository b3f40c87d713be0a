"""Operations of an epoch of a trial. Recorded numbers are returned without loading torch."""

from __future__ import annotations

from collections.abc import Mapping

from trainables import imbalance
from trainables.catalogue import DATASETS
from trainables.trial import Component, Trial

BACKWARD = 2
"""Operations of a backward pass relative to a forward pass."""

FORWARD: Mapping[str, Mapping[str, int]] = {
    "cifar10": {
        "densenet121": 1_776_701_440,
        "logistic_regression": 61_440,
        "mlp": 821_760,
        "resnet110": 5_447_786_496,
        "resnet20": 81_626_368,
        "resnet32": 137_725_184,
        "resnet50": 2_595_659_776,
        "small_cnn": 4_426_240,
        "wide_resnet_26_10": 10_486_657_536,
    },
    "cifar100": {
        "densenet121": 1_776_885_760,
        "logistic_regression": 614_400,
        "mlp": 844_800,
        "resnet110": 5_448_155_136,
        "resnet20": 81_637_888,
        "resnet32": 137_736_704,
        "resnet50": 2_596_028_416,
        "small_cnn": 4_449_280,
        "wide_resnet_26_10": 10_486_772_736,
    },
    "digits": {
        "logistic_regression": 1_280,
        "mlp": 51_712,
        "small_cnn": 242_176,
    },
    "imagenet": {
        "densenet121_imagenet": 5_668_323_328,
        "logistic_regression": 301_056_000,
        "mlp": 38_823_936,
        "resnet110_imagenet": 16_913_006_592,
        "resnet50_imagenet": 8_178_368_512,
        "small_cnn": 217_016_320,
    },
    "tiny_imagenet": {
        "logistic_regression": 4_915_200,
        "mlp": 3_229_696,
        "resnet110_tiny": 21_794_258_944,
        "resnet50_tiny": 10_385_752_064,
        "small_cnn": 17_745_920,
    },
}
"""Floating-point operations of one sample's forward pass, by data set and model.

As counted by `trainables.cost.forward_flops`, which needs torch; a test repeats the count.
"""


def are_recorded(trial: Trial) -> bool:
    """Whether the operations of a trial's network are known without building it."""
    return trial.model.label in FORWARD.get(trial.dataset.name, {})


def part_sizes(dataset: Component) -> tuple[int, int, int] | None:
    """Samples of the training, validation and test part; None if the data set's mark does not state them.

    Those of a long-tailed form are those of equally frequent classes.
    """
    spec, params = DATASETS[dataset.name].spec, dict(dataset.params)
    if spec.samples is None or spec.classes is None or not params.get("imbalance"):
        return spec.samples
    return imbalance.part_sizes(spec.samples, spec.classes, params)


def flops_per_epoch(trial: Trial) -> float | None:
    """Floating-point operations of one epoch: training, and one pass over the validation and test part.

    A multiplication and an addition count as two. None if the data set's mark does not state the shape and
    number of its samples: those of documents vary.
    """
    spec, sizes = DATASETS[trial.dataset.name].spec, part_sizes(trial.dataset)
    if spec.image_shape is None or sizes is None or spec.classes is None:
        return None
    forward = FORWARD.get(trial.dataset.name, {}).get(trial.model.label)
    if forward is None:
        from trainables.cost import forward_flops

        forward = forward_flops(trial.dataset.name, trial.model.name, trial.model.arguments().items())
    training, validation, test = sizes
    return float(forward * ((1 + BACKWARD) * training + validation + test))
