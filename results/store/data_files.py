"""Where the data of a row lies: in files that carry its digest in their names.

Two writers of one trial whose numbers differ in a last digit share no file, so the row that is there first
stands beside its own data. Older stores have `<key>.parquet`, without a digest: read, but no longer written.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

from results.store import rows
from results.store.errors import StoreError
from results.store.files import Folder

DIGEST_LENGTH = 16
"""What a file's name has of the digest of its content, in characters."""

TRIES = 5


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_column(kind: str) -> str:
    """The column in which a row has the digest of its data of a kind."""
    return f"{kind.removeprefix('scored_')}_digest"


def path(row_path: str, kind: str, digest: str) -> str:
    """Where the data of a row is written.

    Args:
        row_path: As in trials/ or scored/.
        kind: The data's folder, such as 'predictions'.
        digest: SHA-256 of the data, as the row has it.
    """
    return candidates(row_path, kind, digest)[0]


def candidates(row_path: str, kind: str, digest: str) -> tuple[str, str]:
    """Where the data of a row may lie: as it is written, and as it was before. The first there is counts."""
    _, _, place = row_path.partition("/")
    stem = f"{kind}/{place.removesuffix('.parquet')}"
    return f"{stem}-{digest[:DIGEST_LENGTH]}.parquet", f"{stem}.parquet"


def listed_path(row_path: str, kind: str, digest: str, listed: Collection[str]) -> str:
    """Where the data of a row lies in a listing; where it should be, if it is not in it."""
    now, before = candidates(row_path, kind, digest)
    return before if before in listed and now not in listed else now


def read(folder: Folder, row_path: str, kind: str, digest: str) -> tuple[str, bytes]:
    """Path and content of the data of a row. The content need not be what was committed.

    Raises:
        FileNotFoundError: It is not there.
        StoreError: It cannot be read.
    """
    now, before = candidates(row_path, kind, digest)
    try:
        return now, folder.read(now)
    except FileNotFoundError:
        return before, folder.read(before)


def committed(
    folder: Folder, row_path: str, key: str, kind: str, schema: pa.Schema = rows.TRIAL_SCHEMA
) -> pa.Table:
    """The data of a row, as it was committed.

    Args:
        schema: Of the row.

    Raises:
        StoreError: Row or data is missing, damaged, or cannot be read.
    """
    at = row_path
    try:
        row = rows.checked_row(folder.read(row_path), key, schema)
        digest = row[digest_column(kind)][0].as_py()
        at = path(row_path, kind, digest)
        at, content = read(folder, row_path, kind, digest)
        if sha256(content) != digest:
            raise rows.DamagedFileError("its bytes are not those that were committed")
        return rows.from_parquet(content)
    except (FileNotFoundError, rows.DamagedFileError) as error:
        raise StoreError(f"{folder.name(at)} is missing or damaged: run the sweep again.") from error


def commit(folder: Folder, row_path: str, row: bytes, data: Mapping[str, bytes]) -> bool:
    """Writes data, then the row that makes it count. A row that is there first stands, beside its own data.

    Args:
        row: Has the digest of each data file.
        data: Content by kind.

    Returns:
        False if another's row stands. What was written here is deleted, but for what that row names too.

    Raises:
        StoreError: A store that cannot be written.
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
            continue  # set aside in this moment, as damaged
        named = _named(row_path, standing, data)
        with contextlib.suppress(StoreError), folder.briefly():
            for place in written.keys() - named:
                # It would only lie about.
                folder.delete(place)
        return False
    raise StoreError(f"cannot write {folder.name(row_path)}: it comes and goes; run the same command again.")


def _named(row_path: str, row: bytes, kinds: Collection[str]) -> set[str]:
    """The data files that a row names, of those kinds."""
    try:
        fields: dict[str, Any] = rows.from_parquet(row).to_pylist()[0]
        return {path(row_path, kind, fields[digest_column(kind)]) for kind in kinds}
    except (rows.DamagedFileError, IndexError, KeyError, TypeError, ValueError):
        return set()  # Of a damaged row nobody reads the data.
