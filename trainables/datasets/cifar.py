"""The two CIFAR data sets (Krizhevsky, 2009), read from their published pickled batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainables.datasets.archives import Archive, load_pickle, obtain
from trainables.datasets.files import Progress, RemoteFile, read_published
from trainables.datasets.images import NORMALISATIONS, ImageSplit, Normalisation, checked_labels
from trainables.datasets.unpacking import Limits
from trainables.errors import DataError

SIDE = 32
LIMITS = Limits(members=20, size=190_000_000)
"""Both have 186 MB in a handful of files."""
SPLIT_SEED = 1
"""The split is fixed: it does not depend on a trial's seed."""


@dataclass(frozen=True)
class Cifar:
    """One of the two published data sets.

    Attributes:
        folder: The folder in the archive.
        training, test, others: SHA-256 of each file in it.
        labels: Key of the labels in the batches.
        validation: Number of held-out training images.
    """

    name: str
    archive: RemoteFile
    folder: str
    training: Mapping[str, str]
    test: Mapping[str, str]
    others: Mapping[str, str]
    labels: str
    num_classes: int
    validation: int = 5000

    def prepare(self, root: Path, progress: Progress) -> Path:
        """Returns the folder with all files verified. Downloads them if necessary.

        Raises:
            DataError: Files are unavailable or not the published ones.
        """
        return obtain(Archive(self.name, self.archive, self.folder, LIMITS, self.check), root, progress)

    def check(self, folder: Path) -> None:
        for name, sha256 in {**self.training, **self.test, **self.others}.items():
            read_published(folder / name, sha256, self.name)

    def splits(
        self, root: Path, test_normalisation: Normalisation
    ) -> tuple[ImageSplit, ImageSplit, ImageSplit]:
        """Training, validation and test part. Sample ids count the training images, then the test images.

        Raises:
            DataError: A file is missing, not the published one, or not a batch of images.
        """
        images, labels = self.read(root / self.folder, self.training)
        test_images, test_labels = self.read(root / self.folder, self.test)
        train, validation = held_out(len(labels), self.validation)
        usual = NORMALISATIONS["cifar10"]
        return (
            ImageSplit(images[train], labels[train], train, usual),
            ImageSplit(images[validation], labels[validation], validation, usual),
            ImageSplit(
                test_images,
                test_labels,
                torch.arange(len(labels), len(labels) + len(test_labels)),
                test_normalisation,
            ),
        )

    def read(self, folder: Path, files: Mapping[str, str]) -> tuple[Tensor, Tensor]:
        """Images uint8 [N, 3, 32, 32] and labels int64 [N] of these batches, concatenated.

        Raises:
            DataError: A file is missing, not the published one, or not a batch of images.
        """
        parts = [self._read_batch(folder / name, sha256) for name, sha256 in files.items()]
        return torch.cat([images for images, _ in parts]), torch.cat([labels for _, labels in parts])

    def _read_batch(self, path: Path, sha256: str) -> tuple[Tensor, Tensor]:
        batch = load_pickle(read_published(path, sha256, self.name), path)
        data = batch.get("data") if isinstance(batch, dict) else None
        labels = batch.get(self.labels) if isinstance(batch, dict) else None
        if (
            not isinstance(data, np.ndarray)
            or data.dtype != np.uint8
            or data.ndim != 2
            or data.shape[1] != 3 * SIDE * SIDE
            or not isinstance(labels, list)
            or not all(isinstance(label, int) for label in labels)
            or len(labels) != len(data)
        ):
            raise DataError(
                f"{path} is not a batch of {self.name}: images or labels are missing or malformed."
            )
        images = torch.from_numpy(data).view(-1, 3, SIDE, SIDE)
        return images, checked_labels(torch.tensor(labels), self.num_classes, path)


def held_out(total: int, validation: int) -> tuple[Tensor, Tensor]:
    """Positions of the training and the validation images, int64, in the benchmark's order.

    As in the released code of Mukhoti et al. (NeurIPS 2020), NumPy's legacy generator shuffles all positions
    with seed 1, and the first ones are for validation; not stratified.
    """
    order = list(range(total))
    np.random.RandomState(SPLIT_SEED).shuffle(order)
    return torch.tensor(order[validation:]), torch.tensor(order[:validation])
