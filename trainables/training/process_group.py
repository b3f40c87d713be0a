"""Several workers that train one trial together: plain torch.distributed, the same numbers as one worker.

Each holds the whole network and the whole data set. Each worker takes its own slice of a batch, in the order
of the batch; logits and labels are then gathered on all of them, so that a loss sees the whole batch, and the
gradients are summed. All workers then have the gradient of a single worker, up to rounding: clipping, the
optimiser's step and the state of a loss follow from it.
"""

from __future__ import annotations

import datetime
import ipaddress
import itertools
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainables.training.synchronised import synchronise

if TYPE_CHECKING:
    from trainables.datasets.base import Dataset
    from trainables.training.mixup import Mixing

TIMEOUT = datetime.timedelta(minutes=10)
"""How long a worker waits for the others to connect."""

TIMEOUT_TOGETHER = datetime.timedelta(days=1)
"""How long it waits in later operations. The caller ends stalled workers, and sees which one died."""


MOST_DIMENSIONS = 3
"""Most dimensions of the output for one sample."""


class WorkerLostError(RuntimeError):
    """The workers of a trial lost their connection, whether or not one of them is at fault."""


class ProcessGroup:
    """The processes that train a trial. This class is the group of a single process, on one device.

    All its collective operations are the identity.
    """

    rank = 0
    size = 1

    def synchronised(self, model: nn.Module) -> nn.Module:
        """Wraps a network for joint training; its parameters and state are kept."""
        return model

    def batch(
        self, dataset: Dataset, indices: Tensor, generator: torch.Generator, mixing: Mixing | None = None
    ) -> tuple[Any, Tensor]:
        """Augmented and mixed inputs, and labels, of this worker's slice of a training batch."""
        inputs, labels = dataset.train.batch(indices)
        inputs = dataset.augment(inputs, generator)
        return (inputs if mixing is None else mixing.inputs(inputs)), labels

    def gather_batch(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Gathers outputs and targets [M, ...] of the whole batch from the slices, differentiably."""
        return outputs, targets

    def all_reduce_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces each gradient by that of the whole batch."""

    def shard(self, batches: Sequence[Tensor]) -> Sequence[Tensor]:
        """The batches of indices that this process evaluates."""
        return batches

    def gather_predictions(
        self, outputs: list[Tensor], targets: list[Tensor], batches: Sequence[Tensor], no_targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gathers outputs [N, ...] and targets [N, ...] of all batches from the shards of the processes.

        Args:
            no_targets: An empty tensor of targets, with the shape of a target.
        """
        return torch.cat(outputs), torch.cat(targets)

    def all_reduce(self, sums: Tensor) -> Tensor:
        """The sum over the processes."""
        return sums

    def all_reduce_max(self, value: float) -> float:
        """The maximum over the processes."""
        return value

    def broadcast(self, content: bytes) -> bytes:
        """The bytes of rank 0."""
        return content


def listen(address: str, size: int) -> Any:
    """Opens the meeting point of `size` workers. The first worker keeps it; the others must reach `address`.

    It uses a free port, the `port` of the returned torch.distributed.TCPStore. With a loopback address, no
    other machine can reach it.
    """
    port = 0
    own: dict[str, Any] = {}
    if ipaddress.ip_address(address).is_loopback:
        # By default a TCPStore listens on all interfaces.
        listener = socket.create_server((address, 0))
        port, own = listener.getsockname()[1], {"master_listen_fd": listener.detach()}
    return dist.TCPStore(  # type: ignore[attr-defined]
        address, port, size, is_master=True, wait_for_workers=False, timeout=TIMEOUT, **own
    )


def connect(address: str, port: int, size: int) -> Any:
    """Connects another worker to the same TCPStore."""
    return dist.TCPStore(  # type: ignore[attr-defined]
        address, port, size, is_master=False, timeout=TIMEOUT
    )


class DistributedGroup(ProcessGroup):
    """A group of several processes, which all call the same methods in the same order.

    A process can be in one such group at a time. Every method raises WorkerLostError if another worker is
    gone, or silent for `TIMEOUT_TOGETHER`; under NCCL the process ends instead.

    Args:
        store: From `listen` or `connect`.
        rank: Rank of this process, 0 for the first.
        size: The number of processes.
        device: Where they train: one GPU each, or the CPU.
    """

    def __init__(self, store: Any, rank: int, size: int, device: torch.device):
        self.rank, self.size, self.device = rank, size, device
        self.sharing = True
        # Rows of logits that each worker contributes to the current batch.
        self.rows = [0] * size
        backend = "nccl" if device.type == "cuda" else "gloo"
        _reaching(
            lambda: dist.init_process_group(
                backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT_TOGETHER
            )
        )

    def leave(self) -> None:
        dist.destroy_process_group()

    def synchronised(self, model: nn.Module) -> nn.Module:
        return synchronise(model, self)

    def batch(
        self, dataset: Dataset, indices: Tensor, generator: torch.Generator, mixing: Mixing | None = None
    ) -> tuple[Any, Tensor]:
        # If a batch is too small to give each worker a sample, all train the whole batch: some networks do
        # not accept an empty one.
        self.sharing = len(indices) >= self.size
        if not self.sharing:
            return super().batch(dataset, indices, generator, mixing)
        bounds = self._bounds(len(indices))
        share = slice(*bounds[self.rank])
        if mixing is None:
            inputs, labels = dataset.training_share(indices, generator, share)
        else:
            # Partners may lie in the slices of other workers.
            inputs, labels = super().batch(dataset, indices, generator, mixing)
            inputs, labels = inputs[share], labels[share]
        if isinstance(inputs, Tensor):
            self.rows = [end - start for start, end in bounds]
        else:
            # Samples may have several labels and as many logits, which only their own worker has counted.
            counts = self._all_gather_equal(torch.tensor([len(labels)], device=self.device))
            self.rows = torch.cat(counts).tolist()
        return inputs, labels

    def gather_batch(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if not self.sharing:
            return outputs, targets
        whole: Tensor = _Gathered.apply(outputs.float(), self)  # type: ignore[no-untyped-call]
        return whole, self.all_gather(targets, self.rows)

    def all_reduce_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        summed = self.all_reduce(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        if not self.sharing:
            # Each worker has the whole gradient. Averaging keeps them equal to the last bit.
            summed /= self.size
        parts = torch.split(summed, [parameter.numel() for parameter in trained])
        for parameter, part in zip(trained, parts, strict=True):
            if parameter.grad is not None:
                parameter.grad.copy_(part.view_as(parameter))
            elif bool(part.any()):
                # The parameter has a gradient from another worker's slice, but none from this one's.
                parameter.grad = part.view_as(parameter).clone()

    def shard(self, batches: Sequence[Tensor]) -> Sequence[Tensor]:
        return batches[slice(*self._bounds(len(batches))[self.rank])]

    def gather_predictions(
        self, outputs: list[Tensor], targets: list[Tensor], batches: Sequence[Tensor], no_targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        counts = [
            sum(len(batch) for batch in batches[start:end]) for start, end in self._bounds(len(batches))
        ]
        # A worker without batches does not know the shape of an output.
        shape = [0] * MOST_DIMENSIONS
        if outputs:
            shape[: outputs[0].dim() - 1] = outputs[0].shape[1:]
        shape = [int(self.all_reduce_max(size)) for size in shape]
        no_outputs = torch.zeros(0, *(size for size in shape if size), device=self.device)
        return (
            self.all_gather(torch.cat([no_outputs, *outputs]), counts),
            self.all_gather(torch.cat([no_targets.to(self.device), *targets]), counts),
        )

    def all_reduce(self, sums: Tensor) -> Tensor:
        summed = sums.clone()
        _reaching(lambda: dist.all_reduce(summed))
        return summed

    def all_reduce_max(self, value: float) -> float:
        found = torch.tensor(value, dtype=torch.float64, device=self.device)
        _reaching(lambda: dist.all_reduce(found, dist.ReduceOp.MAX))
        return found.item()

    def broadcast(self, content: bytes) -> bytes:
        length = torch.tensor([len(content)], device=self.device)
        _reaching(lambda: dist.broadcast(length, 0))
        data = torch.empty(int(length), dtype=torch.uint8, device=self.device)
        if self.rank == 0:
            data.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        _reaching(lambda: dist.broadcast(data, 0))
        return data.cpu().numpy().tobytes()

    def all_gather(self, mine: Tensor, rows: Sequence[int]) -> Tensor:
        """Gathers the rows of all processes, in the order of their ranks; process i has `rows[i]` of them."""
        padded = mine.new_zeros(max(rows), *mine.shape[1:])
        padded[: len(mine)] = mine
        parts = self._all_gather_equal(padded)
        return torch.cat([part[:number] for part, number in zip(parts, rows, strict=True)])

    def _all_gather_equal(self, mine: Tensor) -> list[Tensor]:
        parts = [torch.empty_like(mine) for _ in range(self.size)]
        _reaching(lambda: dist.all_gather(parts, mine.contiguous()))
        return parts

    def _bounds(self, number: int) -> list[tuple[int, int]]:
        """Start and end (exclusive) of each worker's part of `number` items."""
        return list(itertools.pairwise(number * rank // self.size for rank in range(self.size + 1)))


class _Gathered(torch.autograd.Function):
    """Gathers the rows of all workers. All compute the same from them, so backward needs no communication."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, group: DistributedGroup) -> Tensor:
        first = sum(group.rows[: group.rank])
        ctx.mine = slice(first, first + group.rows[group.rank])
        return group.all_gather(mine, group.rows)

    @staticmethod
    def backward(ctx: Any, towards_all: Tensor) -> tuple[Tensor, None]:
        return towards_all[ctx.mine], None


def _reaching(together: Callable[[], object]) -> None:
    try:
        together()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise WorkerLostError(f"another worker of this trial is unreachable: {error}") from error
