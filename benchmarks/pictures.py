"""Makes a folder of real CIFAR-10 pictures, small enough to travel with the code.

    python benchmarks/pictures.py FOLDER --data ROOT

ROOT is the folder of `calibsweep data prepare cifar10` with the published batches (`cifar-10-batches-py`), by
default $CALIBSWEEP_DATA. Takes the first pictures of the benchmark's training, validation and test part, as
many as fit into 40 MB. `benchmarks/gpu.py --pictures FOLDER` trains on them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gpu_steps import accuracy
from trainables import datasets
from trainables.errors import CalibsweepError

MOST_BYTES = 40_000_000
PICTURE_BYTES = 3 * 32 * 32 + 1
HEADERS = 6 * 128
SHARES = {"train": 10, "validation": 1, "test": 2}
"""Pictures of each part, out of 13."""


def sizes() -> dict[str, int]:
    """The number of pictures of each part."""
    unit = (MOST_BYTES - HEADERS) // PICTURE_BYTES // sum(SHARES.values())
    return {part: share * unit for part, share in SHARES.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--data", type=Path, metavar="ROOT", help="where the data sets lie")
    arguments = parser.parse_args()
    try:
        dataset = datasets.load("cifar10", arguments.data)
        accuracy.write(arguments.folder, dataset, sizes())
    except (CalibsweepError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    written = sum(path.stat().st_size for path in arguments.folder.iterdir())
    numbers = ", ".join(f"{number:,} of {part}" for part, number in sizes().items())
    print(f"{arguments.folder}: {numbers}; {written / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
