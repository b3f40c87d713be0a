"""Training on real images: what a run starts from, what it measures, going on as if undisturbed."""

from __future__ import annotations

import io
import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special, stats

from trainables import losses
from trainables.calibration import evaluate
from trainables.catalogue import LOSSES, MODELS
from trainables.datasets.base import Dataset, Split
from trainables.errors import TrialDiverged
from trainables.resolve import resolve
from trainables.tasks.classification import ClassificationCurves
from trainables.training.checkpoint import decode, encode
from trainables.training.result import TrialResult
from trainables.training.run import TrialRun, load_dataset, run_trial
from trainables.trial import Trial

CPU = torch.device("cpu")
DIGITS = ("digits", {"training_samples": 75, "validation_samples": 60})
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("mlp", {"hidden": 24}),
    "small_cnn": ("small_cnn", {"channels": 3}),
}
WITH_STATE = ("adafocal", "cals_alm", "flsc_531")
# Long enough for every schedule to change: FLSc at epochs 2 and 5 of 7, the learning rate after 2 and 5.
TRAINING = {"epochs": 7, "batch_size": 32, "milestones": [2, 5]}


def trial_of(model: str = "mlp", loss: str = "cross_entropy", seed: int = 0, **training: Any) -> Trial:
    entry = LOSSES[loss]
    params = {} if entry.preset else entry.spec.example
    network = SMALL.get(model, model)
    return resolve(DIGITS, network, (loss, params), seed, training={**TRAINING, **training})


def started(trial: Trial, checkpoints: Kept | None = None) -> TrialRun:
    return TrialRun.start(trial, load_dataset(trial, None, CPU), CPU, checkpoints)


def run(trial: Trial) -> TrialResult:
    return run_trial(trial, device=CPU)


class Kept:
    """Checkpoints in memory, all of them."""

    def __init__(self, *states: bytes):
        self.states = dict(enumerate(states))
        self.passed_over: list[str] = []

    def save(self, key: str, epoch: int, state: bytes, batch: int = 0) -> None:
        self.states[epoch] = state
        self.batch = batch

    def load(self, key: str) -> Iterator[bytes]:
        yield from (self.states[epoch] for epoch in sorted(self.states, reverse=True))

    def unusable(self, why: str) -> None:
        self.passed_over.append(why)

    def delete(self, key: str) -> None:
        self.states.clear()


def assert_equal(result: TrialResult, expected: TrialResult) -> None:
    for part in ("validation", "test"):
        torch.testing.assert_close(
            getattr(result, part).logits, getattr(expected, part).logits, rtol=0, atol=0
        )
        assert torch.equal(getattr(result, part).sample_ids, getattr(expected, part).sample_ids)
    assert repr(result.epochs) == repr(expected.epochs)
    assert result.reported_epoch == expected.reported_epoch


def draw_from_global_generators() -> None:
    """What another trial in the same process would do."""
    torch.rand(3)
    np.random.standard_normal(3)  # noqa: NPY002
    random.gauss(0, 1)


def killed_after_each_epoch(trial: Trial) -> TrialRun:
    """A run that goes on from a checkpoint in a new `TrialRun` after every single epoch."""
    kept = Kept()
    while not (going_on := started(trial, kept)).done:
        assert going_on.epoch == going_on.resumed_from_epoch == max(kept.states, default=0)
        going_on.advance()
        if going_on.done:
            return going_on
        going_on.checkpoint_if_due(kept, every=1)
        draw_from_global_generators()
    raise AssertionError("unreachable: the last epoch is never checkpointed")


def killed_after_each_batch(trial: Trial, dataset: Dataset) -> TrialRun:
    """A run that goes on from a checkpoint in a new `TrialRun` after every batch of every epoch."""
    kept = Kept()
    places = []
    while not (going_on := TrialRun.start(trial, dataset, CPU, kept)).done:
        curves = going_on.advance_until(lambda: True)
        if going_on.done:
            # 75 samples are three batches, and an epoch's last is its end.
            assert places == [(epoch, batch) for epoch in range(7) for batch in range(3)][1:]
            return going_on
        going_on.checkpoint(kept)
        assert (curves is None) == (kept.batch > 0)
        places.append((going_on.epoch, kept.batch))
        draw_from_global_generators()
    raise AssertionError("unreachable: the last epoch is never checkpointed")


class Shaken(Dataset):
    """Digits with an augmentation that draws numbers."""

    def __init__(self, plain: Dataset):
        super().__init__(plain.train, plain.validation, plain.test, 10, plain.input_shape)

    def augment(self, inputs: Any, generator: torch.Generator) -> Any:
        return inputs * (1 + 0.5 * torch.randn(len(inputs), 1, 1, 1, generator=generator))


SWA = {"swa_start": 0.4, "swa_learning_rate": 0.05}


@pytest.mark.parametrize(
    ("loss", "training"),
    [
        *((loss, {}) for loss in ("flsc_531", "adafocal", "mmce")),
        ("cross_entropy", {"mixup": 0.4, "ema_decay": 0.9, "schedule": "cosine", "milestones": []}),
        ("cross_entropy", {"sam": 0.1, "warmup_epochs": 2}),
        (
            "adafocal",
            {**SWA, "mixup": 0.4, "sam": 0.1, "warmup_epochs": 2, "schedule": "cosine", "milestones": []},
        ),
    ],
    ids=str,
)
def test_resuming_within_an_epoch_is_as_if_undisturbed(
    loss: str, training: dict[str, Any], noisy: str
) -> None:
    trial = trial_of(noisy, loss, reported_epoch="best_validation_accuracy", **training)
    dataset = Shaken(load_dataset(trial, None, CPU))
    undisturbed = TrialRun(trial, dataset, CPU)
    while not undisturbed.done:
        undisturbed.advance()
    resumed = killed_after_each_batch(trial, dataset)
    assert_equal(resumed.result(), undisturbed.result())
    assert {"averaging"} <= set(undisturbed.state()) or not trial.training.averages
    for part in {"model", "loss", "optimizer", "schedule", "averaging"} & set(undisturbed.state()):
        assert repr(resumed.state()[part]) == repr(undisturbed.state()[part])
    # Without the state of an epoch's augmentation it would be another run.
    plain = TrialRun(trial, load_dataset(trial, None, CPU), CPU)
    assert plain.advance()["train_loss"] != undisturbed.epochs[0]["train_loss"]


@pytest.mark.parametrize(
    ("model", "loss", "training"),
    [
        *(("mlp", loss, {}) for loss in LOSSES.names()),
        *(("small_cnn", loss, {}) for loss in ("cross_entropy", *WITH_STATE)),
        ("small_cnn", "cross_entropy", {"memory_format": "channels_last"}),
    ],
)
def test_resuming_after_each_epoch_is_as_if_undisturbed(
    model: str, loss: str, training: dict[str, Any]
) -> None:
    trial = trial_of(model, loss, **training)
    undisturbed = started(trial)
    while not undisturbed.done:
        undisturbed.advance()
    resumed = killed_after_each_epoch(trial)
    assert_equal(resumed.result(), undisturbed.result())
    for part in ("model", "loss", "optimizer", "schedule"):
        assert repr(resumed.state()[part]) == repr(undisturbed.state()[part])
    for name, buffer in undisturbed.trainer.loss.named_buffers():
        assert torch.equal(buffer, dict(resumed.trainer.loss.named_buffers())[name])
    if loss in WITH_STATE:
        entry = LOSSES[loss]
        fresh = losses.build(
            entry.component, **LOSSES.resolve(loss), class_counts=torch.ones(10, dtype=torch.int64)
        )
        assert any(
            not torch.equal(b, dict(fresh.named_buffers())[n])
            for n, b in resumed.trainer.loss.named_buffers()
        )


NOISY = """
import random
import numpy as np
from torch import nn
from trainables.registry import register

@register("noisy", spec={"input": "image"})
class Noisy(nn.Module):
    '''Draws from every global generator in training.'''

    def __init__(self, num_classes: int, input_shape: tuple[int, ...]):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.3), nn.BatchNorm1d(64), nn.Linear(64, num_classes)
        )

    def forward(self, images):
        if self.training:
            images = images * random.gauss(1, 0.1) + 0.1 * np.random.standard_normal()
        return self.layers(images)
"""


@pytest.fixture
def noisy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    package = tmp_path / "noisy_models"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "noisy.py").write_text(NOISY, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(MODELS, "package", "noisy_models")
    monkeypatch.setattr(MODELS, "_entries", None)
    yield "noisy"
    for name in ("noisy_models", "noisy_models.noisy"):
        sys.modules.pop(name, None)


def test_all_global_generators_go_on_where_they_were(noisy: str) -> None:
    trial = trial_of(noisy, "brier")
    expected = run(trial)
    assert_equal(killed_after_each_epoch(trial).result(), expected)
    torch.manual_seed(1)
    assert_equal(run(trial), expected)


def test_checkpoints_are_made_on_request_and_contain_no_code() -> None:
    kept, seen = Kept(), []
    trial = trial_of()
    run_trial(
        trial, device=CPU, checkpoints=kept, checkpoint_every=3, on_epoch=lambda e, c: seen.append((e, c))
    )
    assert [epoch for epoch, _ in seen] == [curves["epoch"] for _, curves in seen] == list(range(7))
    assert sorted(kept.states) == [3, 6]
    assert decode(kept.states[3])["epoch"] == 3

    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("run",)

    buffer = io.BytesIO()
    torch.save({"key": trial.key, "epoch": Code()}, buffer)
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        decode(buffer.getvalue())


def test_a_checkpoint_that_does_not_fit_is_passed_over() -> None:
    trial, other = trial_of(), trial_of(seed=1)
    wide = resolve(DIGITS, ("mlp", {"hidden": 25}), "cross_entropy", 0, training=TRAINING)
    saved = {}
    for each in (trial, other, wide):
        kept = Kept()
        run_trial(each, device=CPU, checkpoints=kept, checkpoint_every=4)
        saved[each.key] = kept.states[4]
    # Of this trial's key, but with another network inside, as after an edit of the model's file.
    stale = encode({**decode(saved[wide.key]), "key": trial.key})
    # Of a version that measured other things within an epoch.
    partial = started(trial)
    assert partial.advance_until(lambda: True) is None
    earlier = partial.state()
    earlier["under_way"]["measured"] = torch.zeros(2, 3, dtype=torch.float64)
    unfit = [encode(earlier), stale, saved[other.key], saved[trial.key][:1000], b""]
    expected = run(trial)
    for states, resumed_from in (([saved[trial.key], *unfit], 4), (unfit, 0)):
        kept = Kept(*states)
        going_on = started(trial, kept)
        assert going_on.epoch == resumed_from
        assert len(kept.passed_over) == len(unfit) and "belongs to trial" in kept.passed_over[2]
        while not going_on.done:
            going_on.advance()
        assert_equal(going_on.result(), expected)
        assert going_on.result().measurements["resumed_from_epoch"] == resumed_from


class RecordingSplit(Split):
    """Notes which samples each batch has."""

    def __init__(self, split: Split):
        super().__init__(split.inputs, split.labels, split.sample_ids)
        self.batches: list[list[int]] = []

    def batch(self, indices: torch.Tensor) -> tuple[Any, torch.Tensor]:
        self.batches.append(indices.tolist())
        return super().batch(indices)


class ShakyDigits(Dataset):
    """Digits with augmentation: each image times a random factor."""

    def __init__(self, plain: Dataset):
        super().__init__(RecordingSplit(plain.train), plain.validation, plain.test, 10, plain.input_shape)
        self.factors: list[list[float]] = []

    def augment(self, inputs: Any, generator: torch.Generator) -> Any:
        factors = 1 + 0.1 * torch.randn(len(inputs), 1, 1, 1, generator=generator)
        self.factors.append(factors.flatten().tolist())
        return inputs * factors


def randomness(trial: Trial) -> tuple[str, list[list[int]], list[list[float]]]:
    """A trial's initial weights, and the samples and augmentations of the batches of two epochs."""
    dataset = ShakyDigits(load_dataset(trial, None, CPU))
    training = TrialRun(trial, dataset, CPU)
    weights = repr([parameter.tolist() for parameter in training.model.parameters()])
    training.advance()
    training.advance()
    train = dataset.train
    assert isinstance(train, RecordingSplit)
    return weights, train.batches, dataset.factors


def test_losses_with_one_seed_are_a_matched_pair() -> None:
    weights, batches, factors = randomness(trial_of(loss="brier", seed=2))
    assert (weights, batches, factors) == randomness(trial_of(loss="adafocal", seed=2, learning_rate=0.01))
    other_weights, other_batches, other_factors = randomness(trial_of(loss="brier", seed=3))
    assert other_weights != weights and other_batches != batches and other_factors != factors
    assert [len(batch) for batch in batches] == [32, 32, 11] * 2
    for epoch in (batches[:3], batches[3:]):
        assert sorted(chain.from_iterable(epoch)) == list(range(75))
    assert batches[:3] != batches[3:] and factors[:3] != factors[3:]
    # Another network with the same seed sees the same batches.
    assert randomness(trial_of("small_cnn", seed=2))[1:] == (batches, factors)


@pytest.mark.parametrize(("batch_size", "sizes"), [(32, [32, 32]), (25, [25, 25, 25]), (100, [75])])
def test_drop_last_leaves_out_a_smaller_batch_unless_it_is_the_only_one(
    batch_size: int, sizes: list[int]
) -> None:
    _, batches, _ = randomness(trial_of(batch_size=batch_size, drop_last=True))
    assert [len(batch) for batch in batches] == sizes * 2


@pytest.mark.parametrize("model", SMALL)
def test_divergence_is_an_error_and_no_result(model: str) -> None:
    kept = Kept()
    trial = trial_of(model, learning_rate=1e9, gradient_clip_norm=None)
    with pytest.raises(TrialDiverged, match=r"finite|loss of epoch . is (nan|inf)") as raised:
        run_trial(trial, device=CPU, checkpoints=kept, checkpoint_every=1)
    assert str(trial) in str(raised.value)
    for state in kept.load(trial.key):
        assert all(math.isfinite(curves["train_loss"]) for curves in decode(state)["epochs"])


def error_of(part: Any) -> float:
    return float((part.logits.argmax(1) != part.labels).double().mean())


def test_the_reported_epoch_is_the_first_best_or_the_last() -> None:
    rough: dict[str, Any] = {"learning_rate": 0.3, "milestones": [], "batch_size": 16}
    best = run(trial_of(reported_epoch="best_validation_accuracy", **rough))
    errors = [curves["validation_error"] for curves in best.epochs]
    assert best.reported_epoch == int(np.argmin(errors)) != 6
    last = run(trial_of(**rough))
    assert last.reported_epoch == 6 and repr(last.epochs) == repr(best.epochs)
    for result in (best, last):
        assert error_of(result.validation) == pytest.approx(errors[result.reported_epoch])
        assert error_of(result.test) == pytest.approx(result.epochs[result.reported_epoch]["test_error"])
    assert not torch.equal(best.test.logits, last.test.logits)


def test_the_learning_rate_drops_after_the_stated_epochs() -> None:
    rates = [curves["learning_rate"] for curves in run(trial_of(learning_rate=0.4)).epochs]
    assert rates == pytest.approx([0.4, 0.4, 0.04, 0.04, 0.04, 0.004, 0.004])


@pytest.mark.parametrize("clip", [0.05, None])
def test_the_gradient_is_clipped_to_the_norm(clip: float | None) -> None:
    plain = {"momentum": 0.0, "weight_decay": 0.0, "learning_rate": 0.25, "epochs": 1, "milestones": []}
    training = started(trial_of(batch_size=75, gradient_clip_norm=clip, **plain))
    before = torch.nn.utils.parameters_to_vector(training.model.parameters()).detach().clone()
    norm = training.advance()["gradient_norm"]
    after = torch.nn.utils.parameters_to_vector(training.model.parameters()).detach()
    assert norm is not None and norm > 0.05
    assert float((after - before).norm()) / 0.25 == pytest.approx(clip or norm, rel=1e-4)


def test_bfloat16_trains_and_gives_float32_logits() -> None:
    half, single = run(trial_of("small_cnn", precision="bfloat16")), run(trial_of("small_cnn"))
    assert half.test.logits.dtype == torch.float32
    assert not torch.equal(half.test.logits, single.test.logits)
    assert half.epochs[-1]["train_loss"] == pytest.approx(single.epochs[-1]["train_loss"], rel=0.3)


def expected_curves(prefix: str, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    log_probabilities = special.log_softmax(logits.astype(np.float64), axis=1)
    nll = -log_probabilities[np.arange(len(labels)), labels]
    entropy = stats.entropy(np.exp(log_probabilities), axis=1)
    right = logits.argmax(1) == labels
    found = {f"{prefix}_error": float(np.mean(~right))}
    for suffix, chosen in (("", right | ~right), ("_correct", right), ("_wrong", ~right)):
        found |= {
            f"{prefix}_nll{suffix}": nll[chosen].mean(),
            f"{prefix}_entropy{suffix}": entropy[chosen].mean(),
        }
    return found


def expected_bins(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    probabilities = special.softmax(logits.astype(np.float64) / temperature, axis=1)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    edges = np.linspace(0, 1, 16)
    weights = (np.ones_like(confidence), confidence, right.astype(float))
    return np.stack([np.histogram(confidence, edges, weights=each)[0] for each in weights])


def expected_ece(logits: np.ndarray, labels: np.ndarray) -> float:
    probabilities = special.softmax(logits.astype(np.float64), axis=1)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bins = np.ceil(confidence * 15)
    gaps = [abs((confidence - right)[bins == b].sum()) for b in np.unique(bins)]
    return float(sum(gaps) / len(labels))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_curves_agree_with_numpy_and_scipy(reduction: str) -> None:
    # One batch: all training logits are those of the initial weights.
    trial = trial_of(batch_size=75, epochs=1, milestones=[], loss_reduction=reduction)
    training = started(trial)
    data = training.dataset
    with torch.no_grad():
        initial = training.model(data.train.inputs).numpy()
    curves = training.advance()
    result = training.result()
    expected = expected_curves("train", initial, data.train.labels.numpy())
    expected["train_loss"] = expected["train_nll"]
    labels = data.train.labels.numpy()
    # Of cross-entropy, the gradient is the probabilities less the label, for each sample.
    gradients = special.softmax(initial.astype(np.float64), axis=1) - np.eye(10)[labels]
    edges = [0, *10 ** np.linspace(-6, 1, 29), np.inf]
    bins = {
        "train_bins": expected_bins(initial, labels),
        "gradient_bins": np.histogram(np.linalg.norm(gradients, axis=1), edges)[0],
    }
    for prefix, part in (("validation", result.validation), ("test", result.test)):
        logits, labels = part.logits.numpy(), part.labels.numpy()
        expected |= expected_curves(prefix, logits, labels)
        expected[f"{prefix}_ece"] = expected_ece(logits, labels)
        bins[f"{prefix}_bins"] = expected_bins(logits, labels)
    # Of the one epoch there is, the row has the same numbers.
    parts = (result.validation, result.test)
    scores = evaluate(*(tensor for part in parts for tensor in (part.logits, part.labels)))
    of_row = re.compile(r"temperature_\w+|(validation|test)_(ece|nll)_after_\w+")
    expected |= {name: value for name, value in scores.items() if of_row.fullmatch(name)}
    with torch.no_grad():
        features = training.model.features(data.test.inputs).numpy()
    expected["feature_norm"] = np.linalg.norm(features, axis=1).mean()
    expected["weight_norm"] = np.linalg.norm(training.model.classifier.weight.detach().numpy())
    for criterion in ("ece", "adaptive_ece", "nll"):
        temperature = scores[f"temperature_{criterion}"]
        bins[f"test_bins_after_{criterion}"] = expected_bins(logits, labels, temperature)
    assert set(curves) - set(expected) - set(bins) == {"epoch", "learning_rate", "gradient_norm"}
    for name, value in expected.items():
        assert curves[name] == pytest.approx(value, rel=1e-5), name
    for name, array in bins.items():
        np.testing.assert_allclose(curves[name], array, rtol=1e-5, err_msg=name)


def test_a_measure_of_no_samples_is_none() -> None:
    curves = ClassificationCurves(CPU)
    curves.add(torch.eye(3).repeat(2, 1), torch.arange(3).repeat(2))
    read = curves.read("test")
    assert read["test_error"] == 0 and read["test_nll_wrong"] is None and read["test_entropy_wrong"] is None
    assert read["test_nll_correct"] == read["test_nll"] == pytest.approx(math.log(math.e + 2) - 1)


BARE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ray", "pydantic", "pyarrow", "results", "sweeps", "orchestrator"}:
            raise ImportError(f"{name} is not to be imported")

sys.meta_path.insert(0, Refuse())
from trainables.training.run import run_trial
from trainables.resolve import resolve

trial = resolve("digits", "mlp", "adafocal", 0, training={"epochs": 2})
print(len(run_trial(trial).epochs), tuple(run_trial(trial).test.logits.shape))
"""


def test_a_trial_runs_without_ray_pydantic_and_arrow(repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, "-c", BARE], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 (1197, 10)\n"
