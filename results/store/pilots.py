"""Pilots: measured duration of an epoch of a data set and model on some hardware, kept beside the results.

    pilots/<data set>/<model>/<precision>-<device>.parquet   one row

A later pilot with the same path replaces the earlier one: unlike a trial's row, it is not a result.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields

import pyarrow as pa

from results.store import rows
from results.store.address import folder_name
from results.store.store import Store

FOLDER = "pilots"


@dataclass(frozen=True)
class Pilot:
    """One row.

    Attributes:
        dataset, model: Labels, as in a trial.
        seconds_per_epoch: For training, validation and test together.
        device: Name of the GPU, or 'cpu'.
        occurred: Time of measurement, in UTC (ISO 8601).
    """

    dataset: str
    model: str
    precision: str
    seconds_per_epoch: float
    device: str
    peak_memory_gib: float
    occurred: str


def keep(store: Store, pilot: Pilot) -> None:
    """Raises StoreError if the store cannot be written."""
    names = (pilot.dataset, pilot.model, f"{pilot.precision}-{pilot.device}")
    path = "/".join(folder_name(name) for name in names)
    store.folder.write(f"{FOLDER}/{path}.parquet", rows.to_parquet(pa.Table.from_pylist([asdict(pilot)])))


def kept(store: Store) -> list[Pilot]:
    """All pilots of a store, the latest first. Damaged ones are ignored: a pilot is quickly repeated."""
    found = []
    for info in store.folder.list(FOLDER):
        try:
            found.append(read(store.folder.read(info.path)))
        except (FileNotFoundError, rows.DamagedFileError):
            continue
    return sorted(found, key=lambda pilot: pilot.occurred, reverse=True)


def read(content: bytes) -> Pilot:
    """Raises DamagedFileError for anything but a pilot's row."""
    try:
        (row,) = rows.from_parquet(content).to_pylist()
        # A later version may have more columns.
        pilot = Pilot(**{field.name: row[field.name] for field in fields(Pilot)})
    except (KeyError, ValueError) as error:
        raise rows.DamagedFileError("it is not one row with the columns of a pilot") from error
    for field in fields(Pilot):
        value = getattr(pilot, field.name)
        is_text = field.type == "str"
        if not (
            isinstance(value, str) if is_text else isinstance(value, int | float) and 0 <= value < math.inf
        ):
            raise rows.DamagedFileError(f"its {field.name} is {value!r}")
    return pilot
