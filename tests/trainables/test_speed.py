"""What makes training fast on a GPU, as far as a CPU can show it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from trainables.catalogue import LOSSES
from trainables.training import TrialRun, load_dataset
from trainables.trial import Trial, resolve

CPU = torch.device("cpu")
NAMED = [name for name in LOSSES.names() if not LOSSES[name].facts.get("example") or LOSSES[name].preset]


class HostReads(TorchDispatchMode):
    """Counts what makes a GPU wait: values read on the host, and results whose shape hangs on values."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += any(name in str(function) for name in self.WAITING)
        return function(*args, **(kwargs or {}))


def run_of(loss: str, batch_size: int, **settings: Any) -> TrialRun:
    digits = ("digits", {"training_samples": 120})
    training = {"batch_size": batch_size, "epochs": 3, **settings}
    trial = resolve(digits, "small_cnn", loss, 0, training=training)
    return TrialRun(trial, load_dataset(trial, None, CPU), CPU)


@pytest.mark.parametrize("loss", NAMED)
def test_nothing_waits_for_the_device_within_an_epoch(loss: str) -> None:
    def reads(batch_size: int) -> int:
        run = run_of(loss, batch_size)
        # Also with what the loss has learnt from a validation set.
        run.advance()
        with HostReads() as counted:
            run.train_epoch()
        return counted.count

    # 2 batches and 15: what is read is read once an epoch.
    assert reads(60) == reads(8) < 20


def test_the_thirteen_are_among_them() -> None:
    assert len(NAMED) >= 13 and {"mmce", "adafocal", "flsd_53", "flsc_531"} <= set(NAMED)
    with HostReads() as counted:
        torch.ones(3).sum().item()
    assert counted.count == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_compiled_training_is_the_same_but_for_rounding() -> None:
    eager, compiled = (
        run_of("flsd_53", 50, compile=compile, learning_rate=0.01) for compile in (False, True)
    )
    for run in (eager, compiled):
        while not run.done:
            run.advance()
    logits, others = (run.logits["test"] for run in (eager, compiled))
    torch.testing.assert_close(others, logits, rtol=1e-3, atol=1e-3)
    assert eager.state()["model"].keys() == compiled.state()["model"].keys()


def test_compiling_makes_another_trial_and_its_default_does_not() -> None:
    def trial(**training: Any) -> Trial:
        return resolve("digits", "mlp", "brier", 0, training=training)

    assert trial(compile=True).key != trial().key == trial(compile=False).key
    assert "compile" not in trial().identity()["training"]
