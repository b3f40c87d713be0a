"""The failed trials of a store, alike ones together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from results.report.page import Failure
from results.store.snapshot import Snapshot
from results.store.survey import latest_failures


def failures(
    snapshot: Snapshot, finished: Collection[str], expected: Collection[str] | None = None
) -> list[Failure]:
    """The last failed attempt at each unfinished trial, the most frequent failures first.

    Args:
        finished: Keys of finished trials: their earlier failures do not count.
        expected: Keys of the trials of a sweep; None for all trials of the store.
    """
    records, _ = latest_failures(
        snapshot, lambda key: key not in finished and (expected is None or key in expected)
    )
    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in records.values():
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
