"""The least time that an image can take in training, from the work and the memory traffic of a network.

The ratio of this floor to the measured time says how well a GPU is used, whatever GPU it is. The floor of an
image is the greater of

- its operations over the card's rate of matrix products in that precision, and
- the bytes that its training step reads and writes over the card's bandwidth,

as if the two overlapped perfectly and everything else were free. Measure both rates on the card itself; do
not take them from its data sheet.

Operations are those of the forward pass, as torch counts them, plus twice as many for the backward pass.
Bytes are counted layer by layer, as kernels for single layers must move them, forward and backward together:

- A convolution or linear layer reads its input and writes its output; reads the output's gradient and writes
  the input's; reads input and output gradient again for the gradient of its weights. Three times each.
- Batch normalisation reads its input for the moments, again to normalise it, and writes; reads the gradient
  and its input for two sums, both again for the gradient of the input, which it writes. Input five times,
  output three times.
- An addition reads and writes once, since its gradient is that of both its inputs. Concatenation and pooling
  read and write once forward and once backward.
- Activations are free, since they can be fused into the layer before them. So are augmentation and the loss.
- Each parameter is read twice, its gradient written, read for the norm, scaled, and used by SGD with
  momentum: 11 times its 4 bytes, once per step.

Activations have 2 bytes in bfloat16. Kernels that fuse several layers, or find the previous layer's output in
a cache, can be faster than this floor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from trainables import models
from trainables.catalogue import DATASETS
from trainables.operations import BACKWARD
from trainables.trial import Trial

TIMES_MOVED: Mapping[str, tuple[int, int]] = {
    "convolution": (3, 3),
    "addmm": (3, 3),
    "native_batch_norm": (5, 3),
    "add": (1, 1),
    "cat": (2, 2),
    "avg_pool2d": (2, 2),
    "max_pool2d_with_indices": (2, 2),
    "_adaptive_avg_pool2d": (2, 2),
}
"""How often a training step reads or writes a layer's activations: its inputs, and its outputs."""

PARAMETER_BYTES = 11 * 4
ACTIVATION_BYTES = {"float32": 4, "bfloat16": 2}

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Rates:
    """Measured rates of a card.

    Attributes:
        bytes_per_second: Read and written together, for a copy within its memory.
        flops_per_second: For a matrix product, by precision.
    """

    bytes_per_second: float
    flops_per_second: Mapping[str, float]


@dataclass(frozen=True)
class Work:
    """Work of training on one image.

    Attributes:
        flops: Operations of the forward pass; a multiplication and an addition count as two.
        activations: Numbers read and written in both passes.
        parameters: Number of parameters of the network.
    """

    flops: float
    activations: float
    parameters: int

    @property
    def training_flops(self) -> float:
        return (1 + BACKWARD) * self.flops

    def moved_bytes(self, precision: Precision, batch_size: int) -> float:
        """Bytes read and written for one image of a batch."""
        return self.activations * ACTIVATION_BYTES[precision] + self.parameters * PARAMETER_BYTES / batch_size

    def floor_seconds(self, rates: Rates, precision: Precision, batch_size: int) -> float:
        """The least time per image."""
        return max(
            self.training_flops / rates.flops_per_second[precision],
            self.moved_bytes(precision, batch_size) / rates.bytes_per_second,
        )


def work(name: str, /, num_classes: int, shape: tuple[int, ...], **params: Any) -> Work:
    """The work of a model on an image of `shape` [C, H, W], counted on a network without values."""
    with torch.device("meta"):
        model = models.build(name, num_classes, input_shape=shape, **params).train()
        with torch.no_grad(), FlopCounterMode(display=False) as counter, _Activations() as activations:
            model(torch.zeros(1, *shape))
    return Work(float(counter.get_total_flops()), activations.moved, _parameters(model))


def work_of(trial: Trial) -> Work | None:
    """The work of a trial's network on an image; None if the data set's mark does not state its shape."""
    spec = DATASETS[trial.dataset.name].spec
    shape, classes = spec.image_shape, spec.classes
    if shape is None or classes is None:
        return None
    return work(trial.model.name, classes, shape, **trial.model.arguments())


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


class _Activations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the activations that pass through the layers, weighted by `TIMES_MOVED`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moved = 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        taken, given = TIMES_MOVED.get(func.overloadpacket.__name__, (0, 0))
        output = result[0] if isinstance(result, tuple) else result
        if taken and isinstance(output, Tensor):
            self.moved += given * output.numel() + taken * sum(map(_numel, _inputs(func, args)))
        return result


def _inputs(func: Callable[..., Any], args: tuple[Any, ...]) -> list[Any]:
    """The activations among a layer's arguments."""
    match func.overloadpacket.__name__:  # type: ignore[attr-defined]
        case "cat":
            return list(args[0])
        case "add":
            return list(args[:2])
        case "addmm":
            return [args[1]]
        case _:
            return [args[0]]


def _numel(value: Any) -> int:
    return value.numel() if isinstance(value, Tensor) else 0
