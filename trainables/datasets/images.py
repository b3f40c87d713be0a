"""Images stored as bytes on the device, where whole batches are normalised, cropped and flipped."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.datasets.base import Dataset, Split
from trainables.errors import DataError


@dataclass(frozen=True)
class Normalisation:
    """(pixel / 255 - mean) / std per channel; both are float32 [C, 1, 1]."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, mean: tuple[float, ...], std: tuple[float, ...]) -> Normalisation:
        return cls(torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1))

    def __call__(self, images: Tensor) -> Tensor:
        """Normalises uint8 [N, C, H, W] to float32, bit-identical to torchvision's two transforms."""
        return images.float().div_(255).sub_(self.mean).div_(self.std)

    @property
    def black(self) -> Tensor:
        """The normalised value of a black pixel, float32 [C, 1, 1], used as padding."""
        return self(torch.zeros_like(self.mean, dtype=torch.uint8))

    def to(self, device: torch.device) -> Normalisation:
        return Normalisation(self.mean.to(device), self.std.to(device))


NORMALISATIONS = {
    "cifar10": Normalisation.of((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "imagenet": Normalisation.of((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""The constants that the benchmark uses, by the data set on which they were measured."""


@dataclass
class ImageSplit(Split):
    """A part whose `inputs` are uint8 [N, C, H, W]. Its batches are normalised float32 [B, C, H, W]."""

    normalisation: Normalisation

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        return self.normalisation(self.inputs[indices]), self.labels[indices]

    def to(self, device: torch.device) -> ImageSplit:
        return ImageSplit(
            self.inputs.to(device), self.labels.to(device), self.sample_ids, self.normalisation.to(device)
        )


class ImageDataset(Dataset):
    """Images of one size, all in memory; training batches are cropped and flipped at random.

    Each image is padded with `padding` black pixels on every side, cropped to its original size at a random
    offset, then flipped horizontally with probability 1/2 (He et al., CVPR 2016, section 4.2).

    Args:
        padding: Pixels; None for no augmentation.
    """

    train: ImageSplit

    def __init__(
        self,
        train: ImageSplit,
        validation: ImageSplit,
        test: ImageSplit,
        num_classes: int,
        padding: int | None = 4,
    ):
        super().__init__(train, validation, test, num_classes, tuple(train.inputs.shape[1:]))
        self.padding = padding
        self.fill = train.normalisation.black

    def augment(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Crops and flips each image at random with `generator`; the shape stays [B, C, H, W].

        The random numbers depend on the number of images, so workers that share a batch augment all of it.
        """
        if self.padding is None:
            return inputs
        return crop_and_flip(
            inputs, *drawn(len(inputs), self.padding, generator, inputs.device), self.padding, self.fill
        )

    def to(self, device: torch.device) -> ImageDataset:
        super().to(device)
        self.fill = self.fill.to(device)
        return self


def drawn(
    number: int, padding: int, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Random offsets of crops (top and left in 0..2 padding, int64 [N]) and flips (bool [N])."""
    offsets = torch.randint(0, 2 * padding + 1, (2, number), generator=generator, device=generator.device)
    flips = torch.rand(number, generator=generator, device=generator.device) < 0.5
    return offsets[0].to(device), offsets[1].to(device), flips.to(device)


def crop_and_flip(
    images: Tensor, tops: Tensor, lefts: Tensor, flips: Tensor, padding: int, fill: Tensor
) -> Tensor:
    """Pads, crops and flips all images with a single gather.

    Args:
        images: [N, C, H, W], any dtype.
        tops, lefts: Offset of each crop in the padded image, int64 [N].
        flips: Images to flip horizontally after the crop, bool [N].
        padding: Pixels of padding on every side.
        fill: Value of the padding per channel, [C, 1, 1].
    """
    number, channels, height, width = images.shape
    padded = fill.expand(number, channels, height + 2 * padding, width + 2 * padding).clone()
    padded[:, :, padding : padding + height, padding : padding + width] = images
    across = torch.arange(width, device=images.device)
    rows = tops[:, None] + torch.arange(height, device=images.device)
    columns = lefts[:, None] + torch.where(flips[:, None], width - 1 - across, across)
    pixels = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).view(number, 1, -1)
    cut = padded.view(number, channels, -1).gather(2, pixels.expand(-1, channels, -1))
    return cut.view(number, channels, height, width)


def frozen(split: ImageSplit, padding: int, seed: int) -> ImageSplit:
    """A part whose images are cropped and flipped once, permanently."""
    tops, lefts, flips = drawn(len(split), padding, torch.Generator().manual_seed(seed), split.inputs.device)
    black = torch.zeros(split.inputs.shape[1], 1, 1, dtype=split.inputs.dtype)
    cut = torch.empty_like(split.inputs)
    for part in torch.split(torch.arange(len(split)), 4096):  # One index for all pixels would be huge.
        cut[part] = crop_and_flip(split.inputs[part], tops[part], lefts[part], flips[part], padding, black)
    return dataclasses.replace(split, inputs=cut)


def of_each_class(labels: Tensor, number: int, seed: int) -> tuple[Tensor, Tensor]:
    """Positions of `number` random samples per class, and of the others; both ascending."""
    generator = np.random.RandomState(seed)  # NumPy guarantees that its stream never changes
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in torch.unique(labels).tolist():
        places = torch.nonzero(labels == label).flatten()
        chosen[places[torch.from_numpy(generator.permutation(len(places))[:number])]] = True
    return torch.nonzero(chosen).flatten(), torch.nonzero(~chosen).flatten()


def checked_labels(labels: Tensor, num_classes: int, where: object) -> Tensor:
    """Checks that all labels are classes, and returns them.

    Args:
        labels: int64 [N].
        num_classes: K.
        where: The file, for the message.

    Raises:
        DataError: A label is not in 0..K-1.
    """
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if len(wrong):
        raise DataError(f"{where} has a label {int(wrong[0])}, but its classes are 0 to {num_classes - 1}.")
    return labels
