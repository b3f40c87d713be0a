"""An epoch's samples follow from its generator alone, and a loss gets the context that it asks for."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables import models, samplers
from trainables.catalogue import SAMPLERS
from trainables.datasets.base import Split
from trainables.errors import ConfigurationError
from trainables.losses.base import Loss
from trainables.resolve import resolve
from trainables.training.checkpoint import decode, encode
from trainables.training.execution import Execution
from trainables.training.features import features_of
from trainables.training.run import TrialRun, load_dataset
from trainables.training.trainer import batch_context_of

CPU = torch.device("cpu")
DIGITS = ("digits", {"training_samples": 75, "validation_samples": 60})
TRAINING = {"epochs": 2, "milestones": [], "batch_size": 32}
SYNTHETIC = ("smote", "adasyn")
ON_FEATURES = ("feature_smote", "feature_adasyn")
LABELS = torch.tensor([0] * 600 + [2] * 300 + [3] * 100)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_an_epoch_follows_from_its_generator(name: str) -> None:
    params = {"power": 0.3} if name == "resampled" else {}
    made = [samplers.build(name, **params, samples=1000, labels=LABELS) for _ in range(2)]
    if name in (*SYNTHETIC, *ON_FEATURES):
        pytest.importorskip("imblearn")
    first, again, other = (
        each.epoch(generator(seed)) for each, seed in zip((*made, made[0]), (5, 5, 6), strict=True)
    )
    assert (
        first.dtype == torch.int64
        and first.device == CPU
        and 0 <= int(first.min()) <= int(first.max()) < 1000
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_classes_are_drawn_in_proportion_to_a_power_of_their_counts(power: float) -> None:
    sampler = samplers.build("resampled", power=power, labels=LABELS)
    drawn = torch.cat([LABELS[sampler.epoch(generator(seed))] for seed in range(40)])
    shares = np.bincount(drawn.numpy(), minlength=4) / len(drawn)
    powers = np.array([600.0, 0, 300, 100]) ** power * [1, 0, 1, 1]
    # 40,000 draws: a share is off by 0.0025 in one of three cases, by four times that hardly ever.
    np.testing.assert_allclose(shares, powers / powers.sum(), atol=0.01)


@pytest.mark.parametrize("epoch", [0, 6, 9])
def test_progressive_balance_moves_from_samples_to_classes(epoch: int) -> None:
    sampler = samplers.build("progressively_balanced", labels=LABELS)
    sampler.on_epoch_start(epoch, 10)
    drawn = torch.cat([LABELS[sampler.epoch(generator(seed))] for seed in range(40)])
    shares = np.bincount(drawn.numpy(), minlength=4) / len(drawn)
    instance, balanced = np.array([0.6, 0, 0.3, 0.1]), np.array([1, 0, 1, 1]) / 3
    np.testing.assert_allclose(shares, instance + epoch / 10 * (balanced - instance), atol=0.01)


def test_oversampling_keeps_every_sample_and_fills_each_class_up() -> None:
    drawn = samplers.build("oversampled", labels=LABELS).epoch(generator(3))
    assert torch.bincount(LABELS[drawn]).tolist() == [600, 0, 600, 600]
    times = torch.bincount(drawn, minlength=1000)
    assert times[:600].eq(1).all() and times[600:].min() == 1
    # Each sample of the rarest class is expected once and 5 times more.
    assert times[900:].double().var() == pytest.approx(5, rel=0.5)


def test_undersampling_keeps_as_many_of_each_class_as_the_rarest_has() -> None:
    labels = LABELS[torch.randperm(1000, generator=generator(1))]
    sampler = samplers.build("undersampled", labels=labels)
    seen = [sampler.epoch(generator(seed)) for seed in range(3)]
    for drawn in seen:
        assert torch.bincount(labels[drawn]).tolist() == [100, 0, 100, 100]
        assert len(drawn.unique()) == 300
    assert len(torch.cat(seen).unique()) > 400 and labels[seen[0][:100]].unique().numel() == 3


@pytest.mark.parametrize("name", SYNTHETIC)
def test_new_samples_lie_between_neighbours_of_their_class(name: str) -> None:
    pytest.importorskip("imblearn")
    labels = torch.tensor([0] * 60 + [2] * 13 + [3] * 20)
    inputs = torch.randn(93, 1, 2, generator=generator(1)) + labels[:, None, None] / 4
    part = Split(inputs, labels, torch.arange(93) * 3)
    sampler = samplers.build(name, neighbours=3, samples=93, labels=labels)
    made = sampler.training_part(part, generator(2))
    counts = torch.bincount(made.labels)
    assert counts[[0, 1]].tolist() == [60, 0] and (counts[2:] - 60).abs().max() <= (name == "adasyn") * 10
    assert torch.equal(made.inputs[:93], inputs) and len(part) == 93
    assert sorted(sampler.epoch(generator(3)).tolist()) == list(range(len(made)))
    for new, label in zip(made.inputs[93:, 0], made.labels[93:], strict=True):
        same = inputs[labels == label, 0]
        # On the line between two samples, the distances to both add up to theirs.
        ends = torch.cdist(same, same)
        through = (same - new).norm(dim=1)
        near = ends.argsort(dim=1)[:, 1:4]
        detours = through[:, None] + through[near] - ends.gather(1, near)
        assert detours.min() < 1e-5


def test_a_synthetic_sample_is_trained_on_and_the_data_set_stays() -> None:
    pytest.importorskip("imblearn")
    trial = resolve(
        DIGITS, "mlp", "cross_entropy", 1, training=TRAINING, sampler=("smote", {"neighbours": 2})
    )
    data = load_dataset(trial, None, CPU)
    counts = torch.bincount(data.train.labels)
    run = TrialRun(trial, data, CPU)
    assert len(data.train) == 75 and len(run.trainer.dataset.train) == 10 * int(counts.max())
    run.advance()
    assert sum(run.epochs[0]["train_bins"][0]) == 10 * int(counts.max())


@pytest.mark.parametrize("name", SYNTHETIC)
def test_impossible_synthesis_is_refused_in_one_line(name: str) -> None:
    pytest.importorskip("imblearn")
    few, apart = torch.tensor([0] * 9 + [1] * 4), torch.tensor([0] * 9 + [1] * 8)
    numbers = torch.arange(34.0).reshape(17, 2)
    cases = [
        ({"neighbours": 4}, numbers[:13], few, "class 1 has 4 .* needs 5"),
        ({}, numbers.long(), apart, "num"),
    ]
    if name == "adasyn":
        cases.append(({}, numbers + 1000 * apart[:, None], apart, "makes no samples"))
    for params, inputs, labels, message in cases:
        sampler = samplers.build(name, **params, samples=len(labels), labels=labels)
        with pytest.raises(ConfigurationError, match=message) as refusal:
            sampler.training_part(Split(inputs, labels, torch.arange(len(labels))), generator(1))
        assert "\n" not in str(refusal.value)
    with pytest.raises(ConfigurationError, match="neighbours"):
        samplers.build(name, neighbours=0, samples=3, labels=few)


@pytest.mark.parametrize("name", ON_FEATURES)
def test_the_last_layer_alone_is_trained_on_features_and_new_ones(name: str) -> None:
    """From epoch 2 of 5 on; the part before is that of the usual sampler."""
    pytest.importorskip("imblearn")
    rare = ("breast_cancer", {"imbalance": "exponential", "factor": 6})
    made = (name, {"neighbours": 2, "features_from": 0.4})
    training = {**TRAINING, "epochs": 5}
    trial, usual = (
        resolve(rare, "mlp", "cross_entropy", 1, training=training, sampler=sampler)
        for sampler in (made, "natural")
    )
    data = load_dataset(trial, None, CPU)
    run, other = (TrialRun(each, load_dataset(each, None, CPU), CPU) for each in (trial, usual))
    for _ in range(2):
        assert run.advance() == other.advance()
    *rest, weight, bias = (parameter.detach().clone() for parameter in run.model.parameters())
    states = [encode(run.state())]
    run.advance_until(lambda: run.trainer.under_way is not None and run.trainer.under_way.batches == 2)
    states.append(encode(run.state()))
    while not run.done:
        run.advance()
    *rest_after, weight_after, bias_after = run.model.parameters()
    assert all(map(torch.equal, rest, rest_after))
    assert not torch.equal(weight, weight_after) and not torch.equal(bias, bias_after)
    largest = int(torch.bincount(data.train.labels).max())
    for curves in run.epochs[2:]:
        seen = sum(curves["train_bins"][0])
        assert seen == 2 * largest if name == "feature_smote" else seen > len(data.train)
    features = run.trainer.dataset.train
    with torch.no_grad():
        scores = run.trainer.training_execution.logits(features.inputs[: len(data.train)])
        run.model.eval()
        assert torch.equal(scores, run.model(data.train.inputs))
    for state in states:
        resumed = TrialRun(trial, load_dataset(trial, None, CPU), CPU)
        resumed.restore(decode(state))
        while not resumed.done:
            resumed.advance()
        assert resumed.epochs == run.epochs


def test_impossible_training_on_features_is_refused() -> None:
    pytest.importorskip("imblearn")
    few, labels = torch.tensor([0] * 9 + [1] * 4), torch.ones(5, 3)
    part = Split(torch.zeros(13, 3, 8, 8, dtype=torch.uint8), few, torch.arange(13))
    sampler = samplers.build("feature_smote", neighbours=3, samples=13, labels=few)
    assert sampler.training_part(part, generator(1)) is part
    with pytest.raises(ConfigurationError, match=r"feature_smote: class 1 has 4 .* needs 5"):
        samplers.build("feature_smote", neighbours=4, samples=13, labels=few).training_part(
            part, generator(1)
        )
    with pytest.raises(ConfigurationError, match="features_from"):
        samplers.build("feature_adasyn", features_from=1.0, samples=5, labels=labels)
    for name, value in (("mixup", 0.5), ("ema_decay", 0.9), ("swa_start", 0.5)):
        with pytest.raises(ConfigurationError, match=rf"training\.{name}.*feature_smote"):
            resolve(DIGITS, "mlp", "brier", 0, training={name: value}, sampler="feature_smote")


@pytest.mark.parametrize("name", (*SYNTHETIC, *ON_FEATURES))
def test_a_missing_package_is_told_before_the_training(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    trial = resolve(DIGITS, "mlp", "brier", 1, training=TRAINING, sampler=(name, {"neighbours": 2}))
    with pytest.raises(ConfigurationError, match=rf"{name} needs .*calibsweep\[imbalanced\]"):
        TrialRun(trial, load_dataset(trial, None, CPU), CPU)


def test_a_network_without_a_vector_for_each_sample_has_no_features() -> None:
    part = Split(torch.randn(7, 3, 4), torch.arange(7), torch.arange(7))
    settings = resolve(DIGITS, "mlp", "brier", 0).training
    for network in (
        nn.Sequential(nn.Linear(4, 5), nn.Flatten(), nn.ReLU()),
        nn.Sequential(nn.Linear(4, 5)),
        nn.Flatten(),
    ):
        with pytest.raises(ConfigurationError, match="one vector"):
            features_of(Execution(network, CPU, settings, None), part, lambda: None)


def test_a_network_without_features_is_refused_before_it_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampler = ("feature_smote", {"neighbours": 2})
    trial = resolve(DIGITS, "mlp", "brier", 1, training=TRAINING, sampler=sampler)
    data = load_dataset(trial, None, CPU)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU())
    monkeypatch.setattr(models, "build_for", lambda *_: network)
    with pytest.raises(ConfigurationError, match="one vector"):
        TrialRun(trial, data, CPU)


def test_impossible_resampling_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="power"):
        samplers.build("resampled", power=1.5, labels=LABELS)
    with pytest.raises(ConfigurationError, match=r"'class_balanced' needs 'labels'.*: samples"):
        samplers.build("class_balanced", samples=5)
    with pytest.raises(ConfigurationError, match="one class"):
        samplers.build("class_balanced", labels=torch.ones(5, 3))
    with pytest.raises(ConfigurationError, match=r"oversampled.*one class"):
        samplers.build("oversampled", labels=torch.ones(5, 3).long())
    with pytest.raises(ConfigurationError, match="'class_balanced'"):
        resolve(DIGITS, "mlp", "brier", 0, sampler="class_balanced_")


def test_a_resampled_trial_has_the_matched_start_and_other_samples() -> None:
    natural = resolve(DIGITS, "mlp", "cross_entropy", 1, training=TRAINING)
    resampled = resolve(DIGITS, "mlp", "cross_entropy", 1, training=TRAINING, sampler="class_balanced")
    assert natural == replace(resampled, sampler=natural.sampler) and natural.key != resampled.key
    runs = [TrialRun(trial, load_dataset(trial, None, CPU), CPU) for trial in (natural, resampled)]
    starts = [[p.detach().clone() for p in run.model.parameters()] for run in runs]
    assert all(map(torch.equal, *starts))
    assert runs[0].advance()["train_loss"] != runs[1].advance()["train_loss"]


class Adjusted(Loss):
    """Cross-entropy of logits to which the log share of their class is added (Menon et al., ICLR 2021)."""

    def __init__(self, class_counts: Tensor, reduction: str = "sum"):
        super().__init__(reduction)  # type: ignore[arg-type]
        self.register_buffer("counts", class_counts)
        self.seen: list[list[int]] = []

    def per_sample(self, logits: Tensor, labels: Tensor, sample_ids: Tensor) -> Tensor:
        self.seen.append(sample_ids.tolist())
        prior = self.counts / self.counts.sum()  # type: ignore[operator]
        return functional.cross_entropy(logits + prior.log(), labels, reduction="none")


class Unmet(Loss):
    def forward(self, logits: Tensor, labels: Tensor, soft_labels: Tensor) -> Tensor:
        return logits.sum()


def test_a_loss_gets_the_context_that_its_signatures_name() -> None:
    trial = resolve(DIGITS, "mlp", "cross_entropy", 1, training=TRAINING)
    data = load_dataset(trial, None, CPU)
    run = TrialRun(trial, data, CPU)
    assert run.trainer.batch_context == ()
    counts = run.task.loss_context(data)["class_counts"]
    assert counts.tolist() == np.bincount(data.train.labels.numpy(), minlength=10).tolist()
    run.trainer.loss = loss = Adjusted(counts)
    run.trainer.batch_context = batch_context_of(loss)
    assert run.trainer.batch_context == ("sample_ids",)
    run.advance()
    assert list(map(len, loss.seen)) == [32, 32, 11]
    assert sorted(id for batch in loss.seen for id in batch) == sorted(data.train.sample_ids.tolist())
    run.trainer.batch_context = batch_context_of(Unmet())
    with pytest.raises(ConfigurationError, match="soft_labels"):
        run.advance()
