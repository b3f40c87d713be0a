"""Parts of a user's own data: those that are there, and the others drawn from the training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from trainables.errors import ConfigurationError, DataError
from trainables.texts import visible

TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")
NAMES = {TRAIN: TRAIN, VALIDATION: VALIDATION, "val": VALIDATION, "valid": VALIDATION, TEST: TEST}
"""Names of the files or folders of parts."""
LARGEST_SHARE = 0.9


def part_of(names: Sequence[str], place: Path) -> dict[str, str]:
    """The part of each of the files or folders with these names; empty if the data are not divided.

    Raises:
        DataError: There is no training part, a part occurs twice, or other files or folders are beside them.
    """
    found = {name: NAMES[name.lower()] for name in names if name.lower() in NAMES}
    if not found:
        return {}
    others = [name for name in names if name not in found]
    if TRAIN not in found.values() or others or len(set(found.values())) < len(found):
        raise DataError(
            f"{place} has {_listed([*found, *others])}: expected train, with or without validation and test, "
            "and nothing else."
        )
    return found


def classes_of(parts: Mapping[str, set[str]], place: Path) -> list[str]:
    """The classes in alphabetical order, from the classes of each part.

    Raises:
        DataError: There is only one, or the classes of two parts differ.
    """
    own = parts[TRAIN]
    for part, classes in parts.items():
        for lacking, having, difference in ((part, TRAIN, own - classes), (TRAIN, part, classes - own)):
            if difference:
                raise DataError(
                    f"{place}: the part {lacking} has no samples of {_listed(sorted(difference))}, which "
                    f"{having} has."
                )
    if len(own) < 2:
        raise DataError(f"{place} has only the class {_listed(sorted(own))}: at least 2 are needed.")
    return sorted(own)


def check_shares(validation: float, test: float) -> None:
    """Raises ConfigurationError if the shares of the validation and test part leave no training part."""
    if validation <= 0 or test <= 0 or validation + test > LARGEST_SHARE:
        raise ConfigurationError(
            f"validation ({validation:g}) and test ({test:g}) must be positive shares of at most "
            f"{LARGEST_SHARE} together."
        )


def completed(
    labels: Mapping[str, np.ndarray],
    shares: Mapping[str, float],
    seed: int,
    classes: Sequence[str],
    place: Path,
) -> dict[str, tuple[str, np.ndarray]]:
    """The source of each part, and its positions there, ascending.

    A missing part is drawn from the training samples: its share of each class, but at least one sample.

    Args:
        labels: Classes of the samples of each existing part, [N].
        shares: Of the missing parts.
        seed: Fixes the choice, independently of a trial's seed.
        classes: Names of the classes, for messages.
        place: The data, for messages.

    Raises:
        DataError: A class has too few samples.
    """
    missing = [part for part in (TEST, VALIDATION) if part not in labels]
    found = {part: (part, np.arange(len(labels[part]))) for part in labels}
    # The legacy generator, whose stream NumPy guarantees.
    generator = np.random.RandomState(seed)
    chosen: dict[str, list[np.ndarray]] = {part: [] for part in (*missing, TRAIN)}
    for label, name in enumerate(classes):
        positions = generator.permutation(np.flatnonzero(labels[TRAIN] == label))
        if len(positions) < 1 + len(missing):
            raise DataError(
                f"{place}: class {visible(name)!r} has too few samples ({len(positions)}): it needs "
                f"at least {1 + len(missing)}."
            )
        # Rounding up cannot take the last training sample.
        total, left = len(positions), len(positions) - 1
        for number, part in enumerate(missing):
            most = left - (len(missing) - number - 1)
            size = min(max(1, round(shares[part] * total)), most)
            chosen[part].append(positions[:size])
            positions, left = positions[size:], left - size
        chosen[TRAIN].append(positions)
    for part in (*missing, TRAIN):
        found[part] = TRAIN, np.sort(np.concatenate(chosen[part]))
    return {part: found[part] for part in PARTS}


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(repr(visible(name)) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
