"""A folder of pictures: read like torchvision does, divided by class, the same at any place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainables import datasets
from trainables.catalogue import DATASETS
from trainables.datasets.image_folder import ENDINGS
from trainables.datasets.images import ImageDataset
from trainables.errors import ConfigurationError, DataError
from trainables.resolve import resolve

COUNTS = {"b10": 11, "B2": 23, "a": 7}
SIZE = 8


def fill(
    folder: Path, counts: dict[str, int] = COUNTS, shape: tuple[int, int] = (13, 10), seed: int = 0
) -> Path:
    drawn = np.random.RandomState(seed)
    for name, number in counts.items():
        (folder / name / "more").mkdir(parents=True)
        for i in range(number):
            pixels = drawn.randint(0, 255, (*shape, 3), dtype=np.uint8)
            place = folder / name / ("more" if i % 3 == 0 else "") / f"{i}.PNG"
            Image.fromarray(pixels[..., 0] if i == 1 else pixels).save(place)
    return folder


def load(folder: Path, **params: Any) -> ImageDataset:
    loaded = datasets.load("image_folder", path=str(folder), **{"size": SIZE, **params})
    assert isinstance(loaded, ImageDataset)
    return loaded


def key(folder: Path | str, **params: Any) -> str:
    return resolve(("image_folder", {"path": str(folder), **params}), "small_cnn", "brier", 0).key


def test_samples_and_pixels_are_those_of_torchvision(tmp_path: Path, torchvision: ModuleType) -> None:
    from torchvision.datasets.folder import IMG_EXTENSIONS, ImageFolder
    from torchvision.transforms import v2

    assert IMG_EXTENSIONS == ENDINGS == DATASETS["image_folder"].spec.endings
    fill(tmp_path)
    (tmp_path / "a" / "notes.txt").write_text("not a picture")
    steps = v2.Compose([v2.Resize(SIZE), v2.CenterCrop(SIZE), v2.PILToTensor()])
    theirs = ImageFolder(str(tmp_path), transform=steps)
    ours = load(tmp_path)
    parts = [ours.train, ours.validation, ours.test]
    assert sorted(torch.cat([part.sample_ids for part in parts]).tolist()) == list(
        range(sum(COUNTS.values()))
    )
    for part in parts:
        of_part = {theirs.samples[i][0]: theirs[i] for i in range(len(theirs))}
        listed = sorted(
            (path for path in of_part),
            key=lambda path: (of_part[path][1], Path(path).relative_to(tmp_path).as_posix()),
        )
        for place in range(len(part)):
            pixels, label = of_part[listed[int(part.sample_ids[place])]]
            assert torch.equal(part.inputs[place], pixels) and part.labels[place] == label


def test_missing_parts_are_drawn_by_class(tmp_path: Path) -> None:
    data = load(fill(tmp_path), validation=0.2, test=0.3)
    counts = [torch.bincount(part.labels).tolist() for part in (data.train, data.validation, data.test)]
    # Of 23, 7 and 11 pictures, in the order of the alphabet.
    assert counts == [[11, 4, 6], [5, 1, 2], [7, 2, 3]]
    assert load(tmp_path, validation=0.2, test=0.3).fingerprint == data.fingerprint
    assert load(tmp_path, validation=0.2, test=0.3, split_seed=2).fingerprint != data.fingerprint
    pixels = data.train.inputs.double() / 255
    normalisation = data.train.normalisation
    torch.testing.assert_close(normalisation.mean.flatten().double(), pixels.mean(dim=(0, 2, 3)))
    deviation = pixels.std(dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(normalisation.std.flatten().double(), deviation)


def test_given_parts_are_kept(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"x": 9, "y": 5})
    fill(tmp_path / "val", {"x": 3, "y": 2}, seed=1)
    data = load(tmp_path)
    assert [len(data.train), len(data.validation), len(data.test)] == [14 - 3, 5, 3]
    assert data.validation.sample_ids.tolist() == list(range(14, 19))
    assert not {*data.train.sample_ids.tolist()} & {*data.test.sample_ids.tolist()}


def test_the_key_follows_from_the_pictures_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = fill(tmp_path / "here")
    there = shutil.copytree(here, tmp_path / "there")
    (there / "a" / "Thumbs.db").write_text("ours alone")
    (there / ".git").mkdir()
    trial = resolve(("image_folder", {"path": str(here)}), "small_cnn", "brier", 0)
    assert trial.key == key(there)
    assert str(tmp_path) not in str(trial.identity())
    # Planning needs the digest alone; loading needs the pictures, unchanged.
    digest = dict(trial.dataset.params)["path"]
    assert key(digest) == trial.key
    with pytest.raises(DataError, match="only the digest"):
        resolve(("image_folder", {"path": digest}), "mlp", "brier", 0).dataset.arguments()
    assert trial.dataset.arguments()["path"] == str(here)
    for changed in (there / "a" / "1.PNG", there / "B2" / "new.png"):
        shutil.copy(there / "b10" / "2.PNG", changed)
        other = shutil.copytree(there, tmp_path / changed.stem)
        assert key(other) not in (trial.key, key(here, size=32))
    # What changed after the plan is refused.
    monkeypatch.setattr("trainables.content.LOOKED_SECONDS", 0)
    shutil.copy(there / "b10" / "2.PNG", here / "a" / "1.PNG")
    with pytest.raises(DataError, match="does not have the files that were planned"):
        trial.dataset.arguments()


def damaged(folder: Path) -> None:
    picture = folder / "a" / "4.PNG"
    picture.write_bytes(picture.read_bytes()[:90])


def emptied(folder: Path) -> None:
    shutil.rmtree(folder / "b10")
    (folder / "b10").mkdir()


def small(folder: Path) -> None:
    for number in range(2, 7):
        next(folder.glob(f"a/**/{number}.PNG")).unlink()


def single(folder: Path) -> None:
    shutil.rmtree(folder / "a")
    shutil.rmtree(folder / "B2")


def other_classes(folder: Path) -> None:
    fill(folder / "train", {"x": 4, "y": 4})
    fill(folder / "test", {"x": 4, "yy": 4})
    for name in COUNTS:
        shutil.rmtree(folder / name)


def beside_parts(folder: Path) -> None:
    fill(folder / "train", {"x": 4, "y": 4})


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (damaged, "4.PNG is not a readable picture"),
        (emptied, "b10 has no files"),
        (small, "'a' has too few samples"),
        (single, "only the class 'b10'"),
        (other_classes, "test has no samples of 'y'"),
        (beside_parts, "expected train"),
    ],
)
def test_wrong_folders_are_one_line(tmp_path: Path, change: Callable[[Path], None], cause: str) -> None:
    change(fill(tmp_path))
    with pytest.raises(DataError) as refused:
        load(tmp_path)
    (line,) = refused.value.lines
    assert cause.replace("test has", "part test has") in line


def test_wrong_values_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "pictures", {"x": 3, "y": 3})
    with pytest.raises(DataError, match="Did you mean 'pictures'"):
        key(tmp_path / "picture")
    with pytest.raises(ConfigurationError, match="needs a value for 'path'"):
        resolve("image_folder", "mlp", "brier", 0)
    with pytest.raises(ConfigurationError, match="have 48"):
        resolve(("image_folder", {"path": str(tmp_path), "size": 48}), "resnet50_tiny", "brier", 0)
    for params in ({"size": 3}, {"validation": 0.0}, {"test": 0.9}, {"padding": 9}):
        with pytest.raises(ConfigurationError):
            load(tmp_path / "pictures", **params)
