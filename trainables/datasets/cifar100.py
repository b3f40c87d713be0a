"""CIFAR-100: 60,000 photographs of a hundred kinds of things."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from trainables.datasets.cifar import Cifar
from trainables.datasets.files import Progress, RemoteFile, silent
from trainables.datasets.images import NORMALISATIONS, ImageDataset
from trainables.registry import register

CIFAR100 = Cifar(
    name="cifar100",
    archive=RemoteFile(
        "cifar-100-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        "eb9058c3a382ffc7106e4002c42a8d85",
    ),
    folder="cifar-100-python",
    training={"train": "16019d7e3df5f24257cddd939b257f8d"},
    test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    others={"meta": "7973b15100ade9c7d40fb424638fde48"},
    labels="fine_labels",
    num_classes=100,
)


@register(
    "cifar100",
    facts={
        "input": "image",
        "image_size": 32,
        "channels": 3,
        "classes": 100,
        "samples": [45000, 5000, 10000],
    },
)
class Cifar100(ImageDataset):
    """45,000 / 5,000 / 10,000 photographs of 32 x 32 pixels in 100 classes (Krizhevsky, 2009).

    Training and validation images are normalised with CIFAR-10's constants, as in the code released with
    Mukhoti et al. (NeurIPS 2020).

    Args:
        root: The folder that holds `cifar-100-python`.
        test_normalisation: Constants of the test part. That code took ImageNet's there, unlike in training.

    Raises:
        DataError: Files that are missing or not the published ones.
    """

    def __init__(self, root: Path, test_normalisation: Literal["cifar10", "imagenet"] = "cifar10"):
        super().__init__(*CIFAR100.splits(root, NORMALISATIONS[test_normalisation]), CIFAR100.num_classes)

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return CIFAR100.prepare(root, progress)
