"""Layers that depend on the whole batch, for workers that each hold a slice of it.

torch's own SyncBatchNorm does not run on a CPU, where several workers are tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class Group(Protocol):
    """The interface of `trainables.training.process_group.DistributedGroup` that the layers use.

    Attributes:
        sharing: Whether the current batch is split; if not, each worker has all of it.
        rows: Rows of the batch on each worker, [size].
    """

    rank: int
    size: int
    sharing: bool
    rows: list[int]

    def all_reduce(self, sums: Tensor) -> Tensor: ...

    def all_gather(self, mine: Tensor, rows: Sequence[int]) -> Tensor: ...


def synchronise(module: nn.Module, group: Group) -> nn.Module:
    """Makes batch normalisation and dropout, at any depth, act on the whole batch.

    Parameters, buffers and their names stay. Other layers that draw random numbers draw the same ones on each
    worker, each for its slice.
    """
    if isinstance(module, _BatchNorm):
        return SynchronisedBatchNorm(module, group)
    if isinstance(module, DROPOUTS):
        return SharedDropout(module, group)
    for name, child in module.named_children():
        setattr(module, name, synchronise(child, group))
    return module


class SharedDropout(nn.Module):
    """A dropout drawn for the whole batch, of which each worker takes its rows: the same as on one worker.

    Inputs with another number of rows than the current batch get a dropout of their own.
    """

    def __init__(self, dropout: nn.Module, group: Group):
        super().__init__()
        self.dropout = dropout
        self.group = group

    def forward(self, values: Tensor) -> Tensor:
        group = self.group
        if not (self.training and group.sharing and len(values) == group.rows[group.rank]):
            dropped: Tensor = self.dropout(values)
            return dropped
        first = sum(group.rows[: group.rank])
        whole = torch.ones(sum(group.rows), *values.shape[1:], dtype=values.dtype, device=values.device)
        factors: Tensor = self.dropout(whole)[first : first + len(values)]
        return values * factors


class SynchronisedBatchNorm(_BatchNorm):
    """Batch normalisation by mean and variance of the whole batch; running statistics as on one worker.

    Args:
        plain: The layer whose parameters and buffers it takes over.
    """

    def __init__(self, plain: _BatchNorm, group: Group):
        super().__init__(
            plain.num_features, plain.eps, plain.momentum, affine=False, track_running_stats=False
        )
        self.affine, self.track_running_stats = plain.affine, plain.track_running_stats
        for name, parameter in plain.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, buffer in plain.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self.train(plain.training)
        self.group = group

    def _check_input_dim(self, input: Tensor) -> None:
        """Accepts any shape [N, C, ...]: the replaced layer was chosen for its shape."""

    def forward(self, values: Tensor) -> Tensor:
        if not (self.training and self.group.sharing):
            return super().forward(values)
        mean, variance, number = self._moments(values)
        if self.track_running_stats:
            self._track(mean, variance, number)
        normalised: Tensor = _Normalised.apply(  # type: ignore[no-untyped-call]
            values, self.weight, self.bias, mean.float(), variance.float(), number, self.eps, self.group
        )
        return normalised

    @torch.no_grad()
    def _moments(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, variance and number of values of each channel over the whole batch, float64 [C]."""
        variance, mean = torch.var_mean(values.float(), _all_but_channels(values), correction=0)
        number = torch.full_like(mean, values.numel() / values.shape[1])
        moments = torch.stack([number, mean, variance]).double().unsqueeze(0)
        numbers, means, variances = self.group.all_gather(moments, [1] * self.group.size).unbind(dim=1)
        total = numbers.sum(dim=0)
        overall = (numbers * means).sum(dim=0) / total
        # Around the overall mean, not each worker's, which avoids a difference of large numbers.
        spread = (numbers * (variances + (means - overall).square())).sum(dim=0) / total
        return overall, spread, total

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, number: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        weight = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), weight)
        self.running_var.lerp_((variance * number / (number - 1)).to(self.running_var), weight)


class _Normalised(torch.autograd.Function):
    """(values - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of the whole batch."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        number: Tensor,
        eps: float,
        group: Group,
    ) -> Tensor:
        ctx.save_for_backward(values, weight, mean, torch.rsqrt(variance + eps), number)
        ctx.group = group
        return functional.batch_norm(values, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, towards: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, mean, scale, number = ctx.saved_tensors
        over, shape = _all_but_channels(values), (1, -1, *[1] * (values.dim() - 2))
        normalised = (values.float() - mean.view(shape)) * scale.view(shape)
        towards = towards.float()
        towards_bias, towards_weight = towards.sum(over), (towards * normalised).sum(over)
        # Each value moves mean and variance, which affect the values of all workers.
        sums = ctx.group.all_reduce(torch.stack([towards_bias, towards_weight]))
        by_bias, by_weight = (sums / number).float()
        towards_values = towards - by_bias.view(shape) - normalised * by_weight.view(shape)
        factor = scale if weight is None else scale * weight
        towards_values = (towards_values * factor.view(shape)).to(values.dtype)
        if weight is None:
            return towards_values, *[None] * 7
        return towards_values, towards_weight, towards_bias, *[None] * 5


def _all_but_channels(values: Tensor) -> list[int]:
    return [0, *range(2, values.dim())]
