"""Schedules, averages, mixup and SAM, against torch's own or a direct statement of their formulas."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import lr_scheduler, swa_utils

from trainables.computed import numbers
from trainables.datasets.base import Dataset, Split
from trainables.errors import ConfigurationError
from trainables.losses.base import Loss
from trainables.resolve import resolve
from trainables.training import sam
from trainables.training.mixup import mixings
from trainables.training.optimizers import SGD
from trainables.training.run import TrialRun, load_dataset
from trainables.training.trainer import batch_context_of
from trainables.trial import Component, Trial

CPU = torch.device("cpu")
DIGITS = ("digits", {"training_samples": 75, "validation_samples": 60})
TRAINING = {"epochs": 6, "batch_size": 32, "milestones": [2, 5], "learning_rate": 0.05}
ONE_STEP = {
    **{"epochs": 1, "batch_size": 75, "milestones": [], "momentum": 0.0, "weight_decay": 0.0},
    "gradient_clip_norm": None,
}


def trial_of(loss: str = "cross_entropy", model: str = "small_cnn", **training: Any) -> Trial:
    params = {"channels": 3} if model == "small_cnn" else {"hidden": 24}
    return resolve(DIGITS, (model, params), loss, 0, training={**TRAINING, **training})


@functools.cache
def digits() -> Dataset:
    return load_dataset(trial_of(), None, CPU)


def started(trial: Trial) -> TrialRun:
    return TrialRun(trial, digits(), CPU)


def trained(trial: Trial) -> TrialRun:
    run = started(trial)
    while not run.done:
        run.advance()
    return run


def rates(trial: Trial) -> list[float]:
    """The learning rate of each step."""
    found: list[float] = []
    run = started(trial)
    optimizer = run.trainer.optimizer
    optimizer.register_step_post_hook(lambda *_: found.append(optimizer.param_groups[0]["lr"]))
    for epoch in range(6):
        curves = run.trainer.epoch(epoch)
        assert curves and curves["learning_rate"] == found[-1]
        run.trainer.schedule.step()
    return found


def of_torch(kind: Any, steps: int, rate: float = 0.05, **options: Any) -> list[float]:
    """The learning rates of a schedule of torch's."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], rate)
    schedule = kind(optimizer, **options)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_schedules_are_those_of_torch() -> None:
    # Three batches in each epoch.
    cosine = np.repeat(of_torch(lr_scheduler.CosineAnnealingLR, 6, T_max=6), 3)
    assert rates(trial_of(model="mlp", schedule="cosine", milestones=[])) == pytest.approx(cosine)
    warm = of_torch(lr_scheduler.LinearLR, 6, start_factor=1 / 6, total_iters=5)
    later = np.repeat(of_torch(lr_scheduler.CosineAnnealingLR, 4, T_max=4), 3)
    warm_cosine = rates(trial_of(model="mlp", schedule="cosine", milestones=[], warmup_epochs=2))
    assert warm_cosine == pytest.approx([*warm, *later])
    steps = np.repeat(of_torch(lr_scheduler.MultiStepLR, 6, milestones=[2, 5]), 3)
    warm = of_torch(lr_scheduler.LinearLR, 18, rate=1.0, start_factor=1 / 9, total_iters=8)
    assert rates(trial_of(model="mlp", warmup_epochs=3)) == pytest.approx(steps * warm)
    # SWA begins after half of the epochs.
    steps[9:] = 0.02
    assert rates(trial_of(model="mlp", swa_start=0.5, swa_learning_rate=0.02)) == pytest.approx(steps)


def logits_of(model: nn.Module, run: TrialRun) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model.eval()(run.dataset.validation.inputs)
    return logits


def test_the_moving_average_is_that_of_torch_and_training_does_not_see_it() -> None:
    run, plain = started(trial_of(ema_decay=0.8)), trained(trial_of())
    average = swa_utils.AveragedModel(
        run.model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.8), use_buffers=True
    )
    run.trainer.optimizer.register_step_post_hook(lambda *_: average.update_parameters(run.model))
    while not run.done:
        run.advance()
    assert torch.equal(run.result().validation.logits, logits_of(average, run))
    for name, value in plain.model.state_dict().items():
        assert torch.equal(run.model.state_dict()[name], value), name
    assert not torch.equal(run.result().validation.logits, plain.result().validation.logits)
    learnt = [[curves["train_loss"] for curves in each.epochs] for each in (run, plain)]
    assert learnt[0] == learnt[1]


def test_stochastic_weight_averaging_is_that_of_torch() -> None:
    # One batch, so that its order is all that differs.
    settings = {"batch_size": 75, "reported_epoch": "best_validation_accuracy"}
    run, plain = started(trial_of(swa_start=0.5, **settings)), started(trial_of(**settings))
    average = swa_utils.AveragedModel(run.model)
    while not run.done:
        curves, expected = run.advance(), plain.advance()
        if run.epoch <= 3:
            # The average has not begun, and no such epoch is reported.
            assert run.reported.epoch == -1 and repr(curves) == repr(expected)
            continue
        average.update_parameters(run.model)
        swa_utils.update_bn([run.dataset.train.inputs], average)
        expected = functional.cross_entropy(logits_of(average, run), run.dataset.validation.labels)
        assert curves["validation_nll"] == pytest.approx(expected.item(), rel=1e-4)
    assert int(average.n_averaged) == 3 <= run.reported.epoch
    for name, value in plain.model.state_dict().items():
        assert torch.equal(run.model.state_dict()[name], value), name


def test_evaluations_have_the_averaged_network() -> None:
    averaged = started(trial_of(ema_decay=0.8))
    # The digits' own test set as a further data set.
    other = Component(averaged.trial.dataset.name, averaged.trial.dataset.params, 1, "digits")
    object.__setattr__(averaged.trial, "evaluations", (other,))
    while not averaged.done:
        averaged.advance()
    found = averaged.predictions_on(other, None)
    assert torch.equal(found.logits, averaged.result().test.logits)


def test_a_step_of_sam_on_a_quadratic() -> None:
    # L(w) = w' A w / 2, with gradient A w.
    matrix = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    start = torch.tensor([0.3, -0.7], dtype=torch.float64)
    first, second, frozen = nn.Parameter(start[:1].clone()), nn.Parameter(start[1:].clone()), nn.Parameter()
    buffer = torch.ones(3)

    def gradients() -> Tensor:
        first.grad = second.grad = None
        weights = torch.cat([first, second])
        (weights @ matrix @ weights / 2).backward()  # type: ignore[no-untyped-call]
        assert first.grad is not None and second.grad is not None
        return torch.cat([first.grad, second.grad])

    at_start = gradients()
    assert torch.allclose(at_start, matrix @ start)
    with sam.moved([first, second, frozen], 0.1, [buffer]):
        nearby = start + 0.1 * at_start / at_start.norm()
        assert torch.allclose(torch.cat([first, second]), nearby, rtol=1e-10)
        assert torch.allclose(gradients(), matrix @ nearby, rtol=1e-10)
        buffer += 1
    assert torch.equal(torch.cat([first, second]), start) and torch.equal(buffer, torch.ones(3))


def test_a_step_of_sam_in_training() -> None:
    run = started(trial_of(sam=0.2, **ONE_STEP))
    network, loss = copy.deepcopy(run.model).train(), nn.CrossEntropyLoss(reduction="sum")
    images, labels = run.dataset.train.inputs, run.dataset.train.labels
    weights = [parameter.detach().clone() for parameter in network.parameters()]

    def gradient() -> list[Tensor]:
        return list(torch.autograd.grad(loss(network(images), labels), list(network.parameters())))

    first = gradient()
    statistics = {name: buffer.clone() for name, buffer in network.named_buffers()}
    norm = torch.cat([each.flatten() for each in first]).norm()
    with torch.no_grad():
        for parameter, each in zip(network.parameters(), first, strict=True):
            parameter += 0.2 * each / norm
    second = gradient()
    curves = run.advance()
    parameters = zip(run.model.parameters(), weights, second, strict=True)
    for parameter, before, each in parameters:
        torch.testing.assert_close(parameter.detach(), before - 0.05 * each, rtol=1e-3, atol=1e-4)
    for name, buffer in run.model.named_buffers():
        torch.testing.assert_close(buffer, statistics[name], rtol=1e-4, atol=1e-5)
    expected = torch.cat([each.flatten() for each in second]).norm().item()
    assert (
        curves["gradient_norm"] == pytest.approx(expected, rel=1e-4) != pytest.approx(norm.item(), rel=1e-2)
    )


def test_mixup_is_cross_entropy_with_soft_labels_on_mixed_images() -> None:
    run = started(trial_of(mixup=0.7, **ONE_STEP))
    network, before = copy.deepcopy(run.model).train(), run.model.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    (order,) = run.trainer._batches(0)
    (mixing,) = mixings(run.trial, 0, [order])
    assert 0.05 < mixing.share < 0.95
    images, one_hot = run.dataset.train.inputs[order], torch.eye(10)[run.dataset.train.labels[order]]
    weights = torch.full((75, 1), mixing.share)
    mixed = images.lerp(images[mixing.partners], 1 - mixing.share)
    soft = weights * one_hot + (1 - weights) * one_hot[mixing.partners]
    logits = network(mixed)
    loss = functional.cross_entropy(logits, soft, reduction="sum")
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    curves = run.advance()
    assert curves["train_loss"] == pytest.approx(loss.item() / 75, rel=1e-4)
    for (name, parameter), each in zip(run.model.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.detach(), before[name] - 0.05 * each, rtol=1e-3, atol=1e-4)
    # Errors are counted against the label with the greater share.
    wrong = logits.argmax(1) != soft.argmax(1)
    assert curves["train_error"] == pytest.approx(wrong.double().mean().item())


class Noting(Loss):
    """Notes the samples and labels of each call."""

    def __init__(self) -> None:
        super().__init__("sum")
        self.calls: list[tuple[list[int], list[int]]] = []

    def per_sample(self, logits: Tensor, labels: Tensor, sample_ids: Tensor) -> Tensor:
        self.calls.append((sample_ids.tolist(), labels.tolist()))
        return functional.cross_entropy(logits, labels, reduction="none")


def test_a_loss_that_takes_samples_has_those_of_its_labels() -> None:
    run = started(trial_of(mixup=0.7, **ONE_STEP))
    run.trainer.loss = loss = Noting()
    run.trainer.batch_context = batch_context_of(loss)
    (order,) = run.trainer._batches(0)
    (mixing,) = mixings(run.trial, 0, [order])
    run.advance()
    train = run.dataset.train
    assert loss.calls == [
        (train.sample_ids[each].tolist(), train.labels[each].tolist())
        for each in (order, order[mixing.partners])
    ]


def test_shares_are_of_the_beta_distribution_and_depend_on_seed_and_epoch_alone() -> None:
    batches = [torch.arange(size) for size in [3, 5] * 600]
    drawn = mixings(trial_of(mixup=0.4), 1, batches)
    shares = [each.share for each in drawn]
    fits, misfits = (stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue for alpha in (0.4, 0.6))
    assert fits > 1e-3 > 1e-6 > misfits
    for batch, mixing in zip(batches, drawn, strict=True):
        assert torch.equal(mixing.partners.sort().values, batch)
    same = mixings(trial_of("brier", "mlp", mixup=0.4, learning_rate=0.3), 1, batches)
    assert [(each.share, *each.partners.tolist()) for each in same] == [
        (each.share, *each.partners.tolist()) for each in drawn
    ]
    assert mixings(trial_of(mixup=0.4), 2, batches)[0].share != drawn[0].share


class Tokens(Dataset):
    """Digits as whole numbers."""

    def __init__(self, plain: Dataset):
        train = Split(plain.train.inputs.long(), plain.train.labels, plain.train.sample_ids)
        super().__init__(train, plain.validation, plain.test, 10, plain.input_shape)


def test_inputs_that_cannot_be_mixed_are_refused() -> None:
    for dataset, model in (("sst", "tree_lstm"), ("twenty_newsgroups_bert", "bert")):
        with pytest.raises(ConfigurationError, match=rf"training.mixup .* '{dataset}.*' has \w+ input"):
            resolve(dataset, model, "focal_1", 0, training={"mixup": 0.2})
    trial = trial_of(model="mlp", mixup=0.2)
    with pytest.raises(ConfigurationError, match=r"training.mixup .* are torch.int64"):
        TrialRun(trial, Tokens(digits()), CPU)


@pytest.mark.parametrize(
    "method", [{"warmup_epochs": 5}, {"schedule": "cosine", "milestones": []}, {"sam": 0.1}]
)
def test_numbers_of_the_training_code_follow_each_method(method: dict[str, Any]) -> None:
    changed, plain = (numbers(trial_of(model="mlp", **each))["training"] for each in (method, {}))
    assert len(changed) == len(plain) and changed != plain
