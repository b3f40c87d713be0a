"""Handwritten digits that scikit-learn carries: real images without a download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from trainables.datasets.base import Dataset, Split
from trainables.errors import ConfigurationError
from trainables.registry import register

SPLIT_SEED = 1
"""The split is the data set's own: no seed of a trial changes it."""


@register(
    "digits",
    facts={"input": "image", "image_size": 8, "channels": 1, "classes": 10, "samples": [300, 300, 1197]},
)
class Digits(Dataset):
    """1,797 handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak, UCI 1998), split stratified by class.

    The training part is small by default, so that errors of some percent remain and calibration has
    something to show; what is neither training nor validation is the test part.

    Args:
        root: Not used: the images come with scikit-learn.
        training_samples: Images to train on.
        validation_samples: Images to choose the temperature on.

    Raises:
        ConfigurationError: Parts that leave nothing for the test.
    """

    def __init__(self, root: Path, training_samples: int = 300, validation_samples: int = 300):
        digits = load_digits()
        total = len(digits.target)
        if (
            min(training_samples, validation_samples) < 10
            or training_samples + validation_samples > total - 10
        ):
            raise ConfigurationError(
                f"digits has {total} images of 10 classes: training_samples ({training_samples}) and "
                f"validation_samples ({validation_samples}) need at least 10 each and must leave 10."
            )
        rest, train = train_test_split(
            np.arange(total), test_size=training_samples, stratify=digits.target, random_state=SPLIT_SEED
        )
        test, validation = train_test_split(
            rest, test_size=validation_samples, stratify=digits.target[rest], random_state=SPLIT_SEED
        )
        # Pixels are 0 to 16; -1 to 1 is what the networks' initialisation expects.
        images = torch.from_numpy(digits.images / 8 - 1).float().unsqueeze(1)
        labels = torch.from_numpy(digits.target.astype(np.int64))

        def part(ids: np.ndarray) -> Split:
            chosen = torch.from_numpy(np.sort(ids))
            return Split(images[chosen], labels[chosen], chosen)

        super().__init__(part(train), part(validation), part(test), num_classes=10, input_shape=(1, 8, 8))
