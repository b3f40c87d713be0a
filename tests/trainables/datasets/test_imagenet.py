"""ImageNet from class folders: both layouts, cut-outs like torchvision's, and copies with holes."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from trainables import datasets
from trainables.datasets import imagenet
from trainables.datasets.images import NORMALISATIONS
from trainables.errors import DataError

CLASSES = ["n01", "n02", "n03"]
SIZES = [(300, 260), (256, 400), (500, 375), (90, 120)]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classes, four training and four validation images each, in class folders."""
    for name, value in {
        "CLASSES": 3,
        "TRAINING": 12,
        "OFFICIAL_VALIDATION": 12,
        "VALIDATION_PER_CLASS": 2,
    }.items():
        monkeypatch.setattr(imagenet, name, value)
    generator = np.random.default_rng(0)
    for number in range(12):
        wnid = CLASSES[number % 3]
        for path in (
            tmp_path / "imagenet" / "train" / wnid / f"{wnid}_{number}.JPEG",
            tmp_path / "imagenet" / "val" / wnid / f"ILSVRC2012_val_{number + 1:08d}.JPEG",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            width, height = SIZES[number % 4]
            noise = generator.integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((width, height)).save(path, format="JPEG")
    return tmp_path


def flatten(root: Path) -> None:
    """Makes it the layout of the published archive, with its development kit."""
    folder = root / "imagenet"
    labels = {}
    for path in sorted((folder / "val").rglob("*.JPEG")):
        labels[path.name] = CLASSES.index(path.parent.name)
        path.rename(folder / "val" / path.name)
    # Class numbers in the kit are its own, and synsets with children are no classes.
    numbers = {"n02": 1, "n03": 2, "n01": 3, "n99": 4}
    columns = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    rows = [(n, wnid, "w", "g", 3 if wnid == "n99" else 0) for wnid, n in numbers.items()]
    data = folder / imagenet.DEVKIT / "data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": np.array(rows, dtype=columns)})
    truth = [str(numbers[CLASSES[labels[name]]]) for name in sorted(labels)]
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("\n".join(truth) + "\n")


def test_both_layouts_are_the_same_data(root: Path) -> None:
    sorted_in_folders = datasets.load("imagenet", root)
    assert [len(p) for p in (sorted_in_folders.train, sorted_in_folders.validation)] == [12, 6]
    assert torch.bincount(sorted_in_folders.validation.labels).tolist() == [2, 2, 2]
    ids = [*sorted_in_folders.validation.sample_ids.tolist(), *sorted_in_folders.test.sample_ids.tolist()]
    assert sorted(ids) == list(range(12, 24))
    flatten(root)
    flat = datasets.load("imagenet", root)
    for part in ("validation", "test"):
        ours, theirs = getattr(flat, part), getattr(sorted_in_folders, part)
        assert torch.equal(ours.labels, theirs.labels)
        assert torch.equal(ours.sample_ids, theirs.sample_ids)
        assert [path.name for path in ours._chosen()] == [path.name for path in theirs._chosen()]


def test_evaluation_batches_are_torchvisions(root: Path, torchvision: ModuleType) -> None:
    dataset = datasets.load("imagenet", root)
    transforms = torchvision.transforms
    theirs = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    assert isinstance(dataset.test, imagenet.EvaluationFiles)
    inputs, labels = dataset.test.batch(torch.tensor([4, 0, 2]))
    expected = [theirs(Image.open(path).convert("RGB")) for path in dataset.test._chosen()]
    assert torch.equal(inputs, torch.stack(expected)[[4, 0, 2]])
    assert torch.equal(labels, dataset.test.labels[[4, 0, 2]])


def test_training_batches_are_cut_out_at_random(root: Path) -> None:
    dataset = datasets.load("imagenet", root)
    images, labels = dataset.train.batch(torch.arange(12))

    def batch(seed: int) -> torch.Tensor:
        return dataset.augment(images, torch.Generator().manual_seed(seed))

    assert batch(0).shape == (12, 3, 224, 224)
    assert torch.equal(batch(0), batch(0))
    assert not torch.equal(batch(0), batch(1))
    # Every pixel is one that a normalised image can have.
    lowest, highest = (NORMALISATIONS["imagenet"](torch.full((3, 1, 1), v)) for v in (0, 255))
    assert bool(((batch(0) >= lowest) & (batch(0) <= highest)).all())
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    # One of several workers decodes its slice alone, and cuts it as the whole batch is cut.
    generator = torch.Generator().manual_seed(0)
    slice_, slice_labels = dataset.training_share(torch.arange(12), generator, slice(5, 9))
    assert torch.equal(slice_, batch(0)[5:9]) and torch.equal(slice_labels, labels[5:9])


def test_cut_outs_have_the_published_areas_and_ratios() -> None:
    draws = torch.rand(2000, 40, generator=torch.Generator().manual_seed(0)).tolist()
    boxes = [imagenet.crop_box(500, 500, row) for row in draws]
    assert all(0 <= le < r <= 500 and 0 <= t < b <= 500 for le, t, r, b in boxes)
    areas = np.array([(r - le) * (b - t) / 500**2 for le, t, r, b in boxes])
    ratios = np.array([math.log((r - le) / (b - t)) for le, t, r, b in boxes])
    assert areas.min() > 0.078
    assert areas.max() > 0.9
    assert np.abs(ratios).max() < math.log(4 / 3) + 0.02
    assert abs(ratios.mean()) < 0.02
    # A strip that no attempt fits into: the largest piece of an allowed ratio, from its middle.
    assert imagenet.crop_box(1000, 30, draws[0]) == (480, 0, 520, 30)


def test_a_copy_with_holes_is_refused_in_one_line(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manual download: get ILSVRC2012") as caught:
        datasets.load("imagenet", tmp_path / "nowhere")
    assert "\n" not in str(caught.value)
    (root / "imagenet" / "val" / "n02").rename(root / "imagenet" / "n02")
    with pytest.raises(DataError, match="val/n02 is missing"):
        datasets.load("imagenet", root)
    (root / "imagenet" / "n02").rename(root / "imagenet" / "val" / "n02")
    broken = root / "imagenet" / "train" / "n01" / "n01_0.JPEG"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    dataset = datasets.load("imagenet", root)
    with pytest.raises(DataError, match=r"n01_0\.JPEG cannot be decoded"):
        dataset.train.batch(torch.arange(12))
    broken.unlink()
    with pytest.raises(DataError, match="train has 11 images instead of 12"):
        datasets.load("imagenet", root)


def test_a_flat_copy_needs_its_development_kit(root: Path) -> None:
    flatten(root)
    truth = root / "imagenet" / imagenet.DEVKIT / "data" / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text(truth.read_text().replace("3", "4"))
    with pytest.raises(DataError, match=r"ground_truth\.txt has a label 4, which is not a class"):
        datasets.load("imagenet", root)
    truth.unlink()
    with pytest.raises(DataError, match=r"ground_truth\.txt is missing: unpack the development kit"):
        datasets.load("imagenet", root)
