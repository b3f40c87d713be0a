"""Evidence on the rows of tables, kept in the store: tables of many trials need not read their logits again.

    rescored/evidence-<digest>/<digest of the file>.parquet   one line per row of a table and score

The first digest is of the code that computes evidence. A line is valid for what it follows from: the trials
of the row, the committed digests of their predictions, and their scores. It may be deleted: tables compute
it again, to the same numbers.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from results.scoring.layer import FOLDER
from results.statistics.differences import Pairs, positions_of_pairs
from results.statistics.noise_floor import Floor
from results.statistics.ties import Tests
from results.store import rows
from results.store.data_files import sha256
from results.store.errors import StoreError
from results.store.files import Folder
from results.tables.layout import LEVEL
from results.tables.row_evidence import RowEvidence

ROOT = Path(__file__).parents[1]
CODE = (
    *(
        f"statistics/{name}.py"
        for name in ("binned", "chance", "differences", "noise_floor", "resampling", "ties")
    ),
    "scoring/samples.py",
    "tables/row_evidence.py",
)
"""The files whose code computes evidence."""

DIGEST_LENGTH = 20

OF_FLOORS = ("observed", "mean", "upper", "p_value")
OF_PAIRS = ("estimates", "errors", "degrees", "p_values", "seeds")

SCHEMA = pa.schema(
    [
        ("place", pa.string()),
        ("of", pa.string()),
        ("over_samples", pa.bool_()),
        ("samples", pa.int64()),
        ("near_chance", pa.list_(pa.float64())),
        ("standard_errors", pa.list_(pa.float64())),
        *((f"floor_{name}", pa.list_(pa.float64())) for name in OF_FLOORS),
        *((f"pair_{name}", pa.list_(pa.float64())) for name in OF_PAIRS),
        ("tests", pa.list_(pa.float64())),
    ]
)
"""Schema of a file. `of` digests all that the line follows from, `place` the losses of the row, the metric
and the calibrator: of one place only the latest line is kept. Floors have one number per loss, NaN where it
has none; pairs and `tests` (the p-values that count) have one per pair of losses."""


class KeptEvidence:
    """The kept evidence of a store: read on first use, written by `save`.

    Args:
        writes: Whether `save` writes.

    Attributes:
        outdated: Number of deleted folders with evidence of other code.
    """

    def __init__(self, folder: Folder, *, writes: bool = True):
        self.folder, self.writes = folder, writes
        self.outdated = 0
        self._new: dict[str, tuple[Any, ...]] = {}
        self._read: dict[str, pa.Table] = {}

    @functools.cached_property
    def name(self) -> str:
        """The folder of its files."""
        sha = hashlib.sha256(str(LEVEL).encode())
        for path in CODE:
            sha.update(ROOT.joinpath(path).read_bytes())
        return f"{FOLDER}/evidence-{sha.hexdigest()[:DIGEST_LENGTH]}"

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return not self._lines

    def get(self, of: str) -> RowEvidence | None:
        """The evidence that follows from something, by its digest; None if there is none."""
        if (found := self._lines.get(of)) is None:
            return None
        over_samples, samples, near_chance, standard_errors, *numbers = found
        floors, (*pairs, seeds, tests) = numbers[: len(OF_FLOORS)], numbers[len(OF_FLOORS) :]
        first, second = positions_of_pairs(len(floors[0]))
        estimates, errors, degrees, p_values = pairs
        return RowEvidence(
            [
                None if math.isnan(each[0]) else Floor(*each)
                for each in zip(*(floor.tolist() for floor in floors), strict=True)
            ],
            Tests(Pairs(first, second, estimates, errors, degrees, p_values, seeds.astype(np.int64)), tests),
            over_samples,
            samples,
            near_chance.astype(bool).tolist(),
            standard_errors.tolist(),
        )

    def add(self, place: str, of: str, evidence: RowEvidence) -> None:
        """Adds evidence on the row and scores with the digest `place`."""
        floors = [
            [math.nan if floor is None else getattr(floor, name) for floor in evidence.floors]
            for name in OF_FLOORS
        ]
        pairs = [getattr(evidence.tests.pairs, name).astype(float) for name in OF_PAIRS]
        per_loss = np.array(evidence.near_chance, dtype=float), evidence.standard_errors
        self._new[place] = (
            *(of, evidence.over_samples, evidence.samples, *per_loss),
            *(*floors, *pairs, evidence.tests.p_values),
        )

    def save(self) -> None:
        """Writes what was added, in one file with all earlier evidence. Does nothing in a read-only store."""
        if not self._new or not self.writes:
            return
        with contextlib.suppress(StoreError):
            new = [
                list(column)
                for column in zip(*((key, *line) for key, line in self._new.items()), strict=True)
            ]
            tables = [pa.table(new, schema=SCHEMA)]
            there = dict(self._files())
            for table in there.values():
                earlier = [place not in self._new for place in table["place"].to_pylist()]
                tables.append(table.filter(pa.array(earlier, pa.bool_())))
            content = rows.to_parquet(whole := pa.concat_tables(tables))
            self.folder.write(path := f"{self.name}/{sha256(content)}.parquet", content)
            self._new.clear()
            self._read = {path: whole}
            for earlier_path in there.keys() - {path}:
                self.folder.delete(earlier_path)
            if self.folder.is_local:
                self.delete_outdated()
                # A command that only reads leaves no empty folder.
                self.folder.delete_stale_temporaries()

    def delete_outdated(self) -> None:
        """Deletes evidence that other code computed.

        Raises:
            StoreError: The store cannot be read or written.
        """
        outdated = set()
        for info in list(self.folder.list(FOLDER)):
            found = info.path.rpartition("/")[0]
            if found.startswith(f"{FOLDER}/evidence-") and found != self.name:
                self.folder.delete(info.path)
                outdated.add(found)
        self.outdated += len(outdated)

    @functools.cached_property
    def _lines(self) -> Mapping[str, tuple[Any, ...]]:
        """What `add` took, by the digest `of`: the columns after it."""
        found: dict[str, tuple[Any, ...]] = {}
        with contextlib.suppress(StoreError):
            for _, table in self._files():
                plain = [table[name].to_pylist() for name in ("of", "over_samples", "samples")]
                columns = *plain, *(_lists(table[name]) for name in SCHEMA.names[4:])
                found |= {of: line for of, *line in zip(*columns, strict=True)}
        return found

    def _files(self) -> Iterator[tuple[str, pa.Table]]:
        """The files and their tables, without damaged ones. Raises StoreError."""
        for info in list(self.folder.list(self.name)):
            # Its name has its digest: it is read once.
            if info.path not in self._read:
                with contextlib.suppress(
                    FileNotFoundError, rows.DamagedFileError, pa.ArrowException, ValueError
                ):
                    content = self.folder.read(info.path)
                    if info.path.endswith(f"/{sha256(content)}.parquet"):
                        self._read[info.path] = rows.fitted(rows.from_parquet(content), SCHEMA)
            if info.path in self._read:
                yield info.path, self._read[info.path]


def _lists(column: pa.ChunkedArray) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    """The lists of a column as arrays: as Python numbers, millions would take seconds."""
    whole = column.combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    values, offsets = whole.values.to_numpy(zero_copy_only=False), whole.offsets.to_numpy()
    return [values[start:end] for start, end in itertools.pairwise(offsets)]
