"""scikit-learn's stratified split, with identical samples, without its import, which takes seconds."""

from __future__ import annotations

import numpy as np


def stratified_split(labels: np.ndarray, test_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of training and test samples in random order, stratified by class.

    Equal to `sklearn.model_selection.train_test_split(numpy.arange(N), test_size=test_size, stratify=labels,
    random_state=seed)`, as a test verifies.

    Args:
        labels: Class of each sample, [N].
        test_size: Size of the test part; all others form the training part.
        seed: Of the random generator.
    """
    # The legacy generator, whose stream NumPy guarantees.
    generator = np.random.RandomState(seed)
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    of_training = _proportional(counts, len(labels) - test_size, generator)
    of_test = _proportional(counts - of_training, test_size, generator)
    training, test = [], []
    for one, count in enumerate(counts):
        positions = np.flatnonzero(classes == one)[generator.permutation(count)]
        training.append(positions[: of_training[one]])
        test.append(positions[of_training[one] : of_training[one] + of_test[one]])
    return generator.permutation(np.concatenate(training)), generator.permutation(np.concatenate(test))


def _proportional(counts: np.ndarray, total: int, generator: np.random.RandomState) -> np.ndarray:
    """Distributes `total` over the classes: shares rounded down, plus one for the largest remainders."""
    share = counts / counts.sum() * total
    taken = np.floor(share)
    rest, missing = share - taken, int(total - taken.sum())
    for value in np.unique(rest)[::-1] if missing else ():
        # Ties are broken at random.
        tied = np.flatnonzero(rest == value)
        drawn = generator.choice(tied, size=min(len(tied), missing), replace=False)
        taken[drawn] += 1
        missing -= len(drawn)
        if not missing:
            break
    counted: np.ndarray = taken.astype(int)
    return counted
