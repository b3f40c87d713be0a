"""Downloads from a server that drops connections, forgets ranges, refuses, or sends something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from trainables.datasets import files
from trainables.datasets.files import RemoteFile, digest, fetch, locked
from trainables.errors import DataError

if TYPE_CHECKING:
    from conftest import Server

CONTENT = np.random.default_rng(0).bytes(3 * files.CHUNK + 17)


def remote(server: Server, content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile("set.tar", server.url, digest(content), len(content))


def test_a_file_is_downloaded_once_with_progress(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT
    message: list[tuple[str, int, int | None]] = []
    path = fetch(remote(server), tmp_path / "new", lambda *step: message.append(step))
    assert path.read_bytes() == CONTENT
    downloading = [(done, total) for task, done, total in message if task == "set.tar: downloading"]
    assert downloading == sorted(downloading)
    assert downloading[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(remote(server), tmp_path / "new") == path
    assert len(server.asked) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["set.tar"]


def test_dropped_connections_resume(server: Server, tmp_path: Path) -> None:
    server.content, server.drops, server.statuses = CONTENT, [1000, 500], [503]
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, None, "bytes=1000-", "bytes=1500-"]


def test_an_interrupted_download_resumes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content, server.drops = CONTENT, [1000]
    with monkeypatch.context() as impatient:
        impatient.setattr(files, "ATTEMPTS", 1)
        with pytest.raises(DataError, match=r"ended early.*by hand"):
            fetch(remote(server), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.tar.partial"]
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


def test_a_server_without_ranges_restarts_the_download(server: Server, tmp_path: Path) -> None:
    server.content, server.drops, server.ranges = CONTENT, [1000], False
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("left_over", [b"of another file", CONTENT + b"and more", CONTENT])
def test_wrong_bytes_of_an_earlier_download_are_thrown_away(
    server: Server, tmp_path: Path, left_over: bytes
) -> None:
    server.content = CONTENT
    (tmp_path / "set.tar.partial").write_bytes(left_over)
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT


def test_a_file_with_another_digest_is_deleted(server: Server, tmp_path: Path) -> None:
    server.content = b"<html>please log in</html>"
    with pytest.raises(DataError, match=rf"{server.url} is not the published set\.tar") as caught:
        fetch(remote(server), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_server_that_sends_too_much_is_abandoned(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT + b"x"
    with pytest.raises(DataError, match=r"larger than the 3,145,745 bytes published.*by hand"):
        fetch(remote(server), tmp_path)
    assert len(server.asked) == 1
    assert not list(tmp_path.iterdir())


def planted(path: Path, kind: str, victim: Path) -> None:
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "hard link":
        path.hardlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "device"])
@pytest.mark.parametrize("name", ["set.tar.partial", ".x.lock"])
def test_nothing_is_written_through_a_planted_link(
    server: Server, tmp_path: Path, kind: str, name: str
) -> None:
    server.content = CONTENT
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    planted(tmp_path / name, kind, victim)
    with (
        pytest.raises(DataError, match=rf"{name} is a link") as refused,
        locked(tmp_path / ".x.lock", "preparing x"),
    ):
        fetch(remote(server), tmp_path)
    assert "\n" not in str(refused.value)
    assert victim.read_bytes() == b"untouched"
    assert not (tmp_path / "set.tar").exists()
    assert (tmp_path / name).is_symlink() or not (tmp_path / name).is_file() or kind == "hard link"


def test_a_link_that_leads_nowhere_makes_nothing_there(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "set.tar.partial").symlink_to(tmp_path / "new")
    with pytest.raises(DataError, match="is a link"):
        fetch(remote(server), tmp_path / "data")
    assert not (tmp_path / "new").exists()


def test_a_refusal_is_not_retried_and_advises(server: Server, tmp_path: Path) -> None:
    server.statuses = [404]
    with pytest.raises(DataError, match=rf"404.*{server.url} by hand to {tmp_path}/set\.tar"):
        fetch(remote(server), tmp_path)
    assert len(server.asked) == 1


def test_a_server_that_stays_away_is_given_up(server: Server, tmp_path: Path) -> None:
    server.statuses = [503] * 100
    with pytest.raises(DataError, match="503"):
        fetch(remote(server), tmp_path)
    assert len(server.asked) == files.ATTEMPTS


def test_a_damaged_file_is_named_and_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.tar").write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=rf"{tmp_path}/set\.tar is damaged or incomplete"):
        fetch(remote(server), tmp_path)
    assert (tmp_path / "set.tar").exists()
    assert not server.asked


def test_only_one_process_prepares_at_a_time(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock", "preparing x"),
        pytest.raises(DataError, match="another process is preparing x"),
        locked(tmp_path / "lock", "preparing x"),
    ):
        pass
    with locked(tmp_path / "lock", "preparing x"):
        pass
