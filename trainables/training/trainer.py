"""The network of a trial and the steps that train it, one epoch at a time."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from trainables import losses, models, samplers
from trainables.catalogue import MODELS
from trainables.datasets.base import Dataset
from trainables.errors import ConfigurationError, TrialDiverged
from trainables.losses.base import Loss
from trainables.tasks.base import Task
from trainables.training import sam, seeds
from trainables.training.averaging import Averaging
from trainables.training.curves import Curves
from trainables.training.epoch import GRADIENT_BINS, EpochUnderWay
from trainables.training.execution import Execution, TrainingPass
from trainables.training.features import features_of, last_layer, of_features
from trainables.training.mixup import Mixing, mixings, refuse_unmixable
from trainables.training.optimizers import optimizer
from trainables.training.process_group import ProcessGroup
from trainables.training.schedule import schedule, warm_up
from trainables.trial import Trial


def never() -> bool:
    return False


class Trainer:
    """The state that training changes: network, loss, optimiser, schedule, and the current epoch.

    Args:
        device: Where `dataset` is.
        group: The processes that train the trial together.

    Raises:
        ConfigurationError: The loss asks for context that the task does not provide.
    """

    def __init__(
        self, trial: Trial, dataset: Dataset, task: Task[Any], device: torch.device, group: ProcessGroup
    ):
        self.trial, self.dataset, self.task, self.device, self.group = trial, dataset, task, device, group
        self.under_way: EpochUnderWay | None = None
        settings = trial.training
        seeds.seed_everything(seeds.initialisation(trial))
        model = models.build_for(dataset, trial.model)
        context = task.loss_context(dataset)
        reduction = "mean" if settings.loss_reduction == "mean" else "sum"
        loss = losses.build(trial.loss.name, **dict(trial.loss.params), reduction=reduction, **context)
        loss.on_network(model)
        self.loss = loss.to(device)
        self.batch_context = batch_context_of(self.loss)
        self.model = group.synchronised(model.to(device))
        self.execution = Execution(
            self.model,
            device,
            settings,
            dataset.input_shape,
            together=group.size > 1,
            replayable=MODELS[trial.model.name].spec.replayable,
        )
        # Of training batches; later perhaps of the last layer alone.
        self.training_execution = self.execution
        self.sampler = samplers.of_part(trial.sampler, dataset.train, context)
        train = self.sampler.training_part(dataset.train, self._generator_of_samples())
        if self.sampler.first_epoch_on_features(settings.epochs) is not None:
            # A network without features fails now, not after half of its epochs.
            features_of(self.execution, train.first(2), never)
        if train is not dataset.train:
            # The caller's data set is used by other trials too.
            self.dataset = copy.copy(dataset)
            self.dataset.train = train
        self.optimizer = optimizer(settings, self.model)
        self.schedule = schedule(settings, self.optimizer)
        self.averaging = Averaging(settings, self.model) if settings.averages else None
        if settings.mixup:
            refuse_unmixable(trial, dataset)

    def epoch(
        self, number: int, pause: Callable[[], bool] = never, on_batch: Callable[[], object] = never
    ) -> Curves | None:
        """Trains one epoch. Reads nothing from the device before its last batch.

        Args:
            number: Number of the epoch, from 0.
            pause: Called after each batch but the last. If it returns True the epoch is interrupted, and the
                next call resumes it.
            on_batch: Called after each batch.

        Returns:
            The curves of training; None if the epoch was interrupted.

        Raises:
            TrialDiverged: The loss is not finite.
        """
        settings = self.trial.training
        self._train_on_features_if_due(number, on_batch)
        batches = self._batches(number)
        mixed: Sequence[Mixing | None] = [None] * len(batches)
        if settings.mixup:
            mixed = mixings(self.trial, number, batches)
        warming = settings.warmup_epochs * len(batches)
        if self.under_way is None:
            self.under_way = self._begin(number)
        under_way = self.under_way
        clip_norm = settings.gradient_clip_norm or math.inf
        self.model.train()
        for position in range(under_way.batches, len(batches)):
            indices, mixing = batches[position], mixed[position]
            if number < settings.warmup_epochs:
                warm_up(self.optimizer, self.schedule, (number * len(batches) + position + 1) / warming)
            inputs, own_targets = self.group.batch(self.dataset, indices, under_way.augmentation, mixing)
            targets, scores, loss = self._gradient(inputs, own_targets, indices, mixing)
            # Before the next pass, which may overwrite them.
            logits = self.loss.logits(scores.detach())
            under_way.measured.add(logits, targets if mixing is None else mixing.labels(targets))
            averaged_over = {"sum": 1, "mean": len(targets), "mean_over_samples": len(indices)}
            divisor = averaged_over[settings.loss_reduction]
            under_way.loss_sum += loss.detach() * divisor
            if scores.grad is not None:
                under_way.add_gradients(scores.grad * divisor)
            if settings.sam:
                kept = (*self.model.buffers(), *self.loss.buffers())
                with sam.moved(self.model.parameters(), settings.sam, kept):
                    self._gradient(inputs, own_targets, indices, mixing)
            under_way.norm_sum += nn.utils.clip_grad_norm_(self.model.parameters(), clip_norm)
            self.optimizer.step()
            if self.averaging is not None:
                self.averaging.after_step()
            under_way.batches += 1
            on_batch()
            if under_way.batches < len(batches) and pause():
                return None
        self.under_way = None
        if self.averaging is not None:
            inputs_again = self._inputs(number, batches, on_batch)
            self.averaging.after_epoch(number, TrainingPass(self.execution), inputs_again)
        samples = sum(len(indices) for indices in batches)
        loss_per_sample = (under_way.loss_sum / samples).item()
        gradient_norm = (under_way.norm_sum / len(batches)).item()
        if not math.isfinite(loss_per_sample):
            raise TrialDiverged(f"the training loss of epoch {number} is {loss_per_sample}: {self.trial}.")
        return {
            "learning_rate": float(self.optimizer.param_groups[0]["lr"]),
            "train_loss": loss_per_sample,
            "gradient_norm": gradient_norm if math.isfinite(gradient_norm) else None,
            "gradient_bins": under_way.gradients.tolist(),
            **under_way.measured.read("train"),
        }

    @contextmanager
    def evaluated(self) -> Iterator[None]:
        """Inside this context the network has the weights that are evaluated: averaged ones, if any."""
        with self.averaging.in_place() if self.averaging is not None else nullcontext():
            yield

    @property
    def reportable(self) -> bool:
        """Whether the epoch may be reported: not before an average starts."""
        return self.averaging is None or self.averaging.number > 0

    def _train_on_features_if_due(self, number: int, on_batch: Callable[[], object]) -> None:
        """Replaces the training part by features, for a sampler that wants these from this epoch on.

        The layers before the last stay as they are from then on, so a resumed trial finds the same features.
        """
        first = self.sampler.first_epoch_on_features(self.trial.training.epochs)
        if first is None or number < first or self.training_execution is not self.execution:
            return
        part = features_of(self.execution, self.dataset.train, on_batch)
        train = self.sampler.features(part, self._generator_of_samples())
        self.dataset = of_features(self.dataset, train)
        self.training_execution = last_layer(self.model, self.device, self.trial.training)

    def _generator_of_samples(self) -> torch.Generator:
        return torch.Generator().manual_seed(seeds.synthetic_samples(self.trial))

    def _batches(self, number: int) -> list[Tensor]:
        """Indices of the samples of each batch of an epoch."""
        settings = self.trial.training
        generator = torch.Generator().manual_seed(seeds.batch_order(self.trial, number))
        self.sampler.on_epoch_start(number, settings.epochs)
        order = self.sampler.epoch(generator).to(self.dataset.train.labels.device)
        batches = list(torch.split(order, settings.batch_size))
        if settings.drop_last and len(batches[-1]) < settings.batch_size and len(batches) > 1:
            batches.pop()
        return batches

    def _inputs(
        self, number: int, batches: Sequence[Tensor], on_batch: Callable[[], object]
    ) -> Iterator[Any]:
        """Inputs of an epoch's batches once more, each in a list: augmented as before, but unmixed."""
        generator = torch.Generator(self.device).manual_seed(seeds.augmentation(self.trial, number))
        for indices in batches:
            yield [self.group.batch(self.dataset, indices, generator)[0]]
            on_batch()

    def _gradient(
        self, inputs: Any, own_targets: Tensor, indices: Tensor, mixing: Mixing | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Computes the gradient of a batch.

        Args:
            inputs, own_targets: Inputs and targets of this worker's slice.
            indices: Those of the whole batch, [N].

        Returns:
            Targets [M, ...] and outputs [M, ...] of the whole batch, these in float32 with their gradient,
            and the loss.
        """
        self.optimizer.zero_grad()
        outputs = self.training_execution.training_logits(inputs)
        outputs, targets = self.group.gather_batch(outputs, own_targets)
        scores = outputs.float()
        scores.retain_grad()
        loss = self._loss_of(scores, targets, indices)
        if mixing is not None:
            partners = mixing.partners
            other = self._loss_of(scores, targets[partners], indices[partners])
            loss = mixing.share * loss + (1 - mixing.share) * other
        loss.backward()  # type: ignore[no-untyped-call]
        self.group.all_reduce_gradients(self.model.parameters())
        return targets, scores, loss

    def _loss_of(self, scores: Tensor, targets: Tensor, indices: Tensor) -> Tensor:
        context = {}
        if self.batch_context:
            provided = self.task.batch_context(self.dataset.train, indices, targets)
            context = {name: self._provided(provided, name) for name in self.batch_context}
        loss = self.task.loss(self.loss, scores, targets, context)
        return loss / len(indices) if self.trial.training.loss_reduction == "mean_over_samples" else loss

    def _begin(self, number: int) -> EpochUnderWay:
        self.loss.on_epoch_start(number, self.trial.training.epochs)
        return EpochUnderWay(
            augmentation=torch.Generator(self.device).manual_seed(seeds.augmentation(self.trial, number)),
            measured=self.task.measures(self.device),
            loss_sum=torch.zeros((), dtype=torch.float64, device=self.device),
            norm_sum=torch.zeros((), dtype=torch.float64, device=self.device),
            gradients=torch.zeros(GRADIENT_BINS, dtype=torch.float64, device=self.device),
        )

    def _provided(self, provided: Mapping[str, Tensor], name: str) -> Tensor:
        if name not in provided:
            raise ConfigurationError(
                f"loss {self.trial.loss.label!r} needs {name!r} with each batch. The task provides: "
                f"{', '.join(sorted(provided)) or 'nothing'}."
            )
        return provided[name]

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "under_way": None if self.under_way is None else self.under_way.state(),
            **({"averaging": self.averaging.state()} if self.averaging is not None else {}),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.averaging is not None:
            self.averaging.restore(state["averaging"])
        self.under_way = None
        if state["under_way"] is not None:
            measured = self.task.measures(self.device)
            self.under_way = EpochUnderWay.restored(state["under_way"], self.device, measured)


def batch_context_of(loss: nn.Module) -> tuple[str, ...]:
    """Inputs of a loss besides outputs and targets, from the signature of its `forward` or `per_sample`."""
    inherited = isinstance(loss, Loss) and type(loss).forward is Loss.forward
    computes: Any = loss.per_sample if inherited else loss.forward
    return tuple(inspect.signature(computes).parameters)[2:]
