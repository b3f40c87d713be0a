"""What `store verify` finds wrong is kept, and the next run mends it."""

from __future__ import annotations

from results.store import Store

from .spoiling import check_that_all_is_mended


def test_a_run_mends_all_that_was_found(store: Store) -> None:
    check_that_all_is_mended(store)
