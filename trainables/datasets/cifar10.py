"""CIFAR-10: 60,000 photographs of ten kinds of things."""

from __future__ import annotations

from pathlib import Path

from trainables.datasets.cifar import Cifar
from trainables.datasets.files import Progress, RemoteFile, silent
from trainables.datasets.images import NORMALISATIONS, ImageDataset
from trainables.registry import register

CIFAR10 = Cifar(
    name="cifar10",
    archive=RemoteFile(
        "cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "c58f30108f718f92721af3b95e74349a",
    ),
    folder="cifar-10-batches-py",
    training={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    test={"test_batch": "40351d587109b95175f43aff81a1287e"},
    others={"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"},
    labels="labels",
    num_classes=10,
)


@register(
    "cifar10",
    facts={"input": "image", "image_size": 32, "channels": 3, "classes": 10, "samples": [45000, 5000, 10000]},
)
class Cifar10(ImageDataset):
    """45,000 / 5,000 / 10,000 photographs of 32 x 32 pixels in 10 classes (Krizhevsky, 2009).

    Args:
        root: The folder that holds `cifar-10-batches-py`.

    Raises:
        DataError: Files that are missing or not the published ones.
    """

    def __init__(self, root: Path):
        super().__init__(*CIFAR10.splits(root, NORMALISATIONS["cifar10"]), CIFAR10.num_classes)

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return CIFAR10.prepare(root, progress)
