"""The learning curves of trials that a search stopped early. They are no results: no table reads them."""

from __future__ import annotations

import re
from collections import defaultdict

import pyarrow as pa

from results.store import rows
from results.store.address import Address
from results.store.data_files import DIGEST_LENGTH, sha256
from results.store.files import Folder
from results.store.snapshot import Snapshot
from results.store.store import Store
from trainables.trial import Trial

FOLDER = "pruned"

NAME = re.compile(rf"([0-9a-f]+)-[0-9a-f]{{{DIGEST_LENGTH}}}\.parquet")


def keep(store: Store, trial: Trial, epochs: pa.Table) -> str:
    """Stores the curves of a stopped trial, one row per epoch, and returns their path.

    Raises:
        StoreError: The store cannot be written.
    """
    content = rows.to_parquet(epochs)
    path = Address.of(trial).path(FOLDER, f"-{sha256(content)[:DIGEST_LENGTH]}")
    store.folder.write(path, content)
    return path


def paths(snapshot: Snapshot) -> dict[str, list[str]]:
    """The paths of all such curves, by key of their trial."""
    found: dict[str, list[str]] = defaultdict(list)
    for info in snapshot.listed(*snapshot.folders(FOLDER)):
        if name := NAME.fullmatch(info.path.rsplit("/", 1)[-1]):
            found[name[1]].append(info.path)
    return found


def read(folder: Folder, path: str) -> pa.Table:
    """The curves at a path.

    Raises:
        DamagedFileError: Its bytes do not match the digest in its name.
        FileNotFoundError: The file does not exist.
        StoreError: The file cannot be read.
    """
    return checked(path, folder.read(path))


def checked(path: str, content: bytes) -> pa.Table:
    """The curves in the content of a file. Raises DamagedFileError as `read` does."""
    if not path.endswith(f"-{sha256(content)[:DIGEST_LENGTH]}.parquet"):
        raise rows.DamagedFileError("its bytes do not match the digest in its name")
    return rows.from_parquet(content)
