"""Tiny-ImageNet: 200 of ImageNet's classes with 64 x 64 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from trainables.datasets.archives import Archive, obtain
from trainables.datasets.decoding import decode_all
from trainables.datasets.files import Progress, RemoteFile, missing, silent
from trainables.datasets.images import NORMALISATIONS, ImageDataset, ImageSplit, frozen, of_each_class
from trainables.datasets.unpacking import Limits
from trainables.errors import DataError
from trainables.registry import register

NAME = "tiny_imagenet"
FOLDER = "tiny-imagenet-200"
ARCHIVE = RemoteFile(
    "tiny-imagenet-200.zip",
    "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    # According to several programs that download it. Others have an MD5, 90528d7ca1a48142e341f4ef8d21d0de.
    sha256="6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
    size=248_100_043,
)
LIMITS = Limits(members=125_000, size=500_000_000)
"""It has 120,609 small files and folders, with little compression."""
CLASSES = 200
TRAINING_PER_CLASS = 500
HELD_OUT_PER_CLASS = 50
VALIDATION = 10_000
SIDE = 64
PADDING = 4

SPLIT_SEED = 1
FROZEN_SEED = 1
"""The split and the frozen crops are fixed: they do not depend on a trial's seed."""


@register(
    "tiny_imagenet",
    spec={
        "input": "image",
        "image_size": 64,
        "channels": 3,
        "classes": 200,
        "samples": [90000, 10000, 10000],
    },
)
class TinyImageNet(ImageDataset):
    """110,000 labelled photographs with 64 x 64 pixels in 200 classes (Stanford CS231n, 2015).

    The paper of Mukhoti et al. (NeurIPS 2020) holds out 50 training images per class and tests on the
    official validation images. Its released code trains on all, and validates and tests on the same official
    validation images. The 50 images that the paper held out are unknown; here a fixed seed chooses them.

    Args:
        root: The folder that contains `tiny-imagenet-200`.
        split: 'held_out' (90,000 / 10,000 / 10,000) as in the paper's text, or 'released' (100,000 / 10,000 /
            the same 10,000) as in its code.
        augmentation: 'live' draws crops and flips for each batch; 'frozen' draws them once, as in the
        released
            code.

    Raises:
        DataError: Files are missing, too few, or cannot be decoded.
    """

    def __init__(
        self,
        root: Path,
        split: Literal["held_out", "released"] = "held_out",
        augmentation: Literal["live", "frozen"] = "live",
    ):
        folder = root / FOLDER
        classes = class_names(folder)
        normalisation = NORMALISATIONS["imagenet"]

        def read(files: list[Path], labels: Tensor, ids: Tensor) -> ImageSplit:
            return ImageSplit(decode_all(files, SIDE), labels, ids, normalisation)

        training = read(*training_files(folder, classes))
        official = read(*validation_files(folder, classes))
        if split == "held_out":
            chosen, rest = of_each_class(training.labels, HELD_OUT_PER_CLASS, SPLIT_SEED)
            train, validation = _part(training, rest), _part(training, chosen)
        else:
            train, validation = training, official
        if augmentation == "frozen":
            train = frozen(train, PADDING, FROZEN_SEED)
        super().__init__(
            train, validation, official, CLASSES, padding=PADDING if augmentation == "live" else None
        )
        self.held_out = split == "held_out" and augmentation == "live"

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return obtain(Archive(NAME, ARCHIVE, FOLDER, LIMITS, check), root, progress)


def check(folder: Path) -> None:
    """Raises DataError if a class or an image of the published data set is missing."""
    classes = class_names(folder)
    training_files(folder, classes)
    for path in validation_files(folder, classes)[0]:
        if not path.exists():
            raise missing(path, NAME)


def class_names(folder: Path) -> list[str]:
    """WordNet ids in alphabetical order. The label of a class is its position."""
    path = folder / "wnids.txt"
    names = sorted(set(_lines(path)))
    if len(names) != CLASSES:
        raise DataError(f"{path} names {len(names)} classes instead of {CLASSES}.")
    return names


def training_files(folder: Path, classes: list[str]) -> tuple[list[Path], Tensor, Tensor]:
    """Files of the training images, ordered by class and number, with labels and sample ids.

    Raises:
        DataError: The folder or some images of a class are missing.
    """
    files, ids = [], []
    for label, name in enumerate(classes):
        images = folder / "train" / name / "images"
        if not images.is_dir():
            raise missing(images, NAME)
        numbered = {_number(path): path for path in images.glob("*.JPEG")}
        if len(numbered) != TRAINING_PER_CLASS or not set(numbered) <= set(range(TRAINING_PER_CLASS)):
            raise DataError(
                f"{images} has {len(numbered)} of the {TRAINING_PER_CLASS} published images: delete "
                f"{folder}, then",
                NAME,
            )
        files += [numbered[number] for number in sorted(numbered)]
        ids += [label * TRAINING_PER_CLASS + number for number in sorted(numbered)]
    labels = torch.arange(len(classes)).repeat_interleave(TRAINING_PER_CLASS)
    return files, labels, torch.tensor(ids)


def validation_files(folder: Path, classes: list[str]) -> tuple[list[Path], Tensor, Tensor]:
    """Files of the official validation images, ordered by number, with labels and sample ids.

    Raises:
        DataError: The annotations are missing, incomplete, or name an unknown class.
    """
    path = folder / "val" / "val_annotations.txt"
    label_of = {name: label for label, name in enumerate(classes)}
    found: dict[int, tuple[Path, int]] = {}
    for line_number, line in enumerate(_lines(path), 1):
        name, _, rest = line.partition("\t")
        label = label_of.get(rest.partition("\t")[0])
        image = folder / "val" / "images" / name
        if label is None or _number(image) < 0:
            raise DataError(f"{path}, line {line_number}: not an image of a known class: {line[:60]!r}.")
        found[_number(image)] = (image, label)
    if len(found) != VALIDATION:
        raise DataError(
            f"{path} has {len(found)} of the {VALIDATION} published images: delete {folder}, then",
            NAME,
        )
    order = sorted(found)
    first = len(classes) * TRAINING_PER_CLASS
    return (
        [found[number][0] for number in order],
        torch.tensor([found[number][1] for number in order]),
        torch.tensor([first + number for number in order]),
    )


def _part(split: ImageSplit, chosen: Tensor) -> ImageSplit:
    return ImageSplit(
        split.inputs[chosen], split.labels[chosen], split.sample_ids[chosen], split.normalisation
    )


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        raise missing(path, NAME) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}.") from error


def _number(path: Path) -> int:
    """7 for 'n01443537_7.JPEG' and 'val_7.JPEG'; -1 for a name without a number."""
    number = path.stem.rpartition("_")[2]
    return int(number) if number.isdecimal() else -1
