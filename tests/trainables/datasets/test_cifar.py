"""CIFAR-10 and CIFAR-100: the published split, the real batches, and batches that are not."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from trainables import datasets
from trainables.datasets import cifar10
from trainables.datasets.cifar import held_out
from trainables.datasets.cifar10 import CIFAR10
from trainables.datasets.cifar100 import CIFAR100
from trainables.datasets.files import digest
from trainables.datasets.images import NORMALISATIONS, ImageDataset
from trainables.errors import DataError

VALIDATION_DIGEST = "c70e7ca578d17371c289bb83c7ccdaee29e79ef0d930824a3f360adc99ebba33"
"""SHA-256 of the published validation indices, joined by commas in their order (docs/protocol.md, 1.3)."""


def test_the_split_is_the_published_one() -> None:
    train, validation = held_out(50_000, 5000)
    ids = validation.tolist()
    assert ids[:10] == [26247, 35067, 34590, 16668, 12196, 2600, 9047, 2206, 25607, 11606]
    assert hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest() == VALIDATION_DIGEST
    assert sorted([*train.tolist(), *ids]) == list(range(50_000))


@pytest.mark.slow
def test_the_real_cifar10(real: Callable[[str], Path], torchvision: ModuleType) -> None:
    root = real("cifar10")
    dataset = datasets.load("cifar10", root)
    assert isinstance(dataset, ImageDataset)
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 45_000,
        "validation": 5000,
        "test": 10_000,
    }
    assert dataset.input_shape == (3, 32, 32)
    theirs = torchvision.datasets.CIFAR10(root, train=True)
    ids = dataset.validation.sample_ids
    assert torch.equal(dataset.validation.labels, torch.tensor(theirs.targets)[ids])
    pixels = torch.from_numpy(theirs.data).permute(0, 3, 1, 2)
    assert torch.equal(dataset.validation.inputs, pixels[ids])
    assert torch.equal(dataset.train.inputs, pixels[dataset.train.sample_ids])
    test = torchvision.datasets.CIFAR10(root, train=False)
    assert torch.equal(dataset.test.inputs, torch.from_numpy(test.data).permute(0, 3, 1, 2))
    assert dataset.test.labels.tolist() == test.targets
    assert dataset.test.sample_ids.tolist() == list(range(50_000, 60_000))
    # Normalised with constants close to the data's own.
    inputs, _ = dataset.train.batch(torch.arange(5000))
    assert inputs.mean().abs() < 0.05
    assert dataset.fingerprint == "c1c3cfcc4da7b2bbbda3535c94c031040e26c3af0218d8bbb455de2050dcda6c"
    CIFAR10.check(root / CIFAR10.folder)


@pytest.mark.slow
def test_the_real_cifar100_test_part(real: Callable[[str], Path], torchvision: ModuleType) -> None:
    root = real("cifar100")
    images, labels = CIFAR100.read(root / CIFAR100.folder, CIFAR100.test)
    assert images.shape == (10_000, 3, 32, 32)
    assert torch.bincount(labels).tolist() == [100] * 100
    raw = pickle.loads((root / CIFAR100.folder / "test").read_bytes(), encoding="latin1")
    assert labels.tolist() == raw["fine_labels"]
    assert torch.equal(images.reshape(10_000, -1), torch.from_numpy(raw["data"]))
    with pytest.raises(
        DataError, match=r"cifar-100-python/train is missing: .*: calibsweep data prepare cif"
    ):
        datasets.load("cifar100", root)


@pytest.mark.slow
def test_a_damaged_copy_of_the_real_cifar10_is_refused(real: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / CIFAR10.folder
    shutil.copytree(real("cifar10") / CIFAR10.folder, folder)
    batch = folder / "data_batch_3"
    content = bytearray(batch.read_bytes())
    content[1_000_000] ^= 1  # one bit of one pixel
    batch.write_bytes(content)
    for attempt in (lambda: datasets.load("cifar10", tmp_path), lambda: CIFAR10.check(folder)):
        with pytest.raises(DataError, match=r"data_batch_3 is not the published file") as caught:
            attempt()
        assert "\n" not in str(caught.value)


def batch_of(number: int, labels: list[Any] | None = None) -> dict[str, Any]:
    generator = np.random.default_rng(number)
    data = generator.integers(0, 256, (number, 3072), dtype=np.uint8)
    return {"data": data, "labels": [i % 10 for i in range(number)] if labels is None else labels}


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes small batches and makes theirs the published digests."""

    def write(training: Any, test: Any) -> Path:
        folder = tmp_path / CIFAR10.folder
        folder.mkdir()
        digests = {}
        for name, batch in {"data_batch_1": training, "test_batch": test}.items():
            content = pickle.dumps(batch, protocol=4)
            (folder / name).write_bytes(content)
            digests[name] = digest(content)
        small = dataclasses.replace(
            CIFAR10,
            training={"data_batch_1": digests["data_batch_1"]},
            test={"test_batch": digests["test_batch"]},
            others={},
            validation=10,
        )
        monkeypatch.setattr(cifar10, "CIFAR10", small)
        return tmp_path

    return write


def test_small_batches_in_the_published_format(publish: Callable[..., Path]) -> None:
    training = batch_of(40)
    dataset = datasets.load("cifar10", publish(training, batch_of(20)))
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [30, 10, 20]
    for part in (dataset.train, dataset.validation):
        for place, sample_id in enumerate(part.sample_ids.tolist()):
            assert part.inputs[place].flatten().tolist() == training["data"][sample_id].tolist()
            assert part.labels[place] == training["labels"][sample_id]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (batch_of(20, [10] * 20), "test_batch has a label 10, but its classes are 0 to 9"),
        (batch_of(20, [0] * 19), "test_batch is not a batch of cifar10"),
        (batch_of(20, ["cat"] * 20), "test_batch is not a batch of cifar10"),
        ({"data": batch_of(20)["data"]}, "test_batch is not a batch of cifar10"),
        ({**batch_of(20), "data": np.zeros((20, 3072))}, "test_batch is not a batch of cifar10"),
        ([1, 2], "test_batch is not a batch of cifar10"),
        (Path("x"), "test_batch was not loaded"),
    ],
    ids=["label", "too few labels", "text labels", "no labels", "floats", "list", "object"],
)
def test_a_malformed_batch_is_refused(publish: Callable[..., Path], batch: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        datasets.load("cifar10", publish(batch_of(40), batch))


def test_cifar100_may_be_tested_with_the_released_constants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    batch = batch_of(40)
    content = pickle.dumps({"data": batch["data"], "fine_labels": batch["labels"]}, protocol=4)
    for name in ("train", "test"):
        (folder / name).write_bytes(content)
    sha256 = digest(content)
    small = dataclasses.replace(CIFAR100, training={"train": sha256}, test={"test": sha256}, validation=10)
    monkeypatch.setattr("trainables.datasets.cifar100.CIFAR100", small)
    usual = datasets.load("cifar100", tmp_path)
    released = datasets.load("cifar100", tmp_path, test_normalisation="imagenet")
    everything = torch.arange(10)
    assert torch.equal(usual.validation.batch(everything)[0], released.validation.batch(everything)[0])
    assert torch.equal(
        released.test.batch(everything)[0], NORMALISATIONS["imagenet"](usual.test.inputs[everything])
    )
    assert torch.equal(
        usual.test.batch(everything)[0], NORMALISATIONS["cifar10"](usual.test.inputs[everything])
    )
