"""Archives and pickles that mean harm, or were cut off."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from trainables.datasets.archives import install, load_pickle
from trainables.errors import DataError


def tar_of(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(os.urandom(member.size)) if member.isreg() else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, 1000 if kind == tarfile.REGTYPE else 0
    return info


def zip_of(path: Path, *names: str, link: bool = False) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if link else 0o100644) << 16
            zipped.writestr(info, "/etc/passwd")
    return path


def whole(folder: Path) -> None:
    if not (folder / "file").exists():
        raise DataError(f"{folder} lacks file.")


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_whole_archive_is_unpacked(tmp_path: Path, kind: str) -> None:
    archive = (
        tar_of(tmp_path / "a.tar.gz", member("set/file"))
        if kind == "tar"
        else zip_of(tmp_path / "a.zip", "set/file")
    )
    (tmp_path / ".set.unpacking").mkdir()  # of a process that was killed
    (tmp_path / ".set.unpacking" / "old").touch()
    install(archive, tmp_path / "set", whole)
    assert everything(tmp_path) == {archive.name, "set", "set/file"}


@pytest.mark.parametrize(
    "bad",
    [
        member("../escaped"),
        member("/tmp/escaped"),
        member("set/link", tarfile.SYMTYPE, "../../escaped"),
        member("set/device", tarfile.CHRTYPE),
    ],
    ids=["climbs", "absolute", "link", "device"],
)
def test_a_tar_that_leads_out_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    root = tmp_path / "root"
    root.mkdir()
    archive = tar_of(root / "a.tar.gz", member("set/file"), bad)
    if bad.name.startswith("/"):
        # The filter makes it relative, and so harmless.
        install(archive, root / "set", whole)
        assert not Path("/tmp/escaped").exists()
        return
    with pytest.raises(DataError, match=r"a\.tar\.gz is not safe to unpack"):
        install(archive, root / "set", whole)
    assert everything(tmp_path) == {"root", "root/a.tar.gz"}


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "set/../../escaped", "set\\..\\escaped"])
def test_a_zip_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(DataError, match=r"a\.zip is not safe to unpack"):
        install(zip_of(root / "a.zip", "set/file", name), root / "set", whole)
    assert everything(tmp_path) == {"root", "root/a.zip"}


def test_a_zip_with_links_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a link"):
        install(zip_of(tmp_path / "a.zip", "set/file", link=True), tmp_path / "set", whole)


@pytest.mark.parametrize(("kind", "damage"), [("tar", "cut"), ("zip", "cut"), ("zip", "altered")])
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, kind: str, damage: str) -> None:
    names = [f"set/file{number}" for number in range(20)]
    archive = (
        tar_of(tmp_path / "a.tar.gz", *map(member, names))
        if kind == "tar"
        else zip_of(tmp_path / "a.zip", *names)
    )
    content = bytearray(archive.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[content.index(b"/etc/passwd")] ^= 1  # found by the member's CRC
    archive.write_bytes(content)
    with pytest.raises(DataError, match=rf"{archive} is damaged"):
        install(archive, tmp_path / "set", whole)
    assert everything(tmp_path) == {archive.name}


def test_an_archive_without_the_whole_set_leaves_nothing(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tar.gz", member("set/another"))
    with pytest.raises(DataError, match=r"does not hold the whole data set: .* lacks file"):
        install(archive, tmp_path / "set", whole)
    with pytest.raises(DataError, match="holds no folder other"):
        install(archive, tmp_path / "other", whole)
    assert everything(tmp_path) == {archive.name}


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
        with pytest.raises(DataError, match=rf"{path} is no pickle of arrays alone"):
            load_pickle(content, path)
    assert not list(tmp_path.iterdir())
