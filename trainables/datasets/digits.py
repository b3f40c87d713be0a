"""The handwritten digits included in scikit-learn: real images without a download."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch

from trainables.datasets.base import Dataset, Split
from trainables.datasets.published_tables import included
from trainables.datasets.stratified import stratified_split
from trainables.errors import ConfigurationError
from trainables.registry import register

SPLIT_SEED = 1
"""The split is fixed: it does not depend on a trial's seed."""


@register(
    "digits",
    spec={"input": "image", "image_size": 8, "channels": 1, "classes": 10, "samples": [300, 300, 1197]},
)
class Digits(Dataset):
    """1,797 handwritten digits with 8 x 8 pixels (Alpaydin and Kaynak, UCI 1998), split stratified by class.

    The default training part is small, so that the error stays at some percent and differences in calibration
    are visible. All remaining images form the test part.

    Args:
        root: Unused: the images come with scikit-learn.
        training_samples: Size of the training part.
        validation_samples: Size of the validation part.

    Raises:
        ConfigurationError: No images would remain for the test part.
        DataError: scikit-learn or its images are missing.
    """

    def __init__(self, root: Path, training_samples: int = 300, validation_samples: int = 300):
        pixels, labels = _published()
        total = len(labels)
        if (
            min(training_samples, validation_samples) < 10
            or training_samples + validation_samples > total - 10
        ):
            raise ConfigurationError(
                f"digits has {total} images of 10 classes: training_samples ({training_samples}) and "
                f"validation_samples ({validation_samples}) must each be at least 10 and leave 10."
            )
        rest, train = stratified_split(labels, training_samples, SPLIT_SEED)
        test, validation = (
            rest[part] for part in stratified_split(labels[rest], validation_samples, SPLIT_SEED)
        )
        # Scales pixels from 0..16 to -1..1, as the initialisation of networks expects.
        images = torch.from_numpy(pixels / 8 - 1).float().reshape(total, 1, 8, 8)
        classes = torch.from_numpy(labels)

        def part(ids: np.ndarray) -> Split:
            chosen = torch.from_numpy(np.sort(ids))
            return Split(images[chosen], classes[chosen], chosen)

        super().__init__(part(train), part(validation), part(test), num_classes=10, input_shape=(1, 8, 8))


@functools.cache
def _published() -> tuple[np.ndarray, np.ndarray]:
    """Pixels [1797, 64] from 0 to 16, float64, and classes [1797], int64, from scikit-learn's file.

    Read without importing scikit-learn, which would take seconds in each process.
    """
    table = included("digits.csv.gz", "digits", header=False)
    return table[:, :-1], table[:, -1].astype(np.int64)
