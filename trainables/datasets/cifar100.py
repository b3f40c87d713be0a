"""CIFAR-100: 60,000 photographs in a hundred classes."""

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
        # According to Keras. The publisher gives an MD5, eb9058c3a382ffc7106e4002c42a8d85.
        sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        size=169_001_437,
    ),
    folder="cifar-100-python",
    training={"train": "735e79b04f092ca3d2e6d07f368c0a7d70d48c48d28865950cc24454cf45129b"},
    test={"test": "4b67687d9933c4db8f0831104447f15b93774f4f464bd0516f0f0f2ac83b7864"},
    others={"meta": "a5d4786345c961390f865e93b434dbd5c6904ce880667e0cb888c97d449f28b9"},
    labels="fine_labels",
    num_classes=100,
)


@register(
    "cifar100",
    spec={
        "input": "image",
        "image_size": 32,
        "channels": 3,
        "classes": 100,
        "samples": [45000, 5000, 10000],
    },
)
class Cifar100(ImageDataset):
    """45,000 / 5,000 / 10,000 photographs with 32 x 32 pixels in 100 classes (Krizhevsky, 2009).

    Training and validation images are normalised with CIFAR-10's constants, as in the released code of
    Mukhoti et al. (NeurIPS 2020).

    Args:
        root: The folder that contains `cifar-100-python`.
        test_normalisation: Constants for the test part. The released code uses ImageNet's there.

    Raises:
        DataError: Files are missing or not the published ones.
    """

    def __init__(self, root: Path, test_normalisation: Literal["cifar10", "imagenet"] = "cifar10"):
        super().__init__(*CIFAR100.splits(root, NORMALISATIONS[test_normalisation]), CIFAR100.num_classes)

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return CIFAR100.prepare(root, progress)
