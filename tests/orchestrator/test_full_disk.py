"""A disk that fills in mid-sweep, one that can no longer be written, and the same command once it can."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from results.store.errors import BY_ERRNO

from .conftest import Command

# A file system of its own, seen by this script and what it starts alone. Exit codes, output and committed
# rows of each step go to files named after it.
SCRIPT = """
set -u
store=$1 notes=$2 small=$3 grown=$4 python=$5
step() {
    name=$1; shift
    "$python" -m orchestrator "$@" >"$notes/$name.out" 2>"$notes/$name.err"
    echo $? >"$notes/$name.code"
    find "$store/trials" -name '*.parquet' -printf '%f %i\\n' | sort >"$notes/$name.rows"
    find "$store" -path "$store/tmp/*" -type f >"$notes/$name.temporary"
}
mount -t tmpfs -o size=400k tmpfs "$store" || exit 99
# Nothing of all this needs a home that can be written.
export HOME=$notes/home
mkdir "$HOME" && mount -t tmpfs -o ro tmpfs "$HOME" || exit 99
step full run "$small" --store "$store"
mount -o remount,size=50m "$store"
step room run "$small" --store "$store"
mount -o remount,ro "$store"
step done run "$small" --store "$store"
step fixed run "$grown" --store "$store"
step tables tables "$grown" --store "$store" --format csv
"""

SWEEP = """
    name: filling
    seeds: {seeds}
    run: {{watch: []}}
    training: {{epochs: 3}}
    blocks: [{{datasets: [digits], models: [mlp], losses: [brier, focal_1, focal_2, flsd_53]}}]
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_full_or_read_only_store_stops_with_one_line_and_keeps_what_it_has(
    tmp_path: Path, sweep_file: Callable[..., str], repository: Path
) -> None:
    unshare = shutil.which("unshare")
    own = [unshare or "", "--map-root-user", "--mount", "sh", "-c"]
    probe = f"mount -t tmpfs tmpfs {tmp_path}"
    if not unshare or subprocess.run([*own, probe], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of one's own")

    store, notes = tmp_path / "store", tmp_path / "notes"
    store.mkdir()
    notes.mkdir()
    small = sweep_file(SWEEP.format(seeds="[0, 1]"))
    grown = sweep_file(SWEEP.format(seeds="[0, 1, 2]"), "grown.yaml")
    arguments = [str(store), str(notes), small, grown, sys.executable]
    done = subprocess.run(
        [*own, SCRIPT, "sh", *arguments], check=False, env=Command().environment(), cwd=repository
    )
    assert done.returncode == 0 and not list((notes / "home").iterdir())

    def told(step: str) -> tuple[int, str, str, set[str]]:
        out, err, code, rows = (
            (notes / f"{step}.{part}").read_text() for part in ("out", "err", "code", "rows")
        )
        return int(code), out, err, set(rows.splitlines())

    code, _, err, rows = told("full")
    assert code == 2
    kept = re.fullmatch(
        rf"calibsweep: cannot write \S+: {BY_ERRNO[errno.ENOSPC]}\. (\d) of 8 trials are kept\.\n",
        err,
    )
    assert kept and 0 < len(rows) == int(kept[1]) < 8
    # What could not be finished takes no room.
    assert not (notes / "full.temporary").read_text()

    code, out, _, all_rows = told("room")
    assert code == 0 and f"{len(rows)} done before, {8 - len(rows)} to run" in out
    assert len(all_rows) == 8 and rows < all_rows

    assert told("done")[0] == 2 and "the file system is read-only" in told("done")[2]
    code, _, err, same_rows = told("fixed")
    assert code == 2 and same_rows == all_rows
    assert re.fullmatch(
        r"calibsweep: cannot write \S+: the file system is read-only: choose another --store\.\n", err
    )
    assert told("tables")[0] == 0 and "focal_1" in told("tables")[1]
