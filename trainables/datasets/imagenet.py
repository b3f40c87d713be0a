"""ImageNet from a local copy, since its licence forbids redistribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from scipy.io import loadmat
from torch import Tensor

from trainables.datasets.base import Dataset, Split
from trainables.datasets.decoding import decode, in_threads, pixels
from trainables.datasets.files import Progress, silent
from trainables.datasets.images import NORMALISATIONS, Normalisation, of_each_class
from trainables.errors import DataError
from trainables.registry import register

FOLDER = "imagenet"
DEVKIT = "ILSVRC2012_devkit_t12"
CLASSES = 1000
TRAINING = 1_281_167
OFFICIAL_VALIDATION = 50_000
VALIDATION_PER_CLASS = 25
SIDE = 224
SHORTER_SIDE = 256
"""Length of the shorter side of evaluation images before the centre crop."""

SPLIT_SEED = 1
"""The split is fixed: it does not depend on a trial's seed."""

CROP_AREA = (0.08, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)
CROP_ATTEMPTS = 10

BY_HAND = (
    "ImageNet needs a manual download: get ILSVRC2012 from image-net.org and unpack it to "
    "{folder}/train/<wnid>/*.JPEG and {folder}/val/<wnid>/*.JPEG (or val/*.JPEG and " + DEVKIT + "/)."
)


@dataclass
class FileSplit(Split):
    """A part that is decoded batch by batch in threads. `inputs` are positions in `files`, int64 [N]."""

    files: list[Path]
    normalisation: Normalisation

    def to(self, device: torch.device) -> FileSplit:
        normalisation = self.normalisation.to(device)
        return type(self)(self.inputs, self.labels.to(device), self.sample_ids, self.files, normalisation)

    def content(self) -> list[Tensor]:
        # Names and sizes reveal truncated and exchanged files without reading 150 GB.
        listing = "\n".join(
            f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in self._chosen()
        )
        return [
            torch.frombuffer(bytearray(listing.encode()), dtype=torch.uint8),
            self.labels,
            self.sample_ids,
        ]

    def _chosen(self, indices: Tensor | None = None) -> list[Path]:
        places = self.inputs if indices is None else self.inputs[indices.cpu()]
        return [self.files[place] for place in places.tolist()]


@dataclass
class TrainingFiles(FileSplit):
    """Its batches are lists of decoded images in their original sizes, which `ImageNet.augment` crops."""

    def batch(self, indices: Tensor) -> tuple[list[Image.Image], Tensor]:
        return in_threads(decode, self._chosen(indices)), self.labels[indices]


@dataclass
class EvaluationFiles(FileSplit):
    """Its batches are the normalised centre crops of the images, float32 [B, 3, 224, 224]."""

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        middles = torch.stack(in_threads(_middle, self._chosen(indices)))
        return self.normalisation(middles.to(self.labels.device)), self.labels[indices]


@register(
    "imagenet",
    spec={
        "input": "image",
        "image_size": 224,
        "channels": 3,
        "classes": 1000,
        "samples": [1281167, 25000, 25000],
    },
)
class ImageNet(Dataset):
    """1,281,167 / 25,000 / 25,000 photographs in 1,000 classes (ILSVRC 2012, Russakovsky et al., IJCV 2015).

    The official validation images are halved at random into validation and test part, 25 per class each, as
    in Guo et al. (ICML 2017). Training uses random crops of 8% to 100% of the area, and flips. Evaluation
    uses the central 224 of 256 pixels. Images are decoded on demand without reading ahead, so with few CPU
    cores per GPU the GPU waits.

    Args:
        root: The folder that contains `imagenet/train/<wnid>/*.JPEG` and either
            `imagenet/val/<wnid>/*.JPEG` or `imagenet/val/*.JPEG` with `imagenet/ILSVRC2012_devkit_t12`.

    Raises:
        DataError: Class folders or files are missing.
    """

    train: TrainingFiles
    held_out = False

    def __init__(self, root: Path):
        folder = root / FOLDER
        classes = _class_names(folder)
        training, labels = _in_class_folders(folder / "train", classes, TRAINING)
        official, official_labels = _official_validation(folder, classes)
        everything = torch.arange(len(training))
        normalisation = NORMALISATIONS["imagenet"]
        validation, test = (
            EvaluationFiles(places, official_labels[places], len(training) + places, official, normalisation)
            for places in of_each_class(official_labels, VALIDATION_PER_CLASS, SPLIT_SEED)
        )
        train = TrainingFiles(everything, labels, everything, training, normalisation)
        super().__init__(train, validation, test, CLASSES, (3, SIDE, SIDE))

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        cls(root)
        return root / FOLDER

    def augment(self, inputs: list[Image.Image], generator: torch.Generator) -> Tensor:
        """A random crop of each image, flipped at random, normalised: float32 [B, 3, 224, 224]."""
        return self._cut_out(inputs, _draws(len(inputs), generator))

    def training_share(
        self, indices: Tensor, generator: torch.Generator, share: slice
    ) -> tuple[Tensor, Tensor]:
        # Draw random numbers for the whole batch, but decode only the slice.
        draws = _draws(len(indices), generator)
        images, labels = self.train.batch(indices[share])
        return self._cut_out(images, draws[share]), labels

    def _cut_out(self, inputs: list[Image.Image], uniform: list[list[float]]) -> Tensor:
        def cut(number: int) -> Tensor:
            *draws, flip = uniform[number]
            box = crop_box(*inputs[number].size, draws)
            image = inputs[number].crop(box).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            return pixels(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip < 0.5 else image)

        images = torch.stack(in_threads(cut, range(len(inputs))))
        return self.train.normalisation(images.to(self.train.labels.device))


def _draws(number: int, generator: torch.Generator) -> list[list[float]]:
    """The same number of draws for each image, the most that any needs, so that images are independent."""
    draws = torch.rand(number, 4 * CROP_ATTEMPTS + 1, generator=generator, device=generator.device)
    uniform: list[list[float]] = draws.tolist()
    return uniform


def crop_box(width: int, height: int, draws: list[float]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a random crop (Szegedy et al., CVPR 2015, section 6).

    Args:
        draws: Four numbers in [0, 1) per attempt: area, aspect ratio, left, top.
    """
    shapes = math.log(CROP_RATIO[0]), math.log(CROP_RATIO[1])
    for attempt in range(0, len(draws), 4):
        area, shape, across, down = draws[attempt : attempt + 4]
        target = width * height * (CROP_AREA[0] + area * (CROP_AREA[1] - CROP_AREA[0]))
        ratio = math.exp(shapes[0] + shape * (shapes[1] - shapes[0]))
        wide, high = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(across * (width - wide + 1)), int(down * (height - high + 1))
            return left, top, left + wide, top + high
    # No attempt fits into a very long image. Use the largest centre crop with a permitted aspect ratio.
    wide, high = min(width, round(height * CROP_RATIO[1])), min(height, round(width / CROP_RATIO[0]))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def _middle(path: Path) -> Tensor:
    """The centre crop uint8 [3, 224, 224] of the image, whose shorter side is first scaled to 256 pixels."""
    image = decode(path)
    width, height = image.size
    if width <= height:
        size = SHORTER_SIDE, int(SHORTER_SIDE * height / width)
    else:
        size = int(SHORTER_SIDE * width / height), SHORTER_SIDE
    left, top = round((size[0] - SIDE) / 2), round((size[1] - SIDE) / 2)
    shrunk = image.resize(size, Image.Resampling.BILINEAR)
    return pixels(shrunk.crop((left, top, left + SIDE, top + SIDE)))


def _class_names(folder: Path) -> list[str]:
    """WordNet ids in alphabetical order. The label of a class is its position."""
    train = folder / "train"
    if not train.is_dir():
        raise DataError(f"{train} is missing. {BY_HAND.format(folder=folder)}")
    names = sorted(path.name for path in train.iterdir() if path.is_dir())
    if len(names) != CLASSES:
        raise DataError(f"{train} has {len(names)} class folders instead of {CLASSES}.")
    return names


def _in_class_folders(folder: Path, classes: list[str], expected: int) -> tuple[list[Path], Tensor]:
    files, labels = [], []
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():
            raise DataError(f"{folder / name} is missing: the copy of ImageNet is incomplete.")
        images = sorted((folder / name).glob("*.JPEG"))
        files += images
        labels += [label] * len(images)
    return _complete(folder, files, expected), torch.tensor(labels)


def _official_validation(folder: Path, classes: list[str]) -> tuple[list[Path], Tensor]:
    """Files ordered by name, which is the published order in both layouts."""
    flat = sorted((folder / "val").glob("*.JPEG"))
    if not flat:
        files, labels = _in_class_folders(folder / "val", classes, OFFICIAL_VALIDATION)
        order = sorted(range(len(files)), key=lambda place: files[place].name)
        return [files[place] for place in order], labels[torch.tensor(order)]
    return _complete(folder / "val", flat, OFFICIAL_VALIDATION), _devkit_labels(folder / DEVKIT, classes)


def _complete(folder: Path, files: list[Path], expected: int) -> list[Path]:
    if len(files) != expected:
        raise DataError(
            f"{folder} has {len(files)} images instead of {expected}: unpack the published archive again."
        )
    return files


def _devkit_labels(devkit: Path, classes: list[str]) -> Tensor:
    """Labels of the official validation images, in order, from the development kit.

    Raises:
        DataError: The kit is missing, damaged, or names an unknown class.
    """
    truth, meta = devkit / "data" / "ILSVRC2012_validation_ground_truth.txt", devkit / "data" / "meta.mat"
    for path in (truth, meta):
        if not path.exists():
            raise DataError(
                f"{path} is missing: unpack the development kit there, or sort val into class folders."
            )
    try:
        # A synset is (number, wnid, words, gloss, number of children, ...). Those without children are
        # classes.
        synsets = loadmat(meta, squeeze_me=True)["synsets"]
        wnid = {int(synset[0]): str(synset[1]) for synset in synsets if int(synset[4]) == 0}
        numbers = [int(line) for line in truth.read_text().split()]
    except Exception as error:
        # A damaged file can raise any exception. The file is at fault.
        raise DataError(f"{devkit} is damaged: {error}.") from error
    label_of = {name: label for label, name in enumerate(classes)}
    if len(numbers) != OFFICIAL_VALIDATION:
        raise DataError(f"{truth} has {len(numbers)} labels instead of {OFFICIAL_VALIDATION}.")
    if unknown := {number for number in numbers if wnid.get(number) not in label_of}:
        raise DataError(
            f"{truth} has a label {min(unknown)}, which is not a class of {devkit.parent / 'train'}."
        )
    return torch.tensor([label_of[wnid[number]] for number in numbers])
