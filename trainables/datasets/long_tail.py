"""Makes the classes of any data set of classification unequal: CIFAR-10-LT from CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.datasets.base import Dataset, Split
from trainables.errors import ConfigurationError
from trainables.imbalance import BALANCED, class_sizes, largest_of, validation_sizes

SPLIT_SEED = 1
"""Of data sets without a seed of their own. The choice does not depend on a trial's seed."""


def in_form(dataset: Dataset, where: str, params: Mapping[str, Any]) -> Dataset:
    """The data set with training and validation part in the long-tailed form. The test part stays.

    The samples come from both parts if the validation part was drawn from the training samples; each class is
    then divided by the original share of the validation part. With `validation_form` 'balanced' the training
    part is the same, but the validation part has equally many samples of each class, outside it: as many as
    the first class has left, and no more than without the form. A validation part of its own stays as it is,
    or with 'longtail' has the same form. A smaller factor adds samples to those of a larger one.

    Args:
        where: The data set, for messages.
        params: Its parameters, with `imbalance`, `factor` and `validation_form`; `split_seed` if it has one.

    Raises:
        ConfigurationError: A class has too few samples, or samples have several labels each.
    """
    train, validation = dataset.train, dataset.validation
    if len(train.trained_labels()) != len(train):
        raise ConfigurationError(f"{where}: imbalance needs samples with one label each.")
    classes, seed = dataset.num_classes, params.get("split_seed", SPLIT_SEED)
    balanced = params["validation_form"] == BALANCED
    if not dataset.held_out:
        chosen = _of_sizes(_shuffled([train], classes, seed), where, params, least=1)
        other = validation
        if not balanced:
            sizes = _of_sizes(_shuffled([validation], classes, seed), where, params, least=1)
            other = validation.chosen(_ascending(sizes))
        dataset.redivide(train.chosen(_ascending(chosen)), other)
        return dataset
    positions = _shuffled([train, validation], classes, seed)
    # A balanced validation part needs none of the rarest class's own samples.
    chosen = _of_sizes(positions, where, params, least=1 if balanced else 2)
    held_out = validation_sizes(list(map(len, chosen)), len(validation) / (len(train) + len(validation)))
    training = [of[size:] for of, size in zip(chosen, held_out, strict=True)]
    validating = [of[:size] for of, size in zip(chosen, held_out, strict=True)]
    if balanced:
        # Of a frequent class only its own validation samples are outside the training part.
        left = [
            np.concatenate([v, p[len(c) :]]) for v, p, c in zip(validating, positions, chosen, strict=True)
        ]
        each = min(max(1, len(validation) // classes), *map(len, left))
        if not each:
            label = list(map(len, left)).index(0)
            raise ConfigurationError(
                f"{where}: validation_form: balanced needs a sample of class {label} beside the "
                "training part, but there is none: lower factor."
            )
        validating = [of[:each] for of in left]
    dataset.redivide(*(_joined(train, validation, _ascending(of)) for of in (training, validating)))
    return dataset


def _shuffled(parts: Sequence[Split], classes: int, seed: int) -> list[np.ndarray]:
    """Positions in the joined parts of the samples of each class, in random order."""
    labels = np.concatenate([part.labels.numpy() for part in parts])
    ids = np.concatenate([part.sample_ids.numpy() for part in parts])
    generator = np.random.RandomState(seed)  # NumPy guarantees that its stream never changes
    # From the published order, so that the choice does not depend on the division.
    order = np.argsort(ids, kind="stable")
    return [generator.permutation(order[labels[order] == label]) for label in range(classes)]


def _of_sizes(
    positions: Sequence[np.ndarray], where: str, params: Mapping[str, Any], least: int
) -> list[np.ndarray]:
    """The first positions of each class, in the sizes of the form.

    Raises:
        ConfigurationError: A class would have fewer than `least`.
    """
    form, factor, available = params["imbalance"], params["factor"], list(map(len, positions))
    if sum(available) < len(available):
        raise ConfigurationError(
            f"{where}: imbalance: {form} needs samples of each class, but there are {len(available)} classes "
            f"and {sum(available)} samples."
        )
    if not all(available):
        raise ConfigurationError(
            f"{where}: imbalance: {form} needs samples of each class, but there are none of class "
            f"{available.index(0)}."
        )
    largest = largest_of(form, factor, available)
    sizes = class_sizes(form, factor, largest, len(available))
    if min(sizes) < least:
        raise ConfigurationError(
            f"{where}: factor {factor:g} with imbalance: {form} leaves {min(sizes)} samples of class "
            f"{sizes.index(min(sizes))} beside {largest} of class 0, but at least {least} are needed: lower "
            "factor."
        )
    return [of[:size] for of, size in zip(positions, sizes, strict=True)]


def _ascending(positions: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.sort(np.concatenate(positions)))


def _joined(train: Split, validation: Split, positions: Tensor) -> Split:
    """The samples at these ascending positions in both parts, in the order of their ids."""
    # Chosen before they are joined: both parts together may be large.
    found = train.chosen(positions[positions < len(train)]).followed_by(
        validation.chosen(positions[positions >= len(train)] - len(train))
    )
    return found.chosen(torch.argsort(found.sample_ids))
