"""How a device runs a trial's model: the same mathematics everywhere, in the fastest way on a GPU."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainables.trial import TrainingSettings

EVALUATION_BATCH = 1024
"""Samples per forward pass without gradient. Fixed, since rounding may depend on it."""

GPU_EVALUATION_PIXELS = 2**21
SMALLEST_GPU_EVALUATION_BATCH = 256
"""On a GPU such a pass takes 2048 images of 32 x 32 pixels, or fewer larger ones: enough to fill the GPU,
with less memory than a training step keeps for its backward pass."""


class Execution:
    """Forward passes of a model on its device, in the precision of its trial.

    Convolutional networks read images in the memory format of their trial's settings. On a GPU, moreover:

    - bfloat16 uses the memory format channels_last, which tensor cores read. float32 does not use them
      (see `use_ieee_float32`).
    - Evaluation uses larger batches.
    - If a network allows it, its forward and backward pass are recorded once as CUDA graphs and replayed for
      each batch: the same kernels, without launching a thousand of them from Python.

    With the setting `compile`, the training step is compiled, and the compiler replays it. Only full batches
    are compiled or replayed: doing so for the last, smaller batch would cost more than its one eager step per
    epoch. Evaluation is never compiled: its large batches keep a GPU busy, and hooks see every layer. Trials
    of several workers are not compiled either, because their layers communicate.

    Args:
        model: Must be on `device`; its parameters are converted in place to the memory format.
        shape: Shape of a sample in the data set.
        together: Whether several workers train the model together.
        replayable: Whether the model does the same in each call: no random numbers, no state outside of its
            buffers, no values read from the device. Its mark says so (spec `replayable`).

    Attributes:
        channels_last: Whether image batches are converted to that memory format.
        compiled: The compiled model; None if it is not compiled.
        replays: Whether full training batches replay CUDA graphs.
        evaluation_batch: Samples per forward pass without gradient.
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
        convolutional = shape is not None and len(shape) == 3 and convolves(model)
        self.channels_last = convolutional and settings.memory_format == "channels_last"
        self.evaluation_batch = EVALUATION_BATCH
        if device.type == "cuda":
            use_ieee_float32()
            # Benchmarking cuDNN's algorithms would choose another one in each process, on tiny differences in
            # time: a repeated trial would not produce the same bytes.
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True
            if shape is not None and convolutional:
                self.channels_last = self.channels_last or self.bfloat16
                self.evaluation_batch = gpu_evaluation_batch(shape)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.compiled: Callable[[Any], Tensor] | None = None
        if settings.compile and not together:
            self.compiled = compiled(model, device, self.channels_last)
        self.replays = replayable and self.compiled is None and device.type == "cuda" and not together
        self.replayed: Callable[[Tensor], Tensor] | None = None

    @property
    def description(self) -> str:
        """For provenance: the parts of the execution that may change rounding."""
        memory_format = "channels_last" if self.channels_last else "contiguous"
        return f"{'eager' if self.compiled is None else 'compiled'}, {memory_format}"

    def training_logits(self, inputs: Any) -> Tensor:
        """Logits [B, K] of a training batch, in the precision of the forward pass.

        If the step is compiled or replayed, the next call overwrites them: copy logits that must be kept.
        """
        if not isinstance(inputs, Tensor) or (self.compiled is None and not self.replays):
            return self.logits(inputs)
        # The first batch of an epoch has full size, also when workers share it.
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
        """Logits [B, K] of the current model, in the precision of the forward pass."""
        return self.forward(inputs, self.model)

    def forward(self, inputs: Any, model: Callable[[Any], Tensor], keep_casts: bool = True) -> Tensor:
        """Logits [B, K] of a model, called in the right precision and memory format.

        Args:
            keep_casts: Whether to cast each weight to bfloat16 only once in this pass.
        """
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.bfloat16, cache_enabled=keep_casts
        ):
            return model(inputs)


class TrainingPass(nn.Module):
    """The forward pass of a training batch, as the module that torch records."""

    def __init__(self, execution: Execution):
        super().__init__()
        self.model = execution.model
        self._execution = execution

    def forward(self, inputs: Tensor) -> Tensor:
        # A graph that found casts in the cache would not repeat them for the changed weights.
        return self._execution.forward(inputs, self.model, keep_casts=False)


def replayed(training_pass: TrainingPass, inputs: Tensor) -> Callable[[Tensor], Tensor]:
    """Records a pass and its backward pass as CUDA graphs, and returns a function that replays them.

    Recording runs a few passes; the model's buffers and torch's random numbers are restored afterwards. The
    returned function accepts batches of the same shape only.
    """
    kept = [(buffer, buffer.clone()) for buffer in training_pass.buffers()]
    random = torch.cuda.get_rng_state(inputs.device)
    with warnings.catch_warnings():
        # cuBLAS warns that a new thread has no context.
        warnings.simplefilter("ignore")
        # A copy of the batch, because later batches are written into it.
        replaying = torch.cuda.make_graphed_callables(training_pass, (inputs.clone(),))
    # Gradients come from the stream of the recording. torch waits for that stream, and warns about it.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    with torch.no_grad():
        for buffer, value in kept:
            buffer.copy_(value)
    torch.cuda.set_rng_state(random, inputs.device)
    return cast("Callable[[Tensor], Tensor]", replaying)


def convolves(model: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) for module in model.modules())


def gpu_evaluation_batch(shape: tuple[int, ...]) -> int:
    """Images of shape [C, H, W] per forward pass without gradient on a GPU."""
    return max(SMALLEST_GPU_EVALUATION_BATCH, GPU_EVALUATION_PIXELS // math.prod(shape[1:]))


def use_ieee_float32() -> None:
    """Makes float32 mean float32 on a GPU: no TF32, whose products have a mantissa of 10 bits.

    torch itself allows TF32 in convolutions, but not in matrix products. For speed, choose bfloat16
    explicitly; the numbers of the benchmarks are compared with `precision: float32`.
    """
    # Not the newer `fp32_precision`: after setting these two, both APIs can be read. After setting the newer
    # one, torch refuses to read the older ones, which its own compiler reads.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def compiled(model: nn.Module, device: torch.device, channels_last: bool) -> Callable[[Any], Tensor]:
    """The model's forward and backward pass as fused kernels, which a GPU replays as CUDA graphs.

    Parameters and buffers are shared with the model. Call it with one shape only.
    """
    # A reused process has compiled the networks of other trials: torch gives up on a function after eight
    # compilations, and would keep their memory.
    torch.compiler.reset()
    options: dict[str, str | int | bool | Callable[..., Any]] = {
        "triton.cudagraphs": device.type == "cuda",
        "layout_optimization": channels_last,
    }
    return torch.compile(model, dynamic=False, options=options)


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
