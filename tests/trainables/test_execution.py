"""How training runs on a device: nothing is read within an epoch, and a compiled step is the same step."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.utils._python_dispatch import TorchDispatchMode

from trainables import models
from trainables.catalogue import LOSSES, MODELS
from trainables.datasets.base import Dataset
from trainables.datasets.images import NORMALISATIONS, ImageDataset, ImageSplit
from trainables.losses.base import Loss
from trainables.resolve import resolve
from trainables.training import execution, optimizers
from trainables.training.execution import EVALUATION_BATCH, Execution, compiled, gpu_evaluation_batch
from trainables.training.run import TrialRun
from trainables.trial import TrainingSettings, Trial

CPU = torch.device("cpu")
LOSS_NAMES = [name for name in LOSSES.names() if not LOSSES[name].spec.example or LOSSES[name].preset]


def images(number: int, seed: int) -> ImageSplit:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (number, 3, 16, 16), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 10, (number,), generator=generator)
    return ImageSplit(pixels, labels, torch.arange(number), NORMALISATIONS["cifar10"])


def dataset_of(number: int) -> ImageDataset:
    return ImageDataset(images(number, 0), images(30, 1), images(30, 2), num_classes=10)


def trial_of(loss: str = "flsd_53", **training: Any) -> Trial:
    settings = {"epochs": 3, "batch_size": 16, "milestones": [2], **training}
    return resolve("cifar10", ("small_cnn", {"channels": 4}), loss, 0, training=settings)


class Refused(AssertionError):
    """What would make a GPU's host wait."""


WAITS = {
    f"aten::{name}"
    for name in (
        "_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2",
        "unique_dim", "unique_consecutive", "bincount",
    )
}  # fmt: skip
"""Operators that give the host a value, or a shape that hangs on values."""

READS = ("item", "tolist", "numpy", "cpu", "__array__", "__bool__", "__float__", "__int__", "__index__")


class Refusing(TorchDispatchMode):
    """Refuses what reads a tensor's values on the host, while `watching`."""

    watching = False

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = function.name().partition(".")[0]
        if self.watching:
            by_mask = name in ("aten::index", "aten::index_put", "aten::index_put_") and any(
                isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1]
            )
            if name in WAITS or by_mask:
                raise Refused(name)
        return function(*args, **(kwargs or {}))


@contextmanager
def refusing(training: TrialRun, monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    """Reads are refused from the moment an epoch's first batch is cut to its last optimiser step."""
    mode = Refusing()
    left = 0
    train = training.dataset.train
    cut = train.batch
    batches = -(-len(train) // training.trial.training.batch_size)

    def batch(indices: Tensor) -> tuple[Any, Tensor]:
        nonlocal left
        if not mode.watching:
            mode.watching, left = True, batches
        return cut(indices)

    def stepped(*_: Any) -> None:
        nonlocal left
        left -= 1
        mode.watching = left > 0

    monkeypatch.setattr(train, "batch", batch)
    training.trainer.optimizer.register_step_post_hook(stepped)
    for name in READS:
        monkeypatch.setattr(Tensor, name, refused_while(mode, name))
    with mode:
        yield mode


def refused_while(mode: Refusing, name: str) -> Any:
    """A tensor's method, which on a CPU may go past the dispatcher."""
    usual = getattr(Tensor, name)

    def read(tensor: Tensor, *given: Any, **named: Any) -> Any:
        if mode.watching:
            raise Refused(name)
        return usual(tensor, *given, **named)

    return read


METHODS = {"mixup": 0.4, "sam": 0.1, "ema_decay": 0.9, "warmup_epochs": 1}


@pytest.mark.parametrize(("loss", "methods"), [*((loss, {}) for loss in LOSS_NAMES), ("adafocal", METHODS)])
def test_no_value_is_read_within_an_epoch(
    loss: str, methods: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run_trial_on(dataset_of(40), trial_of(loss, **methods))
    training = TrialRun(trial_of(loss, **methods), dataset_of(40), CPU)
    with refusing(training, monkeypatch) as mode:
        while not training.done:
            training.advance()
            assert not mode.watching
    assert repr(training.epochs) == repr(expected.epochs)


def run_trial_on(dataset: Dataset, trial: Trial) -> TrialRun:
    training = TrialRun(trial, dataset, CPU)
    while not training.done:
        training.advance()
    return training


class Reading(Loss):
    """A loss that reads values in one of the usual ways."""

    def __init__(self, way: str):
        super().__init__("sum")
        self.way = way

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        values = nn.functional.cross_entropy(logits, labels, reduction="none")
        match self.way:
            case "item":
                return values * torch.tensor([2.0 if value.item() > 1 else 1.0 for value in values])
            case "if":
                return values if values.max() > 1 else 2 * values
            case "tolist":
                return values * torch.tensor([min(value, 1.0) for value in values.tolist()])
            case "numpy":
                return values * float(values.detach().numpy().mean())
            case "cpu":
                return values * values.detach().cpu()
            case "mask":
                return values[values > 1]
            case "nonzero":
                return values[torch.nonzero(values > 1).flatten()]
            case _:
                return values


@pytest.mark.parametrize("way", ["item", "if", "tolist", "numpy", "cpu", "mask", "nonzero"])
def test_each_way_to_read_a_value_would_be_seen(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    training = TrialRun(trial_of(), dataset_of(40), CPU)
    training.trainer.loss = Reading(way)
    with refusing(training, monkeypatch), pytest.raises(Refused):
        training.advance()


def test_a_loss_that_reads_nothing_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    training = TrialRun(trial_of(), dataset_of(40), CPU)
    training.trainer.loss = Reading("not")
    with refusing(training, monkeypatch):
        training.advance()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="on a CPU torch.compile needs a C++ compiler")
@pytest.mark.parametrize(("precision", "rho"), [("float32", 0.0), ("bfloat16", 0.0), ("float32", 0.1)])
def test_a_compiled_step_is_the_eager_step_and_compiled_once(precision: str, rho: float) -> None:
    """In the memory format of a GPU too, and although each epoch ends with a smaller batch."""
    trial = trial_of(precision=precision, sam=rho)
    layout = "channels_last" if precision == "bfloat16" else "contiguous"
    same = trial_of(precision=precision, sam=rho, memory_format=layout)
    eager, fast = TrialRun(trial, dataset_of(40), CPU), TrialRun(same, dataset_of(40), CPU)
    model = compiled(fast.model, CPU, fast.trainer.execution.channels_last)
    sizes: list[int] = []

    def noted(inputs: Tensor) -> Tensor:
        assert inputs.is_contiguous(memory_format=torch.channels_last) == fast.trainer.execution.channels_last
        sizes.append(len(inputs))
        return model(inputs)

    fast.trainer.execution.compiled = noted
    counters.clear()
    # bfloat16 has 8 bits, and its kernels add up in another order.
    tolerance = 1e-5 if precision == "float32" else 0.05
    for _ in range(trial.training.epochs):
        expected, found = eager.advance(), fast.advance()
        for name in ("train_loss", "gradient_norm", "test_nll"):
            assert found[name] == pytest.approx(expected[name], rel=tolerance), name
    assert sizes == [16, 16] * trial.training.epochs * (2 if rho else 1)
    assert counters["stats"]["unique_graphs"] == 1
    assert eager.trainer.execution.description == "eager, contiguous"
    assert fast.trainer.execution.description.startswith("compiled, ")
    weights, expected_weights = (
        torch.cat([parameter.detach().reshape(-1) for parameter in each.model.parameters()])
        for each in (fast, eager)
    )
    assert float((weights - expected_weights).norm() / expected_weights.norm()) < tolerance


GPU = torch.device("cuda")


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is decided for a GPU can be seen without one."""
    monkeypatch.setattr(execution, "compiled", lambda model, device, channels_last: model)
    cudnn = torch.backends.cudnn
    flags = cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32
    yield
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = flags


def on_a_gpu(
    model: str = "small_cnn", together: bool = False, replayable: bool = False, **training: Any
) -> Execution:
    shape = dataset_of(4).input_shape
    network = models.build(model, 10, input_shape=shape)
    return Execution(network, GPU, TrainingSettings(**training), shape, together, replayable)


@pytest.mark.usefixtures("pretended_gpu")
def test_how_a_step_runs_on_a_gpu() -> None:
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    assert on_a_gpu().description == "eager, contiguous"
    # The same kernels in each process.
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark
    # Float32 is float32, and on true float32 channels_last is of no use by itself.
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.conv.fp32_precision != "tf32" != torch.backends.cudnn.rnn.fp32_precision
    assert on_a_gpu(compile=True).description == "compiled, contiguous"
    half = on_a_gpu(precision="bfloat16", compile=True)
    assert half.description == "compiled, channels_last"
    assert on_a_gpu(precision="bfloat16", compile=True, together=True).description == "eager, channels_last"
    weight = half.model.get_parameter("features.4.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    without_convolutions = on_a_gpu("mlp", precision="bfloat16")
    assert without_convolutions.description == "eager, contiguous"
    assert on_a_gpu(memory_format="channels_last").description == "eager, channels_last"
    assert without_convolutions.evaluation_batch == EVALUATION_BATCH


@pytest.mark.usefixtures("pretended_gpu")
def test_what_is_replayed() -> None:
    assert on_a_gpu(replayable=True).replays and not on_a_gpu().replays
    assert not on_a_gpu(replayable=True, together=True).replays
    assert not on_a_gpu(replayable=True, compile=True).replays, "the compiler does so itself"
    assert not TrialRun(trial_of(), dataset_of(40), CPU).trainer.execution.replays


REPLAYABLE = sorted(name for name in MODELS.names() if MODELS[name].spec.replayable)


def test_the_networks_of_the_benchmarks_are_replayed() -> None:
    assert {"resnet50", "resnet110", "wide_resnet_26_10", "densenet121", "resnet50_tiny"} <= set(REPLAYABLE)


@pytest.mark.parametrize("name", REPLAYABLE)
def test_a_network_marked_so_does_the_same_at_each_call(name: str) -> None:
    """Draws no random numbers, and keeps nothing but batch normalisation's statistics."""
    side = (MODELS[name].spec.image_sizes or (32,))[0]
    network = models.build(name, 10, input_shape=(3, side, side))
    assert not any(isinstance(each, nn.modules.dropout._DropoutNd) for each in network.modules())
    images = torch.randn(2, 3, side, side)
    before = torch.get_rng_state()
    first, second = network(images), network(images)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "training", [{"precision": "float32"}, {"precision": "bfloat16"}, {"sam": 0.1, "mixup": 0.4}], ids=str
)
def test_recording_a_step_leaves_no_trace_and_the_replayed_step_is_the_eager_one(
    training: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what torch does to record a step, but for the recording."""
    recorded: list[int] = []
    last: list[Tensor] = []

    def replayed(inputs: Tensor, module: nn.Module) -> Tensor:
        """Each replay overwrites the logits of the one before."""
        for former in last:
            former.data.fill_(torch.nan)
        last[:] = [module(inputs)]
        return last[0]

    def warm_up(module: nn.Module, arguments: tuple[Tensor, ...]) -> Any:
        (inputs,) = arguments
        for _ in range(3):
            torch.rand(3)
            logits = module(inputs)
            torch.autograd.grad(logits.sum(), [each for each in module.parameters() if each.requires_grad])
        recorded.append(len(inputs))
        return functools.partial(replayed, module=module)

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", warm_up)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.get_rng_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: torch.set_rng_state(state))
    trial = trial_of(**training)
    eager = TrialRun(trial, dataset_of(40), CPU)
    expected = [eager.advance() for _ in range(trial.training.epochs)]
    expected_state = torch.get_rng_state()
    replaying = TrialRun(trial, dataset_of(40), CPU)
    replaying.trainer.execution.replays = True
    assert [replaying.advance() for _ in range(trial.training.epochs)] == expected
    assert recorded == [16]
    assert torch.equal(torch.get_rng_state(), expected_state)
    for name, value in eager.model.state_dict().items():
        assert torch.equal(replaying.model.state_dict()[name], value), name


@pytest.mark.usefixtures("pretended_gpu")
def test_evaluation_batches_fill_a_gpu_and_not_its_memory() -> None:
    assert on_a_gpu().evaluation_batch == gpu_evaluation_batch((3, 16, 16)) == 8192
    assert [gpu_evaluation_batch((3, side, side)) for side in (32, 64, 224)] == [2048, 512, 256]
    assert TrialRun(trial_of(), dataset_of(40), CPU).trainer.execution.evaluation_batch == EVALUATION_BATCH


def test_channels_last_on_a_cpu_is_the_same_mathematics_in_another_trial() -> None:
    trial, plain = trial_of(memory_format="channels_last"), trial_of()
    assert trial.key != plain.key == trial_of(memory_format="contiguous").key
    assert "memory_format" not in plain.identity()["training"]
    fast, slow = TrialRun(trial, dataset_of(40), CPU), TrialRun(plain, dataset_of(40), CPU)
    assert fast.trainer.execution.description == "eager, channels_last"
    assert slow.trainer.execution.description == "eager, contiguous"
    weight = fast.model.get_parameter("features.4.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    for _ in range(3):
        expected, found = slow.advance(), fast.advance()
        for name in ("train_loss", "gradient_norm", "test_nll"):
            assert found[name] == pytest.approx(expected[name], rel=1e-5), name
    mlp = resolve("digits", "mlp", "brier", 0, training={"memory_format": "channels_last"})
    network = models.build("mlp", 10, input_shape=(1, 8, 8))
    assert Execution(network, CPU, mlp.training, (1, 8, 8)).description == "eager, contiguous"


def test_compiling_makes_another_trial_and_its_default_does_not() -> None:
    assert trial_of(compile=True).key != trial_of().key == trial_of(compile=False).key
    assert "compile" not in trial_of().identity()["training"]


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad"])
def test_optimisers_step_as_torchs_own(name: str) -> None:
    def trained(kind: type[torch.optim.Optimizer]) -> dict[str, Any]:
        torch.manual_seed(0)
        network = nn.Linear(5, 3)
        optimizer = kind(network.parameters(), lr=0.1, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2], 0.5)
        for _ in range(4):
            optimizer.zero_grad()
            network(torch.randn(7, 5)).square().sum().backward()
            optimizer.step()
            schedule.step()
            # As from a checkpoint.
            optimizer.load_state_dict(optimizer.state_dict())
        return {"network": network.state_dict(), "optimizer": optimizer.state_dict()}

    torch.testing.assert_close(
        trained(getattr(optimizers, name)), trained(getattr(torch.optim, name)), rtol=0, atol=0
    )
