"""Data files of a row. Their names contain the digest of their content.

Two writers of one trial whose numbers differ in the last digit therefore never share a file, and the first
row always keeps its own data. Older stores have `<key>.parquet` without a digest, which is read only.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

from results.store import rows
from results.store.address import DATA, Address
from results.store.errors import StoreError
from results.store.files import Folder

DIGEST_LENGTH = 16
"""Characters of the digest in a file name."""

TRIES = 5


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_column(kind: str) -> str:
    """The column of a row that contains the digest of its data of a kind."""
    return f"{kind}_digest"


def path(row_path: str, kind: str, digest: str) -> str:
    """The path for the data of a row.

    Args:
        row_path: Path of the row.
        kind: 'predictions' or 'epochs'.
        digest: SHA-256 of the data, from the row.
    """
    return candidates(row_path, kind, digest)[0]


def candidates(row_path: str, kind: str, digest: str) -> tuple[str, str]:
    """Possible paths of the data of a row: the current name, then the old one. The first counts."""
    of, _, place = row_path.partition("/")
    stem = f"{DATA[of][kind]}/{place.removesuffix('.parquet')}"
    return f"{stem}-{digest[:DIGEST_LENGTH]}.parquet", f"{stem}.parquet"


def listed_path(row_path: str, kind: str, digest: str, listed: Collection[str]) -> str:
    """The path of the data of a row in a listing; the current name if it is not listed."""
    now, before = candidates(row_path, kind, digest)
    return before if before in listed and now not in listed else now


def read(folder: Folder, row_path: str, kind: str, digest: str) -> tuple[str, bytes]:
    """Reads the data of a row without checking it, and returns its path and content.

    Raises:
        FileNotFoundError: The file does not exist.
        StoreError: The file cannot be read.
    """
    now, before = candidates(row_path, kind, digest)
    try:
        return now, folder.read(now)
    except FileNotFoundError:
        return before, folder.read(before)


def committed_row(folder: Folder, address: Address) -> tuple[str, pa.Table]:
    """The path of an evaluation's row, and the row with all its columns.

    Raises:
        StoreError: It is missing, damaged or unreadable.
    """
    at, _, row = committed_content(folder, address)
    return at, row


def committed_content(folder: Folder, address: Address) -> tuple[str, bytes, pa.Table]:
    """Like `committed_row`, with the bytes of the row before the row."""
    for path in address.rows:
        try:
            content = folder.read(path)
            return path, content, rows.checked_row(content, address.key)
        except FileNotFoundError:
            continue
        except rows.DamagedFileError as error:
            raise _lost(folder, path) from error
    raise _lost(folder, address.row)


def committed(folder: Folder, address: Address, kind: str) -> pa.Table:
    """Reads the data of an evaluation, and checks that its bytes are the committed bytes.

    Raises:
        StoreError: The row or its data is missing, damaged or unreadable.
    """
    return data_of(folder, *committed_row(folder, address), kind)


def data_of(folder: Folder, row_path: str, row: pa.Table, kind: str) -> pa.Table:
    """Like `committed`, for a row that was read."""
    digest = row[digest_column(kind)][0].as_py()
    try:
        return rows.from_parquet(content_of(folder, row_path, kind, digest))
    except rows.DamagedFileError as error:
        raise _lost(folder, path(row_path, kind, digest)) from error


def content_of(folder: Folder, row_path: str, kind: str, digest: str) -> bytes:
    """The committed bytes of a row's data of a kind, by their digest in the row.

    Raises:
        StoreError: They are missing, damaged or unreadable.
    """
    try:
        at, content = read(folder, row_path, kind, digest)
    except FileNotFoundError as error:
        raise _lost(folder, path(row_path, kind, digest)) from error
    if sha256(content) != digest:
        raise _lost(folder, at)
    return content


def _lost(folder: Folder, path: str) -> StoreError:
    return StoreError(f"{folder.name(path)} is missing or damaged: rerun its sweep.")


def commit(folder: Folder, row_path: str, row: bytes, data: Mapping[str, bytes]) -> bool:
    """Writes the data, then the row that makes it count. An existing row stands, with its own data.

    Args:
        row: Content of the row, with the digest of each data file.
        data: Content by kind.

    Returns:
        False if another row stands. Then the data written here is deleted, unless that row shares it.

    Raises:
        StoreError: The store cannot be written.
    """
    written = {path(row_path, kind, sha256(content)): content for kind, content in data.items()}
    for place, content in written.items():
        folder.write(place, content)
    for _ in range(TRIES):
        if folder.write(row_path, row, exclusive=True):
            return True
        try:
            standing = folder.read(row_path)
        except FileNotFoundError:
            continue  # It was just set aside as damaged.
        named = _named(row_path, standing, data, written)
        with contextlib.suppress(StoreError), folder.briefly():
            for place in written.keys() - named:
                folder.delete(place)
        return False
    raise StoreError(
        f"cannot write {folder.name(row_path)}: another process keeps deleting it; rerun the command."
    )


def _named(row_path: str, row: bytes, kinds: Collection[str], written: Collection[str]) -> set[str]:
    """The data files of the given kinds that a row names; all that were written if its format is newer."""
    try:
        fields: dict[str, Any] = rows.from_parquet(row).to_pylist()[0]
        if fields["format"] > rows.FORMAT:
            return set(written)
        return {path(row_path, kind, fields[digest_column(kind)]) for kind in kinds}
    except (rows.DamagedFileError, IndexError, KeyError, TypeError, ValueError):
        return set()  # Nobody reads the data of a damaged row.
