"""Training one trial in plain PyTorch: no Ray, no files, a debugger works."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables import datasets, losses, models
from trainables.calibration import ece
from trainables.catalogue import DATASETS, MODELS
from trainables.datasets.base import Dataset, Split
from trainables.errors import TrialDiverged
from trainables.training import memory, seeds
from trainables.training.checkpoint import CheckpointStore, decode, encode
from trainables.training.curves import ClassificationCurves, Curves, FeatureNorm
from trainables.training.epoch import EpochUnderWay
from trainables.training.execution import Execution, device_name
from trainables.training.optimizers import optimizer
from trainables.training.process_group import ProcessGroup
from trainables.training.result import Predictions, TrialResult
from trainables.trial import Component, Trial


def default_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_dataset(trial: Trial, root: Path | str | None, device: torch.device) -> Dataset:
    """The trial's data set on `device`."""
    return datasets.load(trial.dataset.name, root, **dict(trial.dataset.params)).to(device)


def run_trial(
    trial: Trial,
    *,
    root: Path | str | None = None,
    device: torch.device | None = None,
    checkpoints: CheckpointStore | None = None,
    checkpoint_every: int | None = None,
    on_epoch: Callable[[int, Curves], None] | None = None,
) -> TrialResult:
    """Trains one trial from its start, or from its last checkpoint, to its end.

    Args:
        root: Folder of the data sets (default: `datasets.default_root()`).
        device: Where to train (default: the GPU if there is one).
        checkpoints: Where checkpoints are kept; without it the trial starts anew.
        checkpoint_every: Epochs between checkpoints; None for no checkpoint.
        on_epoch: Called after each epoch with its number (from 0) and curves.

    Raises:
        TrialDiverged: A loss or logit that is not finite.
    """
    device = device or default_device()
    run = TrialRun.start(trial, load_dataset(trial, root, device), device, checkpoints)
    while not run.done:
        curves = run.advance()
        run.checkpoint_if_due(checkpoints, checkpoint_every)
        if on_epoch:
            on_epoch(run.epoch - 1, curves)
    return run.result()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def never() -> bool:
    return False


class TrialRun:
    """A trial under way: `advance` trains one epoch, `advance_until` a part of one.

    After either, `state` is something that can be gone on from.
    """

    def __init__(
        self, trial: Trial, dataset: Dataset, device: torch.device, group: ProcessGroup | None = None
    ):
        self.group = group or ProcessGroup()
        self.trial = trial
        self.dataset = dataset
        self.device = device
        self.epoch = 0
        self.resumed_from_epoch = 0
        self.seconds = 0.0
        self.epochs: list[Curves] = []
        self.best_accuracy = -math.inf
        self.reported_epoch = -1
        self.logits: dict[str, Tensor] = {}
        self.reported_model: dict[str, Tensor] | None = None
        self.under_way: EpochUnderWay | None = None
        # Called after each batch, of training and of evaluation.
        self.on_batch: Callable[[], object] = never
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

        settings = trial.training
        seeds.seed_everything(seeds.initialisation(trial))
        model = models.build_for(dataset, trial.model)
        self.model = self.group.synchronised(model.to(device))
        self.execution = Execution(
            self.model,
            device,
            settings,
            dataset.input_shape,
            together=self.group.size > 1,
            replayable=MODELS[trial.model.name].spec.replayable,
        )
        reduction = "mean" if settings.loss_reduction == "mean" else "sum"
        loss = losses.build(trial.loss.name, **dict(trial.loss.params), reduction=reduction)
        self.loss = loss.to(device)
        self.optimizer = optimizer(settings, self.model)
        self.schedule = torch.optim.lr_scheduler.MultiStepLR(
            self.optimizer, list(settings.milestones), settings.milestone_factor
        )

    @classmethod
    def start(
        cls,
        trial: Trial,
        dataset: Dataset,
        device: torch.device,
        checkpoints: CheckpointStore | None = None,
        group: ProcessGroup | None = None,
    ) -> TrialRun:
        """A run at its first epoch, or where its latest checkpoint that fits left it.

        Args:
            group: The processes that train the trial together. Only the first needs checkpoints: the others
                start from its state.
        """
        run = cls(trial, dataset, device, group)
        for state in checkpoints.load(trial.key) if checkpoints else ():
            try:
                run.restore(decode(state))
                break
            except Exception as error:
                if memory.is_exhausted(error):
                    # It fits another time.
                    raise
                # Made by other code, for instance. Training anew gives the same numbers, if later; a trial
                # that failed here would fail each time.
                if checkpoints:
                    checkpoints.unusable(f"it does not fit, {type(error).__name__}: {_line(error)}")
                run = cls(trial, dataset, device, group)
        if run.group.size > 1:
            run.restore(decode(run.group.broadcast(encode(run.state()))))
        return run

    @property
    def done(self) -> bool:
        return self.epoch >= self.trial.training.epochs

    def advance(self) -> Curves:
        """Trains one epoch, validates, tells the loss, and measures the curves.

        Raises:
            TrialDiverged: A loss or logit that is not finite.
        """
        curves = self.advance_until(never)
        assert curves is not None
        return curves

    def advance_until(self, pause: Callable[[], bool]) -> Curves | None:
        """Does what `advance` does, or a part of it.

        Args:
            pause: Asked after each training batch but the last. Where it says yes the epoch is left there,
                and the next call goes on with it: to the same numbers.

        Returns:
            The epoch's curves; None where it was left.

        Raises:
            TrialDiverged: A loss or logit that is not finite.
        """
        started = time.monotonic()
        trained = self.train_epoch(pause)
        if trained is None:
            self.seconds += time.monotonic() - started
            return None
        validation_logits, validation_labels, validation = self._evaluate(
            self.dataset.validation, "validation"
        )
        self.loss.on_validation(validation_logits, validation_labels)
        feature_norm = FeatureNorm(self.model, self.device)
        with feature_norm.measuring():
            test_logits, _, test = self._evaluate(self.dataset.test, "test")
        feature_norm.sums = self.group.all_reduce(feature_norm.sums)
        curves = {"epoch": self.epoch, **trained, **validation, **test, **feature_norm.read()}
        self._keep_if_reported(validation["validation_error"], validation_logits, test_logits)
        self.schedule.step()
        self.epochs.append(curves)
        self.epoch += 1
        self.seconds += time.monotonic() - started
        return curves

    def train_epoch(self, pause: Callable[[], bool] = never) -> Curves | None:
        """Trains on each sample once. Nothing is read from the device before the last batch is on its way.

        Raises:
            TrialDiverged: A loss that is not finite.
        """
        settings = self.trial.training
        train = self.dataset.train
        order_generator = torch.Generator().manual_seed(seeds.batch_order(self.trial, self.epoch))
        order = torch.randperm(len(train), generator=order_generator).to(train.labels.device)
        batches = list(torch.split(order, settings.batch_size))
        if settings.drop_last and len(batches[-1]) < settings.batch_size and len(batches) > 1:
            batches.pop()
        if self.under_way is None:
            self.under_way = self._begin_epoch()
        under_way = self.under_way
        clip_norm = settings.gradient_clip_norm or math.inf
        self.model.train()
        for indices in batches[under_way.batches :]:
            inputs, labels = self.group.batch(self.dataset, indices, under_way.augmentation)
            self.optimizer.zero_grad()
            logits = self.execution.training_logits(inputs)
            logits, labels = self.group.gather_batch(logits, labels)
            loss = self.loss(logits.float(), labels)
            if settings.loss_reduction == "mean_over_samples":
                loss = loss / len(indices)
            loss.backward()
            self.group.all_reduce_gradients(self.model.parameters())
            under_way.norm_sum += nn.utils.clip_grad_norm_(self.model.parameters(), clip_norm)
            self.optimizer.step()
            under_way.measured.add(logits, labels)
            averaged_over = {"sum": 1, "mean": len(labels), "mean_over_samples": len(indices)}
            under_way.loss_sum += loss.detach() * averaged_over[settings.loss_reduction]
            under_way.batches += 1
            self.on_batch()
            if under_way.batches < len(batches) and pause():
                return None
        self.under_way = None
        samples = sum(len(indices) for indices in batches)
        loss_per_sample = (under_way.loss_sum / samples).item()
        gradient_norm = (under_way.norm_sum / len(batches)).item()
        if not math.isfinite(loss_per_sample):
            raise TrialDiverged(
                f"the training loss of epoch {self.epoch} is {loss_per_sample}: {self.trial}."
            )
        return {
            "learning_rate": under_way.learning_rate,
            "train_loss": loss_per_sample,
            "gradient_norm": gradient_norm if math.isfinite(gradient_norm) else None,
            **under_way.measured.read("train"),
        }

    def _begin_epoch(self) -> EpochUnderWay:
        self.loss.on_epoch_start(self.epoch, self.trial.training.epochs)
        return EpochUnderWay(
            learning_rate=float(self.optimizer.param_groups[0]["lr"]),
            augmentation=torch.Generator(self.device).manual_seed(seeds.augmentation(self.trial, self.epoch)),
            measured=ClassificationCurves(self.device),
            loss_sum=torch.zeros((), dtype=torch.float64, device=self.device),
            norm_sum=torch.zeros((), dtype=torch.float64, device=self.device),
        )

    @torch.no_grad()
    def _logits(self, split: Split, name: str, group: ProcessGroup) -> tuple[Tensor, Tensor]:
        self.model.eval()
        logits, labels = [], []
        everything = torch.arange(len(split), device=split.labels.device)
        batches = torch.split(everything, self.execution.evaluation_batch)
        for indices in group.shard(batches):
            inputs, batch_labels = split.batch(indices)
            logits.append(self.execution.logits(inputs).float())
            labels.append(batch_labels)
            self.on_batch()
        all_logits, all_labels = group.gather_predictions(logits, labels, batches)
        if not bool(torch.isfinite(all_logits).all()):
            raise TrialDiverged(f"epoch {self.epoch} gives {name} logits that are not finite: {self.trial}.")
        return all_logits, all_labels

    def _evaluate(self, split: Split, prefix: str) -> tuple[Tensor, Tensor, Curves]:
        all_logits, all_labels = self._logits(split, prefix, self.group)
        measured = ClassificationCurves(self.device)
        measured.add(all_logits, all_labels)
        curves = measured.read(prefix)
        curves[f"{prefix}_ece"] = ece(torch.softmax(all_logits, dim=1), all_labels)
        return all_logits, all_labels, curves

    def _keep_if_reported(self, validation_error: float | None, validation: Tensor, test: Tensor) -> None:
        accuracy = 1.0 - (validation_error or 0.0)
        if (
            self.trial.training.reported_epoch == "best_validation_accuracy"
            and accuracy <= self.best_accuracy
        ):
            return
        self.best_accuracy, self.reported_epoch = accuracy, self.epoch
        self.logits = {"validation": validation, "test": test}
        if self.trial.score_on and self.trial.training.reported_epoch != "last":
            # Scored on other data once training is over, when the network is another one.
            self.reported_model = {name: value.clone() for name, value in self.model.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {
            "key": self.trial.key,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "epochs": self.epochs,
            "best_accuracy": self.best_accuracy,
            "reported_epoch": self.reported_epoch,
            "logits": {part: logits.cpu() for part, logits in self.logits.items()},
            "model": self.model.state_dict(),
            "reported_model": self.reported_model,
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generators": seeds.generator_states(),
            "under_way": None if self.under_way is None else self.under_way.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        if state["key"] != self.trial.key:
            raise ValueError(f"a checkpoint of trial {state['key']} is none of {self.trial.key}")
        self.model.load_state_dict(state["model"])
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        seeds.restore_generators(state["generators"])
        under_way = state["under_way"]
        self.under_way = None if under_way is None else EpochUnderWay.restored(under_way, self.device)
        self.epoch, self.seconds, self.epochs = state["epoch"], state["seconds"], list(state["epochs"])
        self.resumed_from_epoch = self.epoch
        self.best_accuracy, self.reported_epoch = state["best_accuracy"], state["reported_epoch"]
        self.logits = {part: logits.to(self.device) for part, logits in state["logits"].items()}
        self.reported_model = state["reported_model"]
        if (
            self.trial.score_on
            and self.epoch
            and self.reported_model is None
            and self.trial.training.reported_epoch != "last"
        ):
            raise ValueError("the checkpoint lacks the network of the reported epoch, which is to be scored")

    def checkpoint_if_due(self, checkpoints: CheckpointStore | None, every: int | None) -> bool:
        """Saves after each `every` epochs but the last, whose result is about to be committed anyway.

        Returns:
            Whether it did.
        """
        due = checkpoints and every and not self.done and self.under_way is None and self.epoch % every == 0
        if checkpoints and due:
            self.checkpoint(checkpoints)
        return bool(due)

    def checkpoint(self, checkpoints: CheckpointStore) -> None:
        """Saves the run as it stands, also in the middle of an epoch."""
        batch = self.under_way.batches if self.under_way else 0
        checkpoints.save(self.trial.key, self.epoch, encode(self.state()), batch)

    def predictions_on(self, component: Component, root: Path | str | None) -> Predictions:
        """What the network of the reported epoch says of one of the sets that `Trial.score_on` names.

        Labels are -1 where the set's classes are not those that the network was trained on.

        Raises:
            DataError: A set that is missing or damaged.
        """
        dataset = datasets.load(component.name, root, **dict(component.params)).to(self.device)
        if self.reported_model is not None:
            self.model.load_state_dict(self.reported_model)
        logits, labels = self._logits(dataset.test, component.label, ProcessGroup())
        if DATASETS[component.name].spec.classes_of != self.trial.dataset.name:
            labels = torch.full_like(labels, -1)
        return Predictions(logits.cpu(), labels.cpu(), dataset.test.sample_ids.cpu())

    def result(self) -> TrialResult:
        def predictions(part: str, split: Split) -> Predictions:
            return Predictions(self.logits[part].cpu(), split.labels.cpu(), split.sample_ids.cpu())

        return TrialResult(
            trial=self.trial,
            validation=predictions("validation", self.dataset.validation),
            test=predictions("test", self.dataset.test),
            epochs=self.epochs,
            reported_epoch=self.reported_epoch,
            dataset_fingerprint=self.dataset.fingerprint,
            measurements={
                "training_seconds": self.seconds,
                "resumed_from_epoch": self.resumed_from_epoch,
                "peak_memory_gib": self.group.all_reduce_max(memory.peak_gib(self.device)),
                "device": device_name(self.device),
                "execution": self.execution.description,
                "threads": torch.get_num_threads(),
                **self.dataset.measurements,
                "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            },
        )
