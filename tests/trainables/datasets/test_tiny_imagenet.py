"""Tiny-ImageNet: both splits, both augmentations, the real files as far as they are there, and bad ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainables import datasets
from trainables.datasets import tiny_imagenet
from trainables.datasets.images import ImageDataset
from trainables.errors import DataError

NAMES = ["n03", "n01", "n02"]
PER_CLASS, HELD_OUT, VALIDATION = 6, 2, 9


def write(path: Path, colour: int, mode: str = "RGB", size: tuple[int, int] = (64, 64)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixel = colour if mode == "L" else (colour, 100, 200)
    Image.new(mode, size, pixel).save(path, format="JPEG", quality=95)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classes in the published layout; training images of class k, number n have red 60 k + 5 n."""
    for name, value in {
        "CLASSES": 3,
        "TRAINING_PER_CLASS": PER_CLASS,
        "HELD_OUT_PER_CLASS": HELD_OUT,
        "VALIDATION": VALIDATION,
    }.items():
        monkeypatch.setattr(tiny_imagenet, name, value)
    folder = tmp_path / tiny_imagenet.FOLDER
    for label, name in enumerate(sorted(NAMES)):
        for number in range(PER_CLASS):
            write(folder / "train" / name / "images" / f"{name}_{number}.JPEG", 60 * label + 5 * number)
    lines = []
    for number in range(VALIDATION):
        write(folder / "val" / "images" / f"val_{number}.JPEG", 20 * number, "L" if number == 4 else "RGB")
        lines.append(f"val_{number}.JPEG\t{NAMES[number % 3]}\t0\t0\t10\t10\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(reversed(lines)))
    (folder / "wnids.txt").write_text("\n".join(NAMES) + "\n")
    return folder


def load(folder: Path, **params: str) -> ImageDataset:
    dataset = datasets.load("tiny_imagenet", folder.parent, **params)
    assert isinstance(dataset, ImageDataset)
    return dataset


def test_some_of_each_class_are_held_out(small: Path) -> None:
    dataset = load(small)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [12, 6, 9]
    assert torch.bincount(dataset.validation.labels).tolist() == [HELD_OUT] * 3
    ids = [*dataset.train.sample_ids.tolist(), *dataset.validation.sample_ids.tolist()]
    assert sorted(ids) == list(range(18))
    for part in (dataset.train, dataset.validation):
        for image, label, sample_id in zip(part.inputs, part.labels, part.sample_ids, strict=True):
            assert label == sample_id // PER_CLASS
            red = 60 * int(label) + 5 * (int(sample_id) % PER_CLASS)
            assert abs(image[0].float().mean() - red) < 2
    # Labels follow the alphabet, not the order of wnids.txt; grey images have three equal channels.
    assert dataset.test.labels.tolist() == [sorted(NAMES).index(NAMES[n % 3]) for n in range(VALIDATION)]
    assert dataset.test.sample_ids.tolist() == list(range(18, 27))
    assert torch.equal(dataset.test.inputs[4, 0], dataset.test.inputs[4, 2])


def test_as_released_all_is_trained_on_and_the_test_images_validate(small: Path) -> None:
    dataset = load(small, split="released")
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [18, 9, 9]
    assert torch.equal(dataset.validation.inputs, dataset.test.inputs)
    assert torch.equal(dataset.test.inputs, load(small).test.inputs)


def test_frozen_augmentation_is_in_the_images(small: Path) -> None:
    live, frozen = load(small), load(small, augmentation="frozen")
    everything = torch.arange(12)
    inputs, _ = frozen.train.batch(everything)
    assert frozen.augment(inputs, torch.Generator()) is inputs
    assert not torch.equal(frozen.train.inputs, live.train.inputs)
    assert torch.equal(frozen.train.inputs, load(small, augmentation="frozen").train.inputs)
    assert torch.equal(frozen.validation.inputs, live.validation.inputs)
    live_inputs, _ = live.train.batch(everything)
    assert not torch.equal(live.augment(live_inputs, torch.Generator().manual_seed(0)), live_inputs)


def truncate(folder: Path) -> None:
    path = folder / "train" / "n02" / "images" / "n02_3.JPEG"
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:2000])


def unknown_class(folder: Path) -> None:
    (folder / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn09\t0\t0\t1\t1\n")


def remove(*parts: str) -> Callable[[Path], None]:
    def of(folder: Path) -> None:
        path = folder.joinpath(*parts)
        path.unlink() if path.is_file() else path.rename(folder / "elsewhere")

    return of


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (truncate, r"n02_3\.JPEG cannot be decoded"),
        (
            lambda f: (f / "val" / "images" / "val_2.JPEG").write_text("no image"),
            r"val_2\.JPEG cannot be dec",
        ),
        (lambda f: write(f / "val" / "images" / "val_2.JPEG", 0, size=(64, 32)), "64 x 32 pixels instead of"),
        (remove("val", "images", "val_5.JPEG"), r"val_5\.JPEG is missing"),
        (remove("train", "n02"), "train/n02/images is missing: .*: calibsweep data prepare tiny_imagenet"),
        (remove("train", "n02", "images", "n02_0.JPEG"), "n02/images has 5 of the 6 published images"),
        (remove("wnids.txt"), r"wnids\.txt is missing"),
        (lambda f: (f / "wnids.txt").write_text("n01\nn02\n"), r"wnids\.txt names 2 classes instead of 3"),
        (unknown_class, r"val_annotations\.txt, line 1: not an image of a known class"),
        (lambda f: (f / "val" / "val_annotations.txt").write_text(""), "has 0 of the 9 published images"),
    ],
    ids=["cut", "no image", "size", "image", "class", "one less", "wnids", "fewer", "unknown class", "empty"],
)
def test_bad_files_are_named_in_one_line(small: Path, harm: Callable[[Path], None], message: str) -> None:
    harm(small)
    with pytest.raises(DataError, match=message) as caught:
        load(small)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_real_files(real: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = real("tiny-imagenet")
    with pytest.raises(DataError, match="n01443537/images has 25 of the 500 published images"):
        datasets.load("tiny_imagenet", root)
    with pytest.raises(DataError, match="25 of the 500"):
        tiny_imagenet.check(root / tiny_imagenet.FOLDER)
    monkeypatch.setattr(tiny_imagenet, "TRAINING_PER_CLASS", 25)
    monkeypatch.setattr(tiny_imagenet, "HELD_OUT_PER_CLASS", 5)
    tiny_imagenet.check(root / tiny_imagenet.FOLDER)
    dataset = load(root / tiny_imagenet.FOLDER)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [4000, 1000, 10_000]
    assert torch.bincount(dataset.test.labels).tolist() == [50] * 200
    assert torch.bincount(dataset.validation.labels).tolist() == [5] * 200
    inputs, _ = dataset.test.batch(torch.arange(1000))
    assert inputs.shape == (1000, 3, 64, 64)
    assert inputs.mean().abs() < 0.3
    assert 0.8 < inputs.std() < 1.4
