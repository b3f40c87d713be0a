"""Gradients of losses that hold factors constant, checked with those factors frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

STEP = 1e-6
RELATIVE, ABSOLUTE = 1e-3, 1e-5
"""As torch.autograd.gradcheck has them."""

DETACHING = {torch.Tensor.detach, torch.detach, torch.Tensor.data.__get__}  # type: ignore[attr-defined]


class _Constants(TorchFunctionMode):
    """Keeps the tensors through which no gradient flows, or puts kept ones in their places.

    These are the results of `detach`, and of anything computed without gradients.
    """

    def __init__(self, kept: list[Tensor] | None = None):
        super().__init__()
        self.found: list[Tensor] = []
        self.kept = kept

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        constant = func in DETACHING or not torch.is_grad_enabled()
        if not (constant and isinstance(result, Tensor) and result.is_floating_point()):
            return result
        self.found.append(result.clone())
        return result if self.kept is None else self.kept[len(self.found) - 1].clone()


def difference(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, labels: Tensor) -> str | None:
    """Tells where the gradient is not that of the loss with its constant factors frozen; None if nowhere.

    Args:
        logits: float64 [N, K].
    """
    at = logits.clone().requires_grad_()
    with _Constants() as constants:
        value = loss(at, labels)
    if not constants.found:
        return "the spec declares stop_gradient, but the loss detaches nothing"
    (gradient,) = torch.autograd.grad(value, at)

    def frozen(moved: Tensor) -> float:
        with _Constants(constants.found):
            value = loss(moved.clone().requires_grad_(), labels)
        return value.item()

    for n, k in torch.cartesian_prod(*map(torch.arange, logits.shape)).tolist():
        step = torch.zeros_like(logits)
        step[n, k] = STEP
        slope = (frozen(logits + step) - frozen(logits - step)) / (2 * STEP)
        if abs(slope - gradient[n, k].item()) > ABSOLUTE + RELATIVE * abs(slope):
            return (
                f"with the detached factors frozen, the slope in logit [{n}, {k}] is {slope:.6g}, but the "
                f"gradient {gradient[n, k].item():.6g}"
            )
    return None
