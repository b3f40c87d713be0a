"""Archives that lead out of their folder, grow without end, or hold what is no file."""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from orchestrator import cli
from trainables.datasets.unpacking import Limits, unpack
from trainables.errors import DataError

LIMITS = Limits(members=30, size=100_000)

Entry = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"text", kind: bytes = tarfile.REGTYPE, link: str = "") -> Entry:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    return info, content


def tar_of(path: Path, entries: Iterable[Entry]) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


def zip_of(path: Path, *entries: tuple[str, int, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, mode, content in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, mode << 16
            zipped.writestr(info, content)
    return path


def chain(victim: Path) -> Iterable[Entry]:
    """CVE-2025-4517: links too long to be resolved, so that one is taken for harmless that climbs."""
    deep, steps = "d" * 247, "abcdefghijklmnop"
    path = ""
    for step in steps:
        yield member(f"{path}{deep}", kind=tarfile.DIRTYPE)
        yield member(f"{path}{step}", kind=tarfile.SYMTYPE, link=deep)
        path += f"{deep}/"
    long = f"{'/'.join(steps)}/{'l' * 254}"
    yield member(long, kind=tarfile.SYMTYPE, link="../" * len(steps))
    yield member("escape", kind=tarfile.SYMTYPE, link=f"{long}/../../{victim.parent.name}")
    yield member("set/file", kind=tarfile.LNKTYPE, link=f"escape/{victim.name}")
    yield member("set/file", b"overwritten")


def sparse(name: str, size: int) -> Entry:
    """A file that is one hole, as GNU tar has them in a .tar of PAX."""
    info, content = member(name, b"1\n0\n0\n".ljust(512, b"\0"))
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(size)}
    info.pax_headers["GNU.sparse.name"] = name
    return info, content


FILE = 0o100644
HARMFUL: dict[str, Callable[[Path, Path], Path]] = {
    "chain": lambda folder, victim: tar_of(folder / "a.tar.gz", chain(victim)),
    "climbs": lambda folder, _: tar_of(folder / "a.tar.gz", [member("set/../../victims/victim")]),
    "absolute": lambda folder, victim: tar_of(folder / "a.tar.gz", [member(str(victim))]),
    "link": lambda folder, _: tar_of(folder / "a.tar.gz", [member("l", kind=tarfile.SYMTYPE, link="set")]),
    "hard link": lambda folder, victim: tar_of(
        folder / "a.tar.gz", [member("set/l", kind=tarfile.LNKTYPE, link=str(victim))]
    ),
    "device": lambda folder, _: tar_of(folder / "a.tar.gz", [member("set/null", kind=tarfile.CHRTYPE)]),
    "pipe": lambda folder, _: tar_of(folder / "a.tar.gz", [member("set/pipe", kind=tarfile.FIFOTYPE)]),
    "twice": lambda folder, _: tar_of(folder / "a.tar.gz", [member("set/file"), member("./set//file")]),
    "file in a file": lambda folder, _: tar_of(folder / "a.tar.gz", [member("set"), member("set/file")]),
    "bomb": lambda folder, _: tar_of(folder / "a.tar.gz", [member("set/file", bytes(3_000_000))]),
    "many": lambda folder, _: tar_of(folder / "a.tar.gz", [member(f"set/{n}") for n in range(40)]),
    "hole": lambda folder, _: tar_of(folder / "a.tar.gz", [sparse("set/file", 1 << 40)]),
    "long name": lambda folder, _: tar_of(folder / "a.tar.gz", [member("set/" + "a" * 3_000_000)]),
    "zip climbs": lambda folder, _: zip_of(folder / "a.zip", ("set/../../victims/victim", FILE, b"")),
    "zip absolute": lambda folder, victim: zip_of(folder / "a.zip", (str(victim), FILE, b"")),
    "zip backslash": lambda folder, _: zip_of(folder / "a.zip", ("set\\..\\..\\victims\\victim", FILE, b"")),
    "zip link": lambda folder, victim: zip_of(folder / "a.zip", ("set", 0o120777, str(victim).encode())),
    "zip device": lambda folder, _: zip_of(folder / "a.zip", ("set/null", 0o020666, b"")),
    "zip twice": lambda folder, _: zip_of(folder / "a.zip", *[("set/file", FILE, b"")] * 2),
    "zip bomb": lambda folder, _: zip_of(folder / "a.zip", ("set/file", FILE, bytes(3_000_000))),
    "zip many": lambda folder, _: zip_of(folder / "a.zip", *((f"set/{n}", FILE, b"") for n in range(40))),
}


def written(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", HARMFUL)
def test_a_malicious_pickle_is_refused(tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victims" / "victim"
    victim.parent.mkdir()
    victim.write_bytes(b"untouched")
    archive = HARMFUL[kind](tmp_path, victim)
    into = tmp_path / "root" / "into"
    with pytest.raises(DataError, match=r"a\.(tar\.gz|zip) is not safe to unpack: ") as refused:
        unpack(archive, into, LIMITS)
    assert "\n" not in str(refused.value)
    assert victim.read_bytes() == b"untouched"
    assert {path.name for path in tmp_path.iterdir()} == {"victims", archive.name, "root"}
    assert list(victim.parent.iterdir()) == [victim]
    assert not [path for path in into.rglob("*") if path.is_symlink()]
    assert written(into) <= LIMITS.size


def test_a_size_that_an_archive_lies_about_ends_it(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", ("set/file", FILE, bytes(3_000_000)))
    message, claimed = (size.to_bytes(4, "little") for size in (3_000_000, 50_000))
    content = archive.read_bytes()
    assert content.count(message) == 2  # in the file's own header and in the archive's directory
    archive.write_bytes(content.replace(message, claimed))
    with pytest.raises(DataError, match="is damaged"):
        unpack(archive, tmp_path / "into", LIMITS)
    assert written(tmp_path / "into") <= LIMITS.size


def test_a_size_below_nothing_leads_nowhere(tmp_path: Path) -> None:
    """tarfile would go back by it, and round in circles."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for info, content in (member("set/a"), member("set/b")):
            tar.addfile(info, io.BytesIO(content))
    content = bytearray(plain.getvalue())
    second = 1024
    content[second + 124 : second + 136] = b"\xff" * 12
    content[second + 148 : second + 156] = b" " * 8
    checksum = sum(content[second : second + 512])
    content[second + 148 : second + 156] = f"{checksum:06o}\0 ".encode()
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match="is damaged"):
        unpack(archive, tmp_path / "into", LIMITS)


def test_plain_files_and_folders_come_out_as_they_are(tmp_path: Path) -> None:
    archive = tar_of(
        tmp_path / "a.tar.gz",
        [member("./set", kind=tarfile.DIRTYPE), member("./set/a", b"1"), member("other/deep/b", b"22")],
    )
    zipped = zip_of(
        tmp_path / "a.zip", ("set/", 0o040755, b""), ("set/a", 0, b"1"), ("other/deep/b", FILE, b"22")
    )
    for path in (archive, zipped):
        into = tmp_path / path.suffix
        unpack(path, into, Limits(members=3, size=3))
        found = {
            str(entry.relative_to(into)): entry.read_bytes() for entry in into.rglob("*") if entry.is_file()
        }
        assert found == {"set/a": b"1", "other/deep/b": b"22"}
        assert (into / "set/a").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize("kind", ["chain", "device", "bomb"])
def test_the_command_refuses_it_with_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    victim = tmp_path / "victims" / "victim"
    victim.parent.mkdir()
    victim.write_bytes(b"untouched")
    root = tmp_path / "root"
    root.mkdir()
    HARMFUL[kind](root, victim).rename(root / "news20.tar.gz")
    monkeypatch.setattr("trainables.datasets.newsgroups.LIMITS", LIMITS)
    monkeypatch.setattr(
        sys, "argv", ["calibsweep", "data", "prepare", "twenty_newsgroups", "--data", str(root)]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "news20.tar.gz is not safe to unpack" in message
    assert victim.read_bytes() == b"untouched"
    assert {path.name for path in root.iterdir()} == {"news20.tar.gz", ".twenty_newsgroups.lock"}
