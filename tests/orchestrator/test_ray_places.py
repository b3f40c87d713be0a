"""A Ray of our own starts wherever it can, and where it cannot that is one line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.driver import ray_places
from orchestrator.driver.errors import StartError
from results.store.store import Store

from .conftest import REPOSITORY
from .test_surroundings import TINY, Installed


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short temporary folder, the only one of this machine."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="c") as made:
        monkeypatch.setattr(ray_places, "COMMON", (made,))
        monkeypatch.delenv("RAY_TMPDIR", raising=False)
        monkeypatch.delenv("TMPDIR", raising=False)
        yield Path(made)


def test_the_first_folder_that_is_short_enough_is_chosen(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ray_places.temporary_folder() == short
    longest = ray_places.LONGEST_SOCKET - len("/" + ray_places.BELOW)
    fits = short / ("a" * (longest - len(str(short)) - 1))
    too_long = fits.with_name(fits.name + "a")
    fits.mkdir()
    too_long.mkdir()
    monkeypatch.setenv("TMPDIR", str(fits))
    assert ray_places.temporary_folder() == fits
    monkeypatch.setenv("TMPDIR", str(too_long))
    assert ray_places.temporary_folder() == short
    monkeypatch.setenv("RAY_TMPDIR", str(fits))
    assert ray_places.temporary_folder() == fits


def test_the_refusal_names_each_folder_and_its_problem(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = short / "file"
    file.touch()
    monkeypatch.setenv("TMPDIR", str(file))
    monkeypatch.setattr(ray_places, "LOG_BYTES", 2**60)
    with pytest.raises(StartError, match=f"{file} is not writable .*, {short} has [0-9]+ MiB"):
        ray_places.temporary_folder()


# File systems of its own, seen by this script and what it starts alone.
MOUNTED = """
case $1 in
    read-only) mount -t tmpfs -o ro tmpfs /tmp && mount -t tmpfs -o ro tmpfs /var/tmp ;;
    full) mount -t tmpfs -o size=20m tmpfs /tmp && mount -t tmpfs -o size=20m tmpfs /var/tmp ;;
    no-memory) mount -t tmpfs -o size=20m tmpfs /dev/shm && mount -t tmpfs -o size=99m tmpfs /tmp &&
        mount -t tmpfs -o size=99m tmpfs /var/tmp ;;
    little-memory) mount -t tmpfs -o size=20m tmpfs /dev/shm ;;
esac || exit 99
shift
exec "$@"
"""

LACKING = [
    ("read-only", "/tmp is not writable (Read-only file system), /var/tmp is not"),
    ("full", "/tmp has 20 MiB, /var/tmp has 20 MiB."),
    ("no-memory", "250 MiB free: /tmp has 99 MiB, /var/tmp has 99 MiB, /dev/shm has 20 MiB."),
]


def mounted(case: str) -> list[str]:
    """The start of a command line that mounts other file systems first."""
    if Path(sys.prefix).is_relative_to("/tmp") or REPOSITORY.is_relative_to("/tmp"):
        pytest.skip("the tested code lies in the folder that is mounted over")
    unshare = shutil.which("unshare")
    own = [unshare or "", "--map-root-user", "--mount", "sh", "-c"]
    probe = "mount -t tmpfs tmpfs /var/tmp"
    if not unshare or subprocess.run([*own, probe], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of one's own")
    return [*own, MOUNTED, "sh", case]


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that stays visible when others are mounted over /tmp."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as made:
        yield Path(made)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "message"), LACKING)
def test_a_full_machine_is_one_line(elsewhere: Path, case: str, message: str) -> None:
    (elsewhere / "tiny.yaml").write_text(TINY, encoding="utf-8")
    command = Installed(folder=elsewhere)
    command.way = [*mounted(case), *command.way]
    output = command("run", "tiny.yaml", "--store", "store", code=2)
    assert re.search(r"^calibsweep: Ray cannot start.*\n\Z", output, re.M) and message in output, output
    assert "Traceback" not in output and "terminate" not in output


@pytest.mark.slow
def test_it_starts_with_a_long_path_little_shared_memory_and_no_home(elsewhere: Path) -> None:
    (elsewhere / "tiny.yaml").write_text(TINY, encoding="utf-8")
    (elsewhere / "home").touch()
    long = elsewhere / ("a" * 60)
    long.mkdir()
    command = Installed(folder=elsewhere)
    settings = [f"TMPDIR={long}", f"HOME={elsewhere / 'home'}"]
    command.way = [*mounted("little-memory"), "env", "-u", "RAY_TMPDIR", *settings, *command.way]
    command("run", "tiny.yaml", "--store", "store")
    assert len(Store(str(elsewhere / "store")).trials()) == 1
