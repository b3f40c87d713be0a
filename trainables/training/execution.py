"""How a device runs a trial's model: the same mathematics everywhere, on a GPU in the fastest way it has."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainables.trial import TrainingSettings

EVALUATION_BATCH = 1024
"""Samples of one forward pass where no gradient is needed. Fixed, since rounding may depend on it."""

GPU_EVALUATION_PIXELS = 2**21
SMALLEST_GPU_EVALUATION_BATCH = 256
"""On a GPU such a pass takes 2048 images of 32 x 32 pixels and fewer larger ones: enough to fill the GPU, and
less memory than a training step keeps for its backward pass."""


class Execution:
    """Forward passes of a model on its device, in the precision that its trial asks for.

    On a CPU: torch's ordinary kernels, contiguous tensors. On a GPU, for networks of convolutions:

    - bfloat16 runs in the memory format channels_last, which tensor cores read. float32 does not use them
      (see `use_ieee_float32`) and stays contiguous.
    - Evaluation takes larger batches.
    - A network that allows it has its forward and its backward pass recorded once as CUDA graphs, which are
      replayed for each batch: the same kernels, without the time to launch each of a thousand from Python.

    Where the trial's settings say `compile`, its training step is compiled, and the compiler replays it. Only
    batches of full size are compiled or replayed: doing so once more for the last, smaller batch would cost
    more than one eager step an epoch ever does. Evaluation never is: its large batches keep a GPU busy, and
    hooks see every layer. Nor are trials of several workers, whose layers talk to each other.

    Args:
        model: On `device` already; its parameters are changed in place to the memory format.
        shape: Of a sample, as the data set has it.
        together: Whether several workers train the model as one.
        replayable: Whether the model does the same at each call: no random numbers, nothing that it keeps
            outside of its buffers or reads from the device. Its mark says so (fact `replayable`).

    Attributes:
        channels_last: Whether image batches are brought to that memory format.
        compiled: The model, compiled; None where it is not.
        replays: Whether full training batches replay CUDA graphs.
        evaluation_batch: Samples of one forward pass without gradient.
    """

    def __init__(
        self,
        model: nn.Module,
        device: torch.device,
        settings: TrainingSettings,
        shape: tuple[int, ...] | None,
        together: bool = False,
        replayable: bool = False,
    ):
        self.model = model
        self.device = device
        self.bfloat16 = settings.precision == "bfloat16"
        self.full_batch: int | None = None
        self.channels_last, self.evaluation_batch = False, EVALUATION_BATCH
        if device.type == "cuda":
            use_ieee_float32()
            # Trying cuDNN's algorithms would choose another one in each process, by a hair's breadth in time:
            # the same trial would not give the same bytes twice.
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True
            if shape is not None and len(shape) == 3 and convolves(model):
                self.channels_last, self.evaluation_batch = self.bfloat16, gpu_evaluation_batch(shape)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.compiled: Callable[[Any], Tensor] | None = None
        if settings.compile and not together:
            self.compiled = compiled(model, device, self.channels_last)
        self.replays = replayable and self.compiled is None and device.type == "cuda" and not together
        self.replayed: Callable[[Tensor], Tensor] | None = None

    @property
    def description(self) -> str:
        """For a trial's provenance: what here may change the rounding of its numbers."""
        memory_format = "channels_last" if self.channels_last else "contiguous"
        return f"{'eager' if self.compiled is None else 'compiled'}, {memory_format}"

    def training_logits(self, inputs: Any) -> Tensor:
        """Logits [B, K] of a training batch, in the precision of the forward pass.

        Where the step is compiled or replayed they are gone with the next call: what is to be kept has to be
        copied.
        """
        if not isinstance(inputs, Tensor) or (self.compiled is None and not self.replays):
            return self.logits(inputs)
        # The first batch of an epoch is of full size, also where workers share it.
        self.full_batch = self.full_batch or len(inputs)
        if len(inputs) != self.full_batch:
            return self.logits(inputs)
        if self.replays:
            if self.replayed is None:
                self.replayed = replayed(TrainingPass(self), inputs)
            return self.replayed(inputs)
        assert self.compiled is not None
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return self.forward(inputs, self.compiled)

    def logits(self, inputs: Any) -> Tensor:
        """Logits [B, K] in the precision of the forward pass, of the model as it stands."""
        return self.forward(inputs, self.model)

    def forward(self, inputs: Any, model: Callable[[Any], Tensor], keep_casts: bool = True) -> Tensor:
        """Logits [B, K] of a model called in the right precision and memory format.

        Args:
            keep_casts: Whether weights that were cast to bfloat16 once in this pass are not cast again.
        """
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.bfloat16, cache_enabled=keep_casts
        ):
            return model(inputs)


class TrainingPass(nn.Module):
    """A training batch's way through a model, as the module that torch records."""

    def __init__(self, execution: Execution):
        super().__init__()
        self.model = execution.model
        self._execution = execution

    def forward(self, inputs: Tensor) -> Tensor:
        # A graph that found casts in the cache would not make them anew from the weights as they are then.
        return self._execution.forward(inputs, self.model, keep_casts=False)


def replayed(training_pass: TrainingPass, inputs: Tensor) -> Callable[[Tensor], Tensor]:
    """Records a pass and its backward pass as CUDA graphs; calling what is returned replays them.

    Recording takes some passes of its own, of which the model's buffers and torch's random numbers keep
    nothing. What is returned takes batches of that shape only.
    """
    kept = [(buffer, buffer.clone()) for buffer in training_pass.buffers()]
    random = torch.cuda.get_rng_state(inputs.device)
    with warnings.catch_warnings():
        # That cuBLAS finds no context in a thread that is new.
        warnings.simplefilter("ignore")
        # Of the batch a copy: each batch to come is written into it.
        replaying = torch.cuda.make_graphed_callables(training_pass, (inputs.clone(),))
    # Gradients come from the stream of the recording. torch waits for it, and warns of that.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    with torch.no_grad():
        for buffer, value in kept:
            buffer.copy_(value)
    torch.cuda.set_rng_state(random, inputs.device)
    return cast("Callable[[Tensor], Tensor]", replaying)


def convolves(model: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) for module in model.modules())


def gpu_evaluation_batch(shape: tuple[int, ...]) -> int:
    """Images of shape [C, H, W] that one forward pass without gradient takes on a GPU."""
    return max(SMALLEST_GPU_EVALUATION_BATCH, GPU_EVALUATION_PIXELS // math.prod(shape[1:]))


def use_ieee_float32() -> None:
    """From here on float32 means float32 on a GPU: no TF32, whose products have a mantissa of 10 bits.

    torch itself allows TF32 in convolutions, not in matrix products. For speed, ask for bfloat16 by
    name; `precision: float32` is what the benchmarks' numbers are compared with.
    """
    # These two names and not the newer `fp32_precision`: after they are set both can be read, the other way
    # round torch refuses to tell the older ones, which its own compiler asks for.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def compiled(model: nn.Module, device: torch.device, channels_last: bool) -> Callable[[Any], Tensor]:
    """The model's forward pass, and its backward pass, as fused kernels that a GPU replays as CUDA graphs.

    Parameters and buffers stay the model's own. It must be called with one shape only.
    """
    # A reused process has compiled the networks of other trials: torch gives up on a function that it has
    # compiled for eight of them, and would hold on to their memory.
    torch.compiler.reset()
    options: dict[str, str | int | bool | Callable[..., Any]] = {
        "triton.cudagraphs": device.type == "cuda",
        "layout_optimization": channels_last,
    }
    return torch.compile(model, dynamic=False, options=options)


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
