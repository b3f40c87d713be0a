"""SVHN and CIFAR-10-C: only a test part, in their published formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.io import savemat

from trainables import datasets
from trainables.datasets import cifar10_c, svhn
from trainables.datasets.files import RemoteFile, digest_of_file
from trainables.datasets.images import NORMALISATIONS
from trainables.datasets.prepare import prepare
from trainables.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from conftest import Server

IMAGES = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 3), dtype=np.uint8)


def publish_digits(root: Path, monkeypatch: pytest.MonkeyPatch, labels: list[int]) -> Path:
    """Three images with these labels in SVHN's format, as if they were the published ones."""
    path = root / "svhn" / "test_32x32.mat"
    path.parent.mkdir(exist_ok=True)
    savemat(path, {"X": IMAGES, "y": np.array(labels, dtype=np.uint8)[:, None]})
    monkeypatch.setattr(svhn, "TEST", RemoteFile(path.name, "", digest_of_file(path), path.stat().st_size))
    return path


def test_svhn_has_only_a_test_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_digits(tmp_path, monkeypatch, [1, 10, 5])
    dataset = datasets.load("svhn", tmp_path)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [0, 0, 3]
    # 10 is how the digit 0 is published.
    assert dataset.test.labels.tolist() == [1, 0, 5]
    inputs, _ = dataset.to(torch.device("cpu")).test.batch(torch.tensor([2]))
    pixels = torch.from_numpy(IMAGES[:, :, :, 2].transpose(2, 0, 1).copy())
    assert torch.equal(inputs[0], NORMALISATIONS["cifar10"](pixels))
    assert len(dataset.fingerprint) == 64


def test_a_bad_svhn_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"test_32x32\.mat is missing: .*: calibsweep data prepare svhn"):
        datasets.load("svhn", tmp_path)
    path = publish_digits(tmp_path, monkeypatch, [1, 11, 5])
    with pytest.raises(DataError, match=r"test_32x32\.mat has a label 11, but its classes are 0 to 9"):
        datasets.load("svhn", tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"test_32x32\.mat is not the published file"):
        datasets.load("svhn", tmp_path)
    monkeypatch.setattr(svhn, "TEST", RemoteFile(path.name, "", digest_of_file(path), path.stat().st_size))
    with pytest.raises(DataError, match=r"test_32x32\.mat is not a MATLAB file with X and y"):
        datasets.load("svhn", tmp_path)


def test_svhn_is_prepared_once(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish_digits(tmp_path, monkeypatch, [1, 2, 3])
    server.content = path.read_bytes()
    monkeypatch.setattr(
        svhn, "TEST", RemoteFile(path.name, server.url, digest_of_file(path), path.stat().st_size)
    )
    for root in (tmp_path, tmp_path / "new", tmp_path / "new"):
        assert prepare("svhn", root) == root / "svhn"
        assert len(datasets.load("svhn", root).test) == 3
    assert len(server.asked) == 1


@pytest.fixture
def corrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All corruptions with four images per severity; image i is of value i."""
    monkeypatch.setattr(cifar10_c, "IMAGES_PER_SEVERITY", 4)
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    images = np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None, None], (20, 32, 32, 3))
    for corruption in cifar10_c.CORRUPTIONS:
        np.save(folder / f"{corruption}.npy", images)
    np.save(folder / "labels.npy", np.arange(20, dtype=np.uint8) % 4)
    return folder


def test_cifar10_c_is_one_corruption_in_one_severity(corrupted: Path) -> None:
    assert len(cifar10_c.CORRUPTIONS) == 19
    cifar10_c.check(corrupted)
    for severity in cifar10_c.SEVERITIES:
        dataset = datasets.load("cifar10_c", corrupted.parent, corruption="fog", severity=severity)
        expected = list(range(4 * (severity - 1), 4 * severity))
        assert dataset.test.sample_ids.tolist() == expected
        assert dataset.test.inputs[:, 0, 0, 0].tolist() == expected
        assert dataset.test.inputs.shape == (4, 3, 32, 32)
        assert dataset.test.labels.tolist() == [0, 1, 2, 3]
    for wrong in ({"corruption": "rain", "severity": 1}, {"corruption": "fog", "severity": 6}, {}):
        with pytest.raises(ConfigurationError):
            datasets.load("cifar10_c", corrupted.parent, **wrong)


def test_bad_cifar10_c_files_are_named(corrupted: Path) -> None:
    def load() -> None:
        datasets.load("cifar10_c", corrupted.parent, corruption="fog", severity=5)

    fog = corrupted / "fog.npy"
    whole = fog.read_bytes()
    np.save(fog, np.array([{"an": "object"}] * 20))
    with pytest.raises(DataError, match=r"fog\.npy is damaged"):
        load()
    fog.write_bytes(whole[:-1000])
    with pytest.raises(DataError, match=r"fog\.npy is damaged"):
        load()
    np.save(fog, np.zeros((19, 32, 32, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=r"fog\.npy has uint8 \[19, 32, 32, 3\]"):
        load()
    fog.unlink()
    with pytest.raises(DataError, match=r"fog\.npy is missing: .*: calibsweep data prepare cifar10_c"):
        load()
    fog.write_bytes(whole)
    np.save(corrupted / "labels.npy", np.full(20, 10))
    with pytest.raises(DataError, match=r"labels\.npy has a label 10"):
        load()
