"""A user's own pictures, in a folder per class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainables.content import files_in
from trainables.datasets.decoding import decode, in_threads
from trainables.datasets.images import ImageDataset, ImageSplit, Normalisation
from trainables.datasets.parts import (
    NAMES,
    PARTS,
    TEST,
    TRAIN,
    VALIDATION,
    check_shares,
    classes_of,
    completed,
    part_of,
)
from trainables.errors import ConfigurationError, DataError
from trainables.registry import register

LEAST_SIZE, GREATEST_SIZE = 4, 1024
LEAST_DEVIATION = 1 / 255
"""Of a channel: pictures without any contrast are not divided by zero."""
CHUNK = 64
ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Those that torchvision reads."""


@register(
    "image_folder",
    spec={
        "input": "image",
        "channels": 3,
        "size_from": "size",
        "content": "path",
        # Equal to ENDINGS: a mark has only literals.
        "endings": [".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"],
    },
)
class ImageFolder(ImageDataset):
    """Your own pictures: a folder per class, with or without `train`, `validation` and `test` above them.

    Samples and labels are those of torchvision's ImageFolder, and pixels those of its `Resize` and
    `CenterCrop`, as a test verifies: the shorter side is scaled to `size`, and the centre is cut out.
    torchvision itself is not needed. The pictures of a class may be in further folders. Grey ones become
    RGB. All are normalised by mean and standard deviation of the training part. A missing validation or
    test part is drawn from the training part, by class.

    Args:
        root: Unused: the pictures are in `path`.
        path: The folder. A trial's identity has a digest of its pictures instead.
        size: Side length in pixels.
        padding: Black pixels around a training picture before it is cropped and flipped at random; null for
            no augmentation.
        validation: Fraction of each class in the validation part, if there is no such folder.
        test: Fraction of each class in the test part, if there is no such folder.
        split_seed: Chooses the samples of these parts.

    Raises:
        ConfigurationError: A size or fraction is impossible.
        DataError: A picture is damaged, a class is empty or has too few pictures, or classes of parts differ.
    """

    def __init__(
        self,
        root: Path,
        path: str,
        size: int = 64,
        padding: int | None = 4,
        validation: float = 0.1,
        test: float = 0.2,
        split_seed: int = 1,
    ):
        if not LEAST_SIZE <= size <= GREATEST_SIZE:
            raise ConfigurationError(
                f"image_folder: size must lie from {LEAST_SIZE} to {GREATEST_SIZE} pixels, not {size}."
            )
        if padding is not None and not 0 <= padding <= size:
            raise ConfigurationError(
                f"image_folder: padding must lie from 0 to {size} pixels, not {padding}."
            )
        check_shares(validation, test)
        pictures = found(Path(path))
        labels = {part: np.array([label for _, label in of]) for part, of in pictures.parts.items()}
        shares = {VALIDATION: validation, TEST: test}
        divided = completed(labels, shares, split_seed, pictures.classes, pictures.folder)
        first = dict(zip(labels, np.cumsum([0, *map(len, labels.values())]), strict=False))
        read = {part: _read([picture for picture, _ in of], size) for part, of in pictures.parts.items()}
        images = {part: read[source][torch.from_numpy(at)] for part, (source, at) in divided.items()}
        normalisation = normalisation_of(images[TRAIN])

        def split(part: str) -> ImageSplit:
            source, at = divided[part]
            classes, ids = torch.from_numpy(labels[source][at]), torch.from_numpy(first[source] + at)
            return ImageSplit(images[part], classes, ids, normalisation)

        train, valid, tested = map(split, PARTS)
        super().__init__(train, valid, tested, len(pictures.classes), padding)
        self.held_out = VALIDATION not in labels


@dataclass(frozen=True)
class Pictures:
    """Attributes:
    classes: Their names, in alphabetical order: the label of a class is its position.
    parts: Files and labels of each part that has a folder, by class and name; `train` is always there.
    """

    folder: Path
    classes: list[str]
    parts: dict[str, list[tuple[Path, int]]]


def found(folder: Path) -> Pictures:
    """Lists the pictures of a folder, without reading them.

    Raises:
        DataError: The folder cannot be read, a class is empty, or the classes of parts differ.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: expected a folder with a folder per class.")
    inside = _folders(folder)
    # A class may be called `train` too: then it has pictures instead of folders.
    by_part = any(name.lower() in NAMES for name in inside) and any(
        _folders(folder / name) for name in inside
    )
    divided = part_of(inside, folder) if by_part else {}
    places = {part: folder / name for name, part in divided.items()} or {TRAIN: folder}
    names = {part: set(_folders(place)) for part, place in places.items()}
    if not names[TRAIN]:
        raise DataError(f"{places[TRAIN]} has no folders: expected one per class.")
    classes = classes_of(names, folder)
    numbers = {name: number for number, name in enumerate(classes)}
    parts: dict[str, list[tuple[Path, int]]] = {}
    for part in (part for part in PARTS if part in places):
        parts[part] = [
            (places[part] / name / file, label)
            for name, label in numbers.items()
            for file in files_in(places[part] / name, ENDINGS)
        ]
    return Pictures(folder, classes, parts)


def normalisation_of(images: Tensor) -> Normalisation:
    """Mean and standard deviation of each channel of uint8 [N, C, H, W], over 255."""
    channels = images.shape[1]
    # Counts of values are exact, so the result does not depend on the order of a sum.
    counts = torch.stack(
        [torch.bincount(images[:, c].flatten().long(), minlength=256) for c in range(channels)]
    )
    values, total = torch.arange(256, dtype=torch.float64) / 255, counts.sum(dim=1)
    mean = (counts * values).sum(dim=1) / total
    deviation = (
        ((counts * (values - mean[:, None]) ** 2).sum(dim=1) / total).sqrt().clamp_min(LEAST_DEVIATION)
    )
    return Normalisation.of(tuple(mean.tolist()), tuple(deviation.tolist()))


def cut(image: Image.Image, size: int) -> np.ndarray:
    """The centre of a picture whose shorter side is scaled to `size`, uint8 [3, size, size]."""
    width, height = image.size
    if (width, height) != (size, size):
        shorter = min(width, height)
        width, height = int(size * width / shorter), int(size * height / shorter)
        left, top = round((width - size) / 2), round((height - size) / 2)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        image = image.crop((left, top, left + size, top + size))
    return np.asarray(image).transpose(2, 0, 1)


def picture(path: Path) -> Image.Image:
    """Reads a picture as RGB. Raises DataError if it is damaged."""
    try:
        return decode(path)
    except DataError as error:
        raise DataError(f"{path} is not a readable picture: replace or remove it.") from error


def _read(paths: list[Path], size: int) -> Tensor:
    """The pictures, uint8 [N, 3, size, size]."""
    images = np.empty((len(paths), 3, size, size), dtype=np.uint8)

    def fill(numbers: range) -> None:
        for number in numbers:
            images[number] = cut(picture(paths[number]), size)

    in_threads(fill, [range(len(paths))[start : start + CHUNK] for start in range(0, len(paths), CHUNK)])
    return torch.from_numpy(images)


def _folders(folder: Path) -> list[str]:
    try:
        return sorted(
            each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")
        )
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}.") from error
