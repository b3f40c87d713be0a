"""Networks of other libraries: their weights from a local file, and a check that they take the images."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from trainables.errors import ConfigurationError, DataError

OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
"""torchvision's files for DenseNet have the names of its first version."""
SHOWN = 3


def load_weights(network: nn.Module, path: Path, ignored: tuple[str, ...] = ()) -> None:
    """Loads weights from a local file into all layers but the last, whose classes are other ones.

    Args:
        path: A state dict by `torch.save`, or safetensors.
        ignored: Beginnings of names that the file may have beyond those of the network.

    Raises:
        DataError: The file cannot be read, or its names or shapes are not those of the network.
    """
    state = _renamed(_read(path))
    last = last_layer(network)
    expected = {name: value for name, value in network.state_dict().items() if not _within(name, last)}
    wrong = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    # Files of older versions lack the counters of batch normalisation.
    wrong = [name for name in wrong if name in state or not name.endswith("num_batches_tracked")]
    wrong += [
        name
        for name in state
        if name not in expected and not _within(name, last) and not name.startswith(ignored or ("\0",))
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise DataError(f"{path} does not fit the network: {', '.join(wrong[:SHOWN])}{more}.")
    # On the meta device, where networks are only counted and checked, there are no values.
    if not any(value.is_meta for value in expected.values()):
        network.load_state_dict({name: state[name] for name in expected if name in state}, strict=False)


def last_layer(network: nn.Module) -> str:
    """The name of the layer that makes the logits: the last linear or convolutional one."""
    layers = (name for name, part in network.named_modules() if isinstance(part, nn.Linear | nn.Conv2d))
    *_, last = layers
    return str(last)


def check_images(network: nn.Module, name: str, shape: tuple[int, ...], num_classes: int) -> None:
    """Checks that a network takes images of this shape, without computing anything.

    Raises:
        ConfigurationError: It does not.
    """
    images = " x ".join(map(str, shape))
    if len(shape) != 3:
        raise ConfigurationError(f"{name} takes images, not inputs of shape {images}.")
    before = {part: part.training for part in network.modules()}
    state = {key: value.to("meta") for key, value in network.state_dict().items()}
    try:
        with torch.no_grad():
            outputs = torch.func.functional_call(network.eval(), state, torch.empty(2, *shape, device="meta"))
        reason = "" if outputs.shape == (2, num_classes) else f"its output has shape {tuple(outputs.shape)}"
    except Exception as error:
        # Whatever the layers of a library raise for sizes that they do not fit.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    for part, training in before.items():
        part.training = training
    if reason:
        raise ConfigurationError(f"{name} does not take images of {images}: {reason}.")


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except ImportError as error:
        raise ConfigurationError(f"{path} needs the package safetensors.") from error
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"{path} has no readable weights: {str(error).splitlines()[0]}") from error
    except Exception as error:
        # safetensors has an exception of its own, without a base class but Exception.
        raise DataError(f"{path} has no readable weights: {error}") from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path} is not a state dict: save it as torch.save(network.state_dict(), ...).")
    return state


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {OLD_DENSENET.sub(r"\1\2", name): value for name, value in state.items()}


def _within(name: str, layer: str) -> bool:
    return name.startswith(f"{layer}.")
