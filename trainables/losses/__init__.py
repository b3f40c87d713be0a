"""Training losses, one file each. To add one, write a file with a class marked `@register("name")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.catalogue import LOSSES

if TYPE_CHECKING:
    from trainables.losses.base import Loss


def build(name: str, **params: Any) -> Loss:
    """Builds the loss `name`: an `nn.Module` with `loss(logits [N, K], labels [N]) -> scalar`.

    Args:
        name: A registered name.
        params: Parameters of the loss, and `reduction="sum"` (default) or `"mean"` over the batch.

    Raises:
        ConfigurationError: The name or a parameter is unknown. The message suggests the nearest one.
    """
    loss: Loss = LOSSES.build(name, **params)
    return loss
