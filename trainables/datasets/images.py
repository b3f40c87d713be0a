"""Images held as bytes on the device: normalised, cropped and flipped there, a whole batch at a time."""

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
    """(pixel / 255 - mean) / std, channel by channel; both are float32 [C, 1, 1]."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, mean: tuple[float, ...], std: tuple[float, ...]) -> Normalisation:
        return cls(torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1))

    def __call__(self, images: Tensor) -> Tensor:
        """float32 [N, C, H, W] of uint8 [N, C, H, W]; the same bits as torchvision's two transforms."""
        return images.float().div_(255).sub_(self.mean).div_(self.std)

    @property
    def black(self) -> Tensor:
        """What a pixel of value 0 becomes, float32 [C, 1, 1]: a crop's padding is black, not grey."""
        return self(torch.zeros_like(self.mean, dtype=torch.uint8))

    def to(self, device: torch.device) -> Normalisation:
        return Normalisation(self.mean.to(device), self.std.to(device))


NORMALISATIONS = {
    "cifar10": Normalisation.of((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "imagenet": Normalisation.of((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""The two sets of constants that the benchmark uses, by the data set that they were measured on."""


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

    Each image is padded with `padding` black pixels on every side and cut to its size again at a random
    offset, then flipped left to right with probability 1/2 (He et al., CVPR 2016, section 4.2).

    Args:
        padding: Pixels; None for a training part that is taken as it is.
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
        """Cropped and flipped, drawn for each image from `generator`; the shape stays [B, C, H, W].

        The draws depend on the number of images: workers that share a batch augment the whole of it.
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
    """Where to cut each image (top and left in 0..2 padding, int64 [N]) and whether to flip it (bool [N])."""
    offsets = torch.randint(0, 2 * padding + 1, (2, number), generator=generator, device=generator.device)
    flips = torch.rand(number, generator=generator, device=generator.device) < 0.5
    return offsets[0].to(device), offsets[1].to(device), flips.to(device)


def crop_and_flip(
    images: Tensor, tops: Tensor, lefts: Tensor, flips: Tensor, padding: int, fill: Tensor
) -> Tensor:
    """Each image padded, cut at its own offset and flipped or not, in one gather for all of them.

    Args:
        images: [N, C, H, W], of any type.
        tops, lefts: Offset of each cut in the padded image, int64 [N].
        flips: Which images to flip left to right after the cut, bool [N].
        fill: The padding's value in each channel, [C, 1, 1].
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
    """The part with every image cropped and flipped once and for all."""
    tops, lefts, flips = drawn(len(split), padding, torch.Generator().manual_seed(seed), split.inputs.device)
    black = torch.zeros(split.inputs.shape[1], 1, 1, dtype=split.inputs.dtype)
    cut = torch.empty_like(split.inputs)
    for part in torch.split(torch.arange(len(split)), 4096):  # The index of all pixels at once would be huge.
        cut[part] = crop_and_flip(split.inputs[part], tops[part], lefts[part], flips[part], padding, black)
    return dataclasses.replace(split, inputs=cut)


def of_each_class(labels: Tensor, number: int, seed: int) -> tuple[Tensor, Tensor]:
    """Positions of `number` samples of each class, chosen at random, and of the rest; both ascending."""
    generator = np.random.RandomState(seed)  # the generator whose numbers are promised never to change
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in torch.unique(labels).tolist():
        places = torch.nonzero(labels == label).flatten()
        chosen[places[torch.from_numpy(generator.permutation(len(places))[:number])]] = True
    return torch.nonzero(chosen).flatten(), torch.nonzero(~chosen).flatten()


def checked_labels(labels: Tensor, num_classes: int, where: object) -> Tensor:
    """The labels, if all are classes.

    Raises:
        DataError: A label that is none of 0..K-1. `where` names the file.
    """
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if len(wrong):
        raise DataError(f"{where} has a label {int(wrong[0])}, but its classes are 0 to {num_classes - 1}.")
    return labels
