"""`calibsweep data prepare`: from a server to a data set that loads, whatever happens on the way."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from orchestrator.cli import app
from orchestrator.screen.bars import bars_by_step
from trainables import datasets
from trainables.datasets import cifar10, files
from trainables.datasets.files import RemoteFile, digest
from trainables.datasets.prepare import prepare
from trainables.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from conftest import Server


def batch(number: int) -> bytes:
    images = np.random.default_rng(number).integers(0, 256, (number, 3072), dtype=np.uint8)
    return pickle.dumps({"data": images, "labels": [i % 10 for i in range(number)]}, protocol=4)


@pytest.fixture
def published(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A small CIFAR-10 on the server, as if it were the published one."""
    contents = {"data_batch_1": batch(40), "test_batch": batch(20), "batches.meta": b"names"}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(f"{cifar10.CIFAR10.folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    server.content = archive.getvalue()
    digests = {name: digest(content) for name, content in contents.items()}
    small = dataclasses.replace(
        cifar10.CIFAR10,
        archive=RemoteFile("cifar-10-python.tar.gz", server.url, digest(server.content), len(server.content)),
        training={"data_batch_1": digests["data_batch_1"]},
        test={"test_batch": digests["test_batch"]},
        others={"batches.meta": digests["batches.meta"]},
        validation=10,
    )
    monkeypatch.setattr(cifar10, "CIFAR10", small)
    return server


def test_prepared_data_loads_and_is_not_downloaded_again(published: Server, tmp_path: Path) -> None:
    published.drops = [5000]
    steps: list[str] = []
    folder = prepare("cifar10", tmp_path / "new", lambda task, done, total: steps.append(task))
    assert folder == tmp_path / "new" / "cifar-10-batches-py"
    assert list(dict.fromkeys(step.partition(": ")[2] for step in steps)) == [
        "downloading",
        "verifying",
        "unpacking",
    ]
    assert len(datasets.load("cifar10", tmp_path / "new").train) == 30
    requests = len(published.asked)
    assert prepare("cifar10", tmp_path / "new") == folder
    assert len(published.asked) == requests == 2


def test_no_half_prepared_data_set_is_ever_there(
    published: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed_while(step: str) -> None:
        def message(task: str, done: int, total: int | None) -> None:
            assert not (tmp_path / "cifar-10-batches-py").exists()
            if task.endswith(step):
                raise Killed

        with pytest.raises(Killed):
            prepare("cifar10", tmp_path, message)
        with pytest.raises(DataError, match=r"is missing: .*: calibsweep data prepare cifar10"):
            datasets.load("cifar10", tmp_path)

    monkeypatch.setattr(files, "CHUNK", 5000)
    for step in ("downloading", "verifying", "unpacking"):
        killed_while(step)
    prepare("cifar10", tmp_path)
    # Gone on with: nothing was downloaded twice, and after the last byte there was nothing more to send.
    assert published.asked == [None, "bytes=5000-", f"bytes={len(published.content)}-"]
    assert len(datasets.load("cifar10", tmp_path).train) == 30


def test_a_folder_that_was_damaged_later_is_named(published: Server, tmp_path: Path) -> None:
    folder = prepare("cifar10", tmp_path)
    assert folder
    (folder / "test_batch").write_bytes(b"")
    with pytest.raises(DataError, match="test_batch is not the published file"):
        prepare("cifar10", tmp_path)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_command_reports_prepared_data(
    published: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    printed = Console(file=Terminal(), width=60, force_terminal=True)
    with bars_by_step(printed) as progress:
        folder = prepare("cifar10", tmp_path, progress)
    text = printed.file.getvalue()  # type: ignore[attr-defined]
    assert "cifar-10-python.tar.gz: downloading" in text
    assert "100%" in text
    # Colours asked for, as in CI, are no terminal.
    forced = Console(file=io.StringIO(), width=60, force_terminal=True)
    with bars_by_step(forced) as progress:
        prepare("cifar10", tmp_path / "again", progress)
    text = forced.file.getvalue()  # type: ignore[attr-defined]
    assert text.splitlines()[0] == "cifar-10-python.tar.gz: downloading" and "\x1b[" not in text
    # Nothing is downloaded that is there.
    command = ["data", "prepare", "--data", str(tmp_path)]
    message = CliRunner().invoke(app, [*command, "cifar10"])
    assert message.output == f"cifar10 is ready in {folder}.\n"
    message = CliRunner().invoke(app, [*command, "cifar10", "--json"])
    assert json.loads(message.output) == {"dataset": "cifar10", "folder": str(folder)}
    message = CliRunner().invoke(app, [*command, "digits"])
    assert message.output == "digits needs no files.\n"


def test_failed_preparation_advises(published: Server, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'cifar10'"):
        prepare("cifr10", tmp_path)
    with pytest.raises(DataError, match=r"image-net\.org and unpack it to"):
        prepare("imagenet", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write to"):
        prepare("cifar10", tmp_path / "file")
