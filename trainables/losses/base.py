"""Base class of all losses."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from trainables.errors import ConfigurationError

Reduction = Literal["sum", "mean"]


class Loss(nn.Module):
    """A training loss `loss(logits [N, K], labels [N]) -> scalar`.

    A subclass implements `per_sample`, or `forward` if the loss is not a sum over samples. State that changes
    during training must be a buffer, so that checkpoints contain it. A loss must not read a tensor's value on
    the host (`.item()`, `if tensor`), which would synchronise a GPU at each step.

    A loss that needs more says so in its signatures. `__init__` may name `class_counts` (how many labels of
    each class are trained on, int64 [K]); `per_sample` or `forward`, after logits and labels, `sample_ids`
    (int64 [N], where each sample has one label) and whatever else its task has.

    Args:
        reduction: 'sum' or 'mean' over the batch; which of the two is the protocol's choice.
    """

    def __init__(self, reduction: Reduction = "sum"):
        super().__init__()
        if reduction not in ("sum", "mean"):
            raise ConfigurationError(f"reduction must be 'sum' or 'mean', not {reduction!r}.")
        self.reduction = reduction

    def per_sample(self, logits: Tensor, labels: Tensor, *args: Any, **context: Any) -> Tensor:
        """The loss of each sample, shape [N]."""
        raise NotImplementedError

    def forward(self, logits: Tensor, labels: Tensor, *args: Any, **context: Any) -> Tensor:
        """The loss of a batch, a scalar, from logits [N, K] and labels [N] (int64)."""
        losses = self.per_sample(logits, labels, *args, **context)
        return losses.sum() if self.reduction == "sum" else losses.mean()

    def on_network(self, network: nn.Module) -> None:
        """Called once, before the first epoch, with the network as it starts: for losses that change it."""

    def logits(self, outputs: Tensor) -> Tensor:
        """Logits [N, K] whose softmax gives the probabilities, from the outputs [N, K] of the network.

        They are measured, stored and scored in place of the outputs. `per_sample` and `forward` get outputs.
        """
        return outputs

    def on_epoch_start(self, epoch: int, epochs: int) -> None:
        """Called before epoch `epoch` (from 0) of `epochs`: for schedules."""

    def on_validation(self, logits: Tensor, labels: Tensor) -> None:
        """Called after each epoch with the validation logits [N, K] and labels [N]: for losses that adapt."""
