"""scikit-learn's split stratified by class, to the very samples, without its import, which takes seconds."""

from __future__ import annotations

import numpy as np


def stratified_split(labels: np.ndarray, test_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of training and test samples, in random order: each part has every class in proportion.

    The same as `sklearn.model_selection.train_test_split(numpy.arange(N), test_size=test_size,
    stratify=labels, random_state=seed)`, which a test compares.

    Args:
        labels: Class of each sample, [N].
        test_size: Samples of the test part; all others are the training part's.
    """
    # The older generator, whose stream numpy keeps as it is.
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
    """How many of each class make `total`: their share rounded down, then one more for the largest rests."""
    share = counts / counts.sum() * total
    taken = np.floor(share)
    rest, missing = share - taken, int(total - taken.sum())
    for value in np.unique(rest)[::-1] if missing else ():
        # Which of equal rests is drawn.
        tied = np.flatnonzero(rest == value)
        drawn = generator.choice(tied, size=min(len(tied), missing), replace=False)
        taken[drawn] += 1
        missing -= len(drawn)
        if not missing:
            break
    counted: np.ndarray = taken.astype(int)
    return counted
