"""The last layer of a network, for losses that change it."""

from __future__ import annotations

from torch import nn

from trainables.errors import ConfigurationError
from trainables.training.curves import last_linear


def of(network: nn.Module, loss: str) -> nn.Linear:
    """The layer that computes the outputs.

    Raises:
        ConfigurationError: There is no linear one; the message names `loss`.
    """
    layer = last_linear(network)
    if layer is None:
        raise ConfigurationError(f"{loss} changes the last linear layer, but the network has none.")
    return layer


def put(network: nn.Module, layer: nn.Linear) -> None:
    """Puts a layer in the place of the last linear one."""
    old = last_linear(network)
    name = next(name for name, module in network.named_modules() if module is old)
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, layer)
