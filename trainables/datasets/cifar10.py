"""CIFAR-10: 60,000 photographs in ten classes."""

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
        # According to Keras. The publisher gives an MD5, c58f30108f718f92721af3b95e74349a.
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        size=170_498_071,
    ),
    folder="cifar-10-batches-py",
    training={
        "data_batch_1": "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd",
        "data_batch_2": "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8",
        "data_batch_3": "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9",
        "data_batch_4": "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b",
        "data_batch_5": "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154",
    },
    test={"test_batch": "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831"},
    others={"batches.meta": "f962466ef690d46b226450fb9aadc74ba4bc64a76aa526b5827fe4bc5c7125cb"},
    labels="labels",
    num_classes=10,
)


@register(
    "cifar10",
    spec={"input": "image", "image_size": 32, "channels": 3, "classes": 10, "samples": [45000, 5000, 10000]},
)
class Cifar10(ImageDataset):
    """45,000 / 5,000 / 10,000 photographs with 32 x 32 pixels in 10 classes (Krizhevsky, 2009).

    Args:
        root: The folder that contains `cifar-10-batches-py`.

    Raises:
        DataError: Files are missing or not the published ones.
    """

    def __init__(self, root: Path):
        super().__init__(*CIFAR10.splits(root, NORMALISATIONS["cifar10"]), CIFAR10.num_classes)

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return CIFAR10.prepare(root, progress)
