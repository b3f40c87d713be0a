"""The stage that trains the last layer of a network alone, on features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainables.datasets.base import Dataset, Split
from trainables.errors import ConfigurationError
from trainables.training.curves import last_linear
from trainables.training.execution import Execution
from trainables.trial import TrainingSettings


def last_layer(model: nn.Module, device: torch.device, settings: TrainingSettings) -> Execution:
    """The forward pass of the last linear layer of a network."""
    layer = last_linear(model)
    assert layer is not None, "features_of finds one"
    # One small product: nothing to gain from the compiler.
    return Execution(layer, device, dataclasses.replace(settings, compile=False), shape=None)


def of_features(dataset: Dataset, train: Split) -> Dataset:
    """The data set with features as its training part, which are not augmented."""
    return Dataset(
        train,
        dataset.validation,
        dataset.test,
        dataset.num_classes,
        training_classes=dataset.training_classes,
    )


@torch.no_grad()
def features_of(execution: Execution, part: Split, on_batch: Callable[[], object]) -> Split:
    """The inputs of the last linear layer for each sample, float32 [N, D], in place of the inputs.

    Args:
        execution: Of the whole network.
        on_batch: Called after each batch.

    Raises:
        ConfigurationError: The outputs do not come from a linear layer with a vector for each sample.
    """
    model = execution.model
    layer = last_linear(model)
    if layer is None:
        raise _without_features()
    found: list[Tensor] = []
    features = []
    model.eval()
    hook = layer.register_forward_hook(lambda _, inputs, outputs: found.extend((inputs[0], outputs)))
    try:
        everything = torch.arange(len(part), device=part.labels.device)
        for indices in torch.split(everything, execution.evaluation_batch):
            found.clear()
            outputs = execution.logits(part.batch(indices)[0])
            if len(found) != 2 or found[1] is not outputs or found[0].shape[:-1] != indices.shape:
                raise _without_features()
            features.append(found[0].float())
            on_batch()
    finally:
        hook.remove()
    return Split(torch.cat(features), part.labels, part.sample_ids)


def _without_features() -> ConfigurationError:
    return ConfigurationError(
        "samplers of features need a network whose outputs come from a linear layer, with one vector for "
        "each sample."
    )
