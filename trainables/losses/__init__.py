"""Training losses, one file each. A new one is a new file here with a class marked `@register("name")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.catalogue import LOSSES

if TYPE_CHECKING:
    from trainables.losses.base import Loss


def build(name: str, **params: Any) -> Loss:
    """The loss called `name`: an `nn.Module` with `loss(logits [N, K], labels [N]) -> scalar`.

    Args:
        params: The loss's own parameters, and `reduction="sum"` (default) or `"mean"` over the batch.

    Raises:
        ConfigurationError: An unknown name or parameter, with the nearest right one.
    """
    loss: Loss = LOSSES.build(name, **params)
    return loss
