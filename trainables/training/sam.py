"""Sharpness-aware minimisation: the gradient of a step is taken where the loss nearby is greatest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

SMALLEST_NORM = 1e-12
"""Added to the norm of the gradient, as in the code of the authors."""


@contextmanager
def moved(parameters: Iterable[nn.Parameter], rho: float, kept: Iterable[Tensor]) -> Iterator[None]:
    """Inside this context the weights w are w + rho * g / ||g||, where g is their gradient.

    Foret et al., 'Sharpness-Aware Minimization for Efficiently Improving Generalization' (ICLR 2021),
    equation 2, with the norm over all parameters. g is the gradient of the loss alone, without weight decay.

    Args:
        kept: Buffers that keep their values, such as running statistics: only the pass at w moves them.
    """
    trained: list[Tensor] = [parameter for parameter in parameters if parameter.grad is not None]
    gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
    fixed = [*trained, *kept]
    with torch.no_grad():
        scale = rho / (nn.utils.get_total_norm(gradients) + SMALLEST_NORM)
        # Copies, since subtracting the same again would round.
        own = [tensor.clone() for tensor in fixed]
        torch._foreach_add_(trained, list(torch._foreach_mul(gradients, scale)))
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(fixed, own)
