"""Street View House Numbers, for out-of-distribution evaluation."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat

from trainables.datasets.base import EvaluationDataset
from trainables.datasets.files import Progress, RemoteFile, fetch, locked, read_published, silent
from trainables.datasets.images import NORMALISATIONS, ImageSplit, checked_labels
from trainables.errors import DataError
from trainables.registry import register

NAME = "svhn"
FOLDER = "svhn"
TEST = RemoteFile(
    "test_32x32.mat",
    "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
    # According to TensorFlow Datasets. torchvision has an MD5, eb5a983be6a315427106f1b164d9cef3.
    sha256="cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
    size=64_275_384,
)


@register(
    "svhn",
    spec={
        "input": "image",
        "image_size": 32,
        "channels": 3,
        "samples": [0, 0, 26032],
        "has_training_part": False,
    },
)
class StreetViewHouseNumbers(EvaluationDataset):
    """The 26,032 test digits of Street View House Numbers with 32 x 32 pixels (Netzer et al., 2011).

    Normalised with CIFAR-10's constants, for networks trained on CIFAR.

    Args:
        root: The folder that contains `svhn/test_32x32.mat`.

    Raises:
        DataError: The file is missing or not the published one.
    """

    def __init__(self, root: Path):
        path = root / FOLDER / TEST.name
        content = read_published(path, TEST.sha256, NAME)
        try:
            file = loadmat(io.BytesIO(content))  # type: ignore[arg-type]
            images, digits = file["X"], file["y"]
        except Exception as error:
            # A damaged file can raise any exception. The file is at fault.
            raise DataError(f"{path} is not a MATLAB file with X and y ({error}).") from error
        if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(digits)) or digits.shape[1:] != (1,):
            raise DataError(f"{path} has no images [32, 32, 3, N] with labels [N, 1].")
        # The published labels are 1 to 10, and 10 is the digit 0.
        labels = torch.from_numpy(digits[:, 0].astype(np.int64))
        labels = checked_labels(torch.where(labels == 10, 0, labels), 10, path)
        inputs = torch.from_numpy(np.ascontiguousarray(images.transpose(3, 2, 0, 1)))
        test = ImageSplit(inputs, labels, torch.arange(len(labels)), NORMALISATIONS["cifar10"])
        super().__init__(test, num_classes=10, input_shape=(3, 32, 32))

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        path = root / FOLDER / TEST.name
        if path.exists():
            read_published(path, TEST.sha256, NAME)
        else:
            with locked(root / f".{NAME}.lock", f"preparing {NAME}"):
                fetch(TEST, path.parent, progress)
        return path.parent
