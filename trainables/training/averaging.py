"""Averages of a network's weights over its training, which are evaluated in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn, update_bn

from trainables.training.schedule import first_averaged_epoch
from trainables.trial import TrainingSettings


class Averaging:
    """The exponential moving average of the weights (EMA), or their mean over the last epochs (SWA).

    EMA follows each step: average <- decay * average + (1 - decay) * weights, of parameters and real-valued
    buffers, beginning with the weights after the first step (the teacher of Tarvainen and Valpola, NeurIPS
    2017; buffers as by timm and torchvision's training script). SWA is the mean of the parameters after each
    epoch from `swa_start` on; a pass over the training part computes the statistics of batch normalisation
    anew (Izmailov et al., 'Averaging Weights Leads to Wider Optima and Better Generalization', UAI 2018).
    Other buffers are the latest.

    Attributes:
        number: How many weights are averaged.
    """

    def __init__(self, settings: TrainingSettings, model: nn.Module):
        self.every_step = settings.ema_decay is not None
        self.first_epoch = 0 if self.every_step else first_averaged_epoch(settings)
        parameters, buffers = list(model.parameters()), list(model.buffers())
        self.model, self.buffers = model, len(parameters)
        self.tensors = [tensor.detach() for tensor in (*parameters, *buffers)]
        self.averaged: list[torch.Tensor] = []
        self.number = 0
        if settings.ema_decay is not None:
            self._mean = get_ema_multi_avg_fn(settings.ema_decay)  # type: ignore[no-untyped-call]
            # An average of whole numbers would be cut off.
            means = [tensor.is_floating_point() for tensor in self.tensors]
        else:
            self._mean = get_swa_multi_avg_fn()  # type: ignore[no-untyped-call]
            means = [position < self.buffers for position in range(len(self.tensors))]
        self._means = [position for position, mean in enumerate(means) if mean]
        self._latest = [position for position, mean in enumerate(means) if not mean]

    def after_step(self) -> None:
        if self.every_step:
            self._add()

    def after_epoch(self, epoch: int, model: nn.Module, inputs: Iterable[Any]) -> None:
        """Adds the weights after an epoch to SWA.

        Args:
            model: Calls the network as in training.
            inputs: The batches of the training part, in lists of one. They are read only for batch
                normalisation.
        """
        if self.every_step or epoch < self.first_epoch:
            return
        self._add()
        with self.in_place():
            update_bn(inputs, model)
            for average, renewed in zip(
                self.averaged[self.buffers :], self.tensors[self.buffers :], strict=True
            ):
                average.copy_(renewed)

    @torch.no_grad()
    def _add(self) -> None:
        if self.number == 0:
            self.averaged = [tensor.clone() for tensor in self.tensors]
        else:
            averaged = [self.averaged[position] for position in self._means]
            self._mean(averaged, [self.tensors[position] for position in self._means], self.number)
            for position in self._latest:
                self.averaged[position].copy_(self.tensors[position])
        self.number += 1

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside this context the network has the averaged weights, if there are any yet."""
        if self.number == 0:
            yield
            return
        # In place, since optimisers, compiled steps and recorded graphs refer to these very tensors.
        own = [tensor.clone() for tensor in self.tensors]
        torch._foreach_copy_(self.tensors, self.averaged)
        try:
            yield
        finally:
            torch._foreach_copy_(self.tensors, own)

    def state(self) -> dict[str, Any]:
        return {"number": self.number, "averaged": self.averaged}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.number = state["number"]
        pairs = zip(self.tensors, state["averaged"], strict=True) if self.number else ()
        self.averaged = [torch.empty_like(tensor).copy_(value) for tensor, value in pairs]
