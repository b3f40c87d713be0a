"""The batched augmentation against torchvision's, image by image."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from PIL import Image
from scipy import stats
from torch import Tensor

from trainables.datasets.images import (
    NORMALISATIONS,
    ImageDataset,
    ImageSplit,
    checked_labels,
    crop_and_flip,
    drawn,
    frozen,
    of_each_class,
)
from trainables.errors import DataError

PADDING = 4
SIDES = (12, 9)


def split_of(number: int, normalisation: str = "cifar10") -> ImageSplit:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (number, 3, *SIDES), generator=generator, dtype=torch.uint8)
    labels = torch.arange(number) % 3
    return ImageSplit(images, labels, torch.arange(number), NORMALISATIONS[normalisation])


def dataset_of(number: int) -> ImageDataset:
    split = split_of(number)
    return ImageDataset(split, split, split, num_classes=3, padding=PADDING)


def as_torchvision_does(
    torchvision: ModuleType, image: Tensor, top: int, left: int, flip: bool, normalisation: str
) -> Tensor:
    """Pad, cut, flip, scale and normalise one image, at the given offset."""
    on = torchvision.transforms.functional
    picture = on.pad(Image.fromarray(image.permute(1, 2, 0).numpy()), [PADDING])
    picture = on.crop(picture, top, left, *SIDES)
    scaled = on.to_tensor(on.hflip(picture) if flip else picture)
    constants = NORMALISATIONS[normalisation]
    normalised: Tensor = on.normalize(
        scaled, constants.mean.flatten().tolist(), constants.std.flatten().tolist()
    )
    return normalised


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_equal_offsets_and_flips_give_torchvisions_bits(torchvision: ModuleType, normalisation: str) -> None:
    choices = [(top, left, flip) for top in range(9) for left in range(9) for flip in (False, True)]
    split = split_of(len(choices), normalisation)
    tops, lefts, flips = (torch.tensor(column) for column in zip(*choices, strict=True))
    inputs, _ = split.batch(torch.arange(len(split)))
    ours = crop_and_flip(inputs, tops, lefts, flips, PADDING, split.normalisation.black)
    theirs = [
        as_torchvision_does(torchvision, image, *choice, normalisation)
        for image, choice in zip(split.inputs, choices, strict=True)
    ]
    assert torch.equal(ours, torch.stack(theirs))
    centre = as_torchvision_does(torchvision, split.inputs[0], PADDING, PADDING, False, normalisation)
    assert torch.equal(inputs[0], centre)


def test_a_batch_follows_its_draws() -> None:
    dataset = dataset_of(50)
    inputs, labels = dataset.train.batch(torch.arange(49, -1, -1))
    assert labels.tolist() == [number % 3 for number in range(49, -1, -1)]
    augmented = dataset.augment(inputs, torch.Generator().manual_seed(3))
    tops, lefts, flips = drawn(50, PADDING, torch.Generator().manual_seed(3), inputs.device)
    expected = crop_and_flip(inputs, tops, lefts, flips, PADDING, dataset.train.normalisation.black)
    assert torch.equal(augmented, expected)
    assert augmented.shape == inputs.shape
    assert augmented.is_contiguous()
    generator = torch.Generator().manual_seed(3)
    slice_, slice_labels = dataset.training_share(torch.arange(49, -1, -1), generator, slice(17, 33))
    assert torch.equal(slice_, augmented[17:33]) and torch.equal(slice_labels, labels[17:33])


def test_one_seed_gives_one_sequence_and_another_seed_another() -> None:
    dataset = dataset_of(64)
    inputs, _ = dataset.train.batch(torch.arange(64))

    def two_batches(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.stack([dataset.augment(inputs, generator) for _ in range(2)])

    assert torch.equal(two_batches(7), two_batches(7))
    assert not torch.equal(two_batches(7), two_batches(8))
    first, second = two_batches(7)
    assert not torch.equal(first, second)


def test_offsets_are_uniform_flips_are_fair_and_all_are_independent() -> None:
    tops, lefts, flips = drawn(40_000, PADDING, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert sorted(tops.unique().tolist()) == sorted(lefts.unique().tolist()) == list(range(9))
    cells = torch.bincount(tops * 18 + lefts * 2 + flips, minlength=162).double()
    # All 162 combinations equally likely: uniform, fair and independent at once.
    assert stats.chisquare(cells.numpy()).pvalue > 0.01
    # And no image's draw tells the next one's.
    following = torch.bincount(tops[:-1] * 9 + tops[1:], minlength=81).double()
    assert stats.chisquare(following.numpy()).pvalue > 0.01


def test_frozen_images_are_cropped_once_and_alike_everywhere() -> None:
    split = split_of(5000)
    once = frozen(split, PADDING, seed=1)
    assert once.inputs.dtype == torch.uint8
    tops, lefts, flips = drawn(5000, PADDING, torch.Generator().manual_seed(1), torch.device("cpu"))
    live, _ = split.batch(torch.arange(5000))
    live = crop_and_flip(live, tops, lefts, flips, PADDING, split.normalisation.black)
    assert torch.equal(once.batch(torch.arange(5000))[0], live)
    assert torch.equal(once.inputs, frozen(split, PADDING, seed=1).inputs)
    unchanged = ImageDataset(once, split, split, num_classes=3, padding=None)
    assert unchanged.augment(live, torch.Generator()) is live


def test_of_each_class_as_many_are_chosen() -> None:
    labels = torch.tensor([0, 1, 2] * 20)
    chosen, rest = of_each_class(labels, 5, seed=1)
    assert torch.bincount(labels[chosen]).tolist() == [5, 5, 5]
    assert sorted([*chosen.tolist(), *rest.tolist()]) == list(range(60))
    assert chosen.tolist() == sorted(chosen.tolist())
    assert chosen.tolist() == of_each_class(labels, 5, seed=1)[0].tolist()
    assert chosen.tolist() != of_each_class(labels, 5, seed=2)[0].tolist()


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_label_out_of_range_names_the_file(wrong: int) -> None:
    with pytest.raises(DataError, match=rf"batch_1 has a label {wrong}, but its classes are 0 to 2"):
        checked_labels(torch.tensor([0, 1, wrong]), 3, "batch_1")
