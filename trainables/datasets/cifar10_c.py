"""CIFAR-10-C: CIFAR-10's test images with nineteen corruptions, for evaluation under distribution shift."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, get_type_hints

import numpy as np
import torch

from trainables.datasets.archives import Archive, obtain
from trainables.datasets.base import EvaluationDataset
from trainables.datasets.files import Progress, RemoteFile, missing, silent
from trainables.datasets.images import NORMALISATIONS, ImageSplit, checked_labels
from trainables.datasets.unpacking import Limits
from trainables.errors import DataError
from trainables.registry import register

NAME = "cifar10_c"
FOLDER = "CIFAR-10-C"
ARCHIVE = RemoteFile(
    "CIFAR-10-C.tar",
    "https://zenodo.org/records/2535967/files/CIFAR-10-C.tar?download=1",
    # According to TensorFlow Datasets. Zenodo gives an MD5, 56bf5dcef84df0e2308c6dcbcbbd8499.
    sha256="c72763e101c723b7c507b96205f7e938912a5d587376173b825850cf3cb876a7",
    size=2_918_471_680,
)
LIMITS = Limits(members=30, size=2_918_471_680)
"""The archive is not compressed."""
SEVERITIES = (1, 2, 3, 4, 5)
IMAGES_PER_SEVERITY = 10_000


@register(
    "cifar10_c",
    spec={
        "input": "image",
        "image_size": 32,
        "channels": 3,
        "samples": [0, 0, 10000],
        "has_training_part": False,
        "classes_of": "cifar10",
    },
)
class Cifar10C(EvaluationDataset):
    """CIFAR-10's 10,000 test images with one corruption and severity (Hendrycks and Dietterich, ICLR 2019).

    Args:
        root: The folder that contains `CIFAR-10-C`.
        corruption: Fifteen form the published benchmark. gaussian_blur, saturate, spatter and speckle_noise
            are its additional ones.
        severity: 1 (slight) to 5.

    Raises:
        DataError: Files are missing or not in the published form.
    """

    def __init__(
        self,
        root: Path,
        corruption: Literal[
            "brightness",
            "contrast",
            "defocus_blur",
            "elastic_transform",
            "fog",
            "frost",
            "gaussian_blur",
            "gaussian_noise",
            "glass_blur",
            "impulse_noise",
            "jpeg_compression",
            "motion_blur",
            "pixelate",
            "saturate",
            "shot_noise",
            "snow",
            "spatter",
            "speckle_noise",
            "zoom_blur",
        ],
        severity: Literal[1, 2, 3, 4, 5],
    ):
        folder = root / FOLDER
        images = _array(folder / f"{corruption}.npy", (32, 32, 3))
        labels = _array(folder / "labels.npy", ())
        # Each file contains the five severities in sequence.
        ids = np.arange((severity - 1) * IMAGES_PER_SEVERITY, severity * IMAGES_PER_SEVERITY)
        inputs = torch.from_numpy(np.ascontiguousarray(images[ids].transpose(0, 3, 1, 2)))
        targets = torch.from_numpy(labels[ids].astype(np.int64))
        checked_labels(targets, 10, folder / "labels.npy")
        test = ImageSplit(inputs, targets, torch.from_numpy(ids), NORMALISATIONS["cifar10"])
        super().__init__(test, num_classes=10, input_shape=(3, 32, 32))

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return obtain(Archive(NAME, ARCHIVE, FOLDER, LIMITS, check), root, progress)


CORRUPTIONS: tuple[str, ...] = get_args(get_type_hints(Cifar10C.__init__)["corruption"])
"""All nineteen corruptions. The signature lists them literally, because the registry parses it."""


def check(folder: Path) -> None:
    """Raises DataError if a file is missing or not in the published form."""
    _array(folder / "labels.npy", ())
    for corruption in CORRUPTIONS:
        _array(folder / f"{corruption}.npy", (32, 32, 3))


def _array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Maps the array of a file into memory, since one severity needs only a fifth of its 150 MB."""
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise missing(path, NAME) from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged: {error}.") from error
    expected = (len(SEVERITIES) * IMAGES_PER_SEVERITY, *shape)
    if array.shape != expected or array.dtype.kind not in "ui" or (shape and array.dtype != np.uint8):
        raise DataError(f"{path} has {array.dtype} {list(array.shape)}, not integers {list(expected)}.")
    return array
