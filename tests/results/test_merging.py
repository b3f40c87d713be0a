"""Stores of several sites joined into one: equal trials once, other numbers as conflicts, damage left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from orchestrator.use_cases.merge import merge
from orchestrator.use_cases.tables import tables
from orchestrator.use_cases.verify import verify
from results.store import data_files, pruned, rows
from results.store.store import Store
from sweeps.expand import load
from trainables.errors import ConfigurationError

GOLDEN = Path(__file__).parents[1] / "golden"
EVALUATED = GOLDEN / "first_evaluations" / "store"


def split(source: Path, folder: Path, *, shared: int = 0) -> tuple[Path, Path]:
    """The trials of a store in two, some of them in both."""
    sites = folder / "a", folder / "b"
    keys = sorted(Store(str(source)).trials()["key"])
    half = len(keys) // 2
    for site, own in zip(sites, (keys[: half + shared], keys[half:]), strict=True):
        shutil.copytree(source, site)
        for path in site.rglob("*.parquet"):
            if not path.stem.startswith(tuple(own)):
                path.unlink()
    return sites


def everything(store: Path | str) -> pd.DataFrame:
    frame = Store(str(store)).snapshot().evaluations()
    return frame.sort_values("key", ignore_index=True)


@pytest.mark.slow
@pytest.mark.parametrize("source", [GOLDEN / "store", EVALUATED], ids=["trials", "evaluations"])
def test_two_halves_are_the_whole(source: Path, tmp_path: Path) -> None:
    first, second = split(source, tmp_path, shared=2)
    target = str(tmp_path / "both")
    merged = merge([str(first), str(second)], target)
    whole = everything(source)
    assert (merged.copied, merged.present, merged.conflicts, merged.unreadable) == (len(whole), 0, (), ())
    pd.testing.assert_frame_equal(everything(target), whole)
    assert not verify(target).wrong
    assert tables(target).render("md") == tables(str(source)).render("md")
    again = merge([str(second), str(first)], target)
    assert (again.copied, again.present) == (0, len(whole))


def test_other_numbers_of_one_trial_are_a_conflict_and_never_chosen(tmp_path: Path) -> None:
    first, second = split(GOLDEN / "store", tmp_path, shared=1)
    (key,) = set(Store(str(first)).trials()["key"]) & set(Store(str(second)).trials()["key"])
    (path,) = (path for path in first.glob("trials/**/*.parquet") if path.stem == key)
    # The same trial with another one's curves, as if another machine had made it.
    curves = next(each for each in first.glob("epochs/**/*.parquet") if key not in each.name).read_bytes()
    digest = data_files.sha256(curves)
    row = rows.from_parquet(path.read_bytes())
    fields = row.to_pylist()[0] | {"epochs_digest": digest}
    fields["provenance"] = [
        (name, "elsewhere" if name == "host" else value) for name, value in fields["provenance"]
    ]
    fields["row_digest"] = rows._row_digest(fields)
    path.write_bytes(rows.to_parquet(pa.Table.from_pylist([fields], schema=row.schema)))
    (first / data_files.path(path.relative_to(first).as_posix(), "epochs", digest)).write_bytes(curves)
    merged = merge([str(first), str(second)], str(tmp_path / "both"))
    (conflict,) = merged.conflicts
    assert conflict.key == key and {origin.host for origin in conflict.origins} == {"elsewhere", "vm"}
    assert key not in set(Store(str(tmp_path / "both")).trials()["key"])
    assert merged.copied == len(Store(str(GOLDEN / "store")).trials()) - 1


def test_damage_is_left_out_and_named(tmp_path: Path) -> None:
    first, second = split(GOLDEN / "store", tmp_path)
    victim = next(first.glob("predictions/**/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-1])
    merged = merge([str(first), str(second)], str(tmp_path / "both"))
    (name,) = merged.unreadable
    assert victim.stem.partition("-")[0] in name
    assert merged.copied == len(Store(str(GOLDEN / "store")).trials()) - 1
    assert not verify(str(tmp_path / "both")).wrong


def test_curves_of_trials_that_a_search_stopped_are_merged_too(tmp_path: Path) -> None:
    trials = load(GOLDEN / "store.yaml").trials
    sites = [Store(str(tmp_path / name)) for name in ("a", "b")]
    # The second site has one of the first's, and a longer one of the same trial.
    kept = [
        pruned.keep(store, trial, pa.table({"validation_error": curve}))
        for store, trial, curve in (
            (sites[0], trials[0], [0.5]),
            (sites[0], trials[1], [0.25, 0.5]),
            (sites[1], trials[0], [0.5]),
            (sites[1], trials[0], [0.5, 0.75]),
            (sites[1], trials[2], [0.125]),
        )
    ]
    (tmp_path / "b" / kept[4]).write_bytes(b"damaged")
    both = Store(str(tmp_path / "both"))
    merged = merge([store.uri for store in sites], both.uri)
    assert (merged.copied, merged.stopped) == (0, 3) and [kept[4] in name for name in merged.unreadable] == [
        True
    ]
    assert {info.path for info in both.folder.list("pruned")} == set(kept[:4])
    assert pruned.read(both.folder, kept[3])["validation_error"].to_pylist() == [0.5, 0.75]
    assert merge([store.uri for store in sites], both.uri).stopped == 0


def test_a_target_among_the_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="target"):
        merge([str(tmp_path)], str(tmp_path))
