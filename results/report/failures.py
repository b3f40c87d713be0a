"""The failed trials of a store, alike ones together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from results.report.page import Failure
from results.store import rows
from results.store.address import stem
from results.store.snapshot import Snapshot, side_by_side
from results.store.survey import FAILURE_NAME


def failures(
    snapshot: Snapshot, finished: Collection[str], expected: Collection[str] | None = None
) -> list[Failure]:
    """The last failed attempt at each unfinished trial, the most frequent failures first.

    Args:
        finished: Keys of finished trials: their earlier failures do not count.
        expected: Keys of the trials of a sweep; None for all trials of the store.
    """
    last: dict[str, tuple[int, str]] = {}
    for info in snapshot.files("failures"):
        if not (name := FAILURE_NAME.fullmatch(f"{stem(info.path)}.parquet")):
            continue
        key = name[1]
        if key not in finished and (expected is None or key in expected):
            last[key] = max(last.get(key, (0, "")), (int(name[2]), info.path))

    def read(path: str) -> Mapping[str, Any] | None:
        try:
            content = snapshot.folder.read(path)
            rows.failure_fields(content)
            (row,) = rows.from_parquet(content).to_pylist()
            return dict(row)
        except (FileNotFoundError, rows.DamagedFileError):
            return None

    paths = [path for _, path in last.values()]
    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in side_by_side(snapshot.folder, read, paths):
        if row is not None:
            alike[row["failure_class"], row["message"]].append(row)
    found = [
        Failure(
            *kind,
            traceback=group[0]["traceback"],
            trials=tuple(
                f"{row['dataset']} / {row['model']} / {row['loss']} / seed {row['seed']}" for row in group
            ),
            attempts=max(row["attempt"] for row in group),
        )
        for kind, group in alike.items()
    ]
    return sorted(found, key=lambda each: (-len(each.trials), each.failure_class, each.message))
