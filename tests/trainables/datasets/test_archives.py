"""Archives that were cut off or lack something, and pickles that mean harm."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from trainables.datasets.archives import Archive, install, load_pickle
from trainables.datasets.files import RemoteFile
from trainables.datasets.unpacking import Limits
from trainables.errors import DataError


def tar_of(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 1000
            tar.addfile(info, io.BytesIO(os.urandom(1000)))
    return path


def zip_of(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name in names:
            zipped.writestr(zipfile.ZipInfo(name), "/etc/passwd")
    return path


def whole(folder: Path) -> None:
    if not (folder / "file").exists():
        raise DataError(f"{folder} lacks file.")


def installed(path: Path, folder: Path) -> None:
    remote = RemoteFile(path.name, "", "0" * 64, 0)
    install(Archive("x", remote, folder.name, Limits(100, 100_000), whole), path, folder)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_whole_archive_is_unpacked(tmp_path: Path, kind: str) -> None:
    archive = (
        tar_of(tmp_path / "a.tar.gz", "set/file") if kind == "tar" else zip_of(tmp_path / "a.zip", "set/file")
    )
    (tmp_path / ".set.unpacking").mkdir()  # of a process that was killed
    (tmp_path / ".set.unpacking" / "old").touch()
    installed(archive, tmp_path / "set")
    assert everything(tmp_path) == {archive.name, "set", "set/file"}


def test_nothing_is_unpacked_through_a_link_that_was_planted(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".set.unpacking").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="cannot unpack"):
        installed(tar_of(tmp_path / "a.tar.gz", "set/file"), tmp_path / "set")
    assert everything(tmp_path) == {"a.tar.gz", "elsewhere", ".set.unpacking"}


@pytest.mark.parametrize(("kind", "damage"), [("tar", "cut"), ("zip", "cut"), ("zip", "altered")])
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, kind: str, damage: str) -> None:
    names = [f"set/file{number}" for number in range(20)]
    archive = tar_of(tmp_path / "a.tar.gz", *names) if kind == "tar" else zip_of(tmp_path / "a.zip", *names)
    content = bytearray(archive.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[content.index(b"/etc/passwd")] ^= 1  # found by the member's CRC
    archive.write_bytes(content)
    with pytest.raises(DataError, match=rf"{archive} is damaged"):
        installed(archive, tmp_path / "set")
    assert everything(tmp_path) == {archive.name}


def test_an_archive_without_the_whole_set_leaves_nothing(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tar.gz", "set/another")
    with pytest.raises(DataError, match=r"is not the complete data set: .* lacks file"):
        installed(archive, tmp_path / "set")
    with pytest.raises(DataError, match="has no folder other"):
        installed(archive, tmp_path / "other")
    assert everything(tmp_path) == {archive.name}


def test_every_archive_needs_a_digest_or_a_check() -> None:
    with pytest.raises(ValueError, match="needs a digest"):
        Archive("x", RemoteFile("x.zip", "", "", 0), "x", Limits(1, 1), whole)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch escaped",)


def test_a_pickle_of_arrays_is_read_and_one_that_runs_code_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "batch"
    batch = {"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": [1, 2], "names": ["a", b"b"]}
    read = load_pickle(pickle.dumps(batch, protocol=4), path)
    np.testing.assert_array_equal(read.pop("data"), batch.pop("data"))
    assert read == batch
    for content in (pickle.dumps({"data": Harmful()}), pickle.dumps(print), b"", b"\x80\x02]q\x01(K"):
        with pytest.raises(DataError, match=rf"{path} was not loaded"):
            load_pickle(content, path)
    assert not list(tmp_path.iterdir())
