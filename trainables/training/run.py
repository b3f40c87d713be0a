"""Trains one trial in plain PyTorch: no Ray, no files, and a debugger works."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables import datasets, tasks
from trainables.catalogue import DATASETS
from trainables.datasets.base import Dataset, Split
from trainables.errors import TrialDiverged
from trainables.training import memory, seeds
from trainables.training.checkpoint import CheckpointStore, decode, encode
from trainables.training.curves import Curves, FeatureNorm
from trainables.training.execution import device_name
from trainables.training.process_group import ProcessGroup
from trainables.training.reported import PARTS, Reported
from trainables.training.result import TrialResult
from trainables.training.trainer import Trainer, never
from trainables.trial import Component, Trial


def default_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_dataset(trial: Trial, root: Path | str | None, device: torch.device) -> Dataset:
    """The trial's data set on `device`."""
    return datasets.load(trial.dataset.name, root, **trial.dataset.arguments()).to(device)


def run_trial(
    trial: Trial,
    *,
    root: Path | str | None = None,
    device: torch.device | None = None,
    checkpoints: CheckpointStore | None = None,
    checkpoint_every: int | None = None,
    on_epoch: Callable[[int, Curves], object] | None = None,
) -> TrialResult:
    """Trains one trial to its end, from its start or from its last checkpoint.

    Args:
        root: Folder of the data sets (default: `datasets.default_root()`).
        device: Where to train (default: the GPU if there is one).
        checkpoints: Where checkpoints are stored; without it the trial starts from scratch.
        checkpoint_every: Epochs between checkpoints; None for no checkpoints.
        on_epoch: Called after each epoch with its number (from 0) and curves.

    Raises:
        TrialDiverged: A loss or logit is not finite.
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


class TrialRun:
    """A running trial: `advance` trains one epoch, `advance_until` a part of one.

    Training can resume from its `state` after either.
    """

    def __init__(
        self, trial: Trial, dataset: Dataset, device: torch.device, group: ProcessGroup | None = None
    ):
        self.group = group or ProcessGroup()
        self.trial = trial
        self.dataset = dataset
        self.device = device
        self.task = tasks.build(tasks.name_of(trial.dataset.name))
        self.epoch = 0
        self.resumed_from_epoch = 0
        self.seconds = 0.0
        self.epochs: list[Curves] = []
        # Called after each batch, of training and of evaluation.
        self.on_batch: Callable[[], object] = never
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.trainer = Trainer(trial, dataset, self.task, device, self.group)
        self.model = self.trainer.model
        self.reported = Reported(trial)

    @classmethod
    def start(
        cls,
        trial: Trial,
        dataset: Dataset,
        device: torch.device,
        checkpoints: CheckpointStore | None = None,
        group: ProcessGroup | None = None,
    ) -> TrialRun:
        """Starts a run at its first epoch, or resumes from its latest usable checkpoint.

        Args:
            group: The processes that train the trial together. Only the first needs checkpoints: it
                broadcasts its state to the others.
        """
        run = cls(trial, dataset, device, group)
        for state in checkpoints.load(trial.key) if checkpoints else ():
            try:
                run.restore(decode(state))
                break
            except Exception as error:
                if memory.is_exhausted(error):
                    # The checkpoint is fine; there may be memory for it next time.
                    raise
                # It may have been made by other code. Training from scratch gives the same numbers, only
                # later; raising here would fail the trial on each attempt.
                if checkpoints:
                    checkpoints.unusable(
                        f"it does not match this code, {type(error).__name__}: {_line(error)}"
                    )
                run = cls(trial, dataset, device, group)
        if run.group.size > 1:
            run.restore(decode(run.group.broadcast(encode(run.state()))))
        return run

    @property
    def done(self) -> bool:
        return self.epoch >= self.trial.training.epochs

    @property
    def batches(self) -> int:
        """Trained batches of the current epoch."""
        return self.trainer.under_way.batches if self.trainer.under_way else 0

    def advance(self) -> Curves:
        """Trains one epoch, validates, passes the validation outputs to the loss, and measures the curves.

        Raises:
            TrialDiverged: A loss or output is not finite.
        """
        curves = self.advance_until(never)
        assert curves is not None
        return curves

    def advance_until(self, pause: Callable[[], bool]) -> Curves | None:
        """Trains one epoch as `advance` does, or a part of it.

        Args:
            pause: Called after each training batch but the last. If it returns True the epoch is interrupted,
                and the next call resumes it, with the same numbers.

        Returns:
            The epoch's curves; None if it was interrupted.

        Raises:
            TrialDiverged: A loss or output is not finite.
        """
        started = time.monotonic()
        trained = self.train_epoch(pause)
        if trained is None:
            self.seconds += time.monotonic() - started
            return None
        with self.trainer.evaluated():
            curves = {"epoch": self.epoch, **trained, **self._evaluate()}
        self.trainer.schedule.step()
        self.epochs.append(curves)
        self.epoch += 1
        self.seconds += time.monotonic() - started
        return curves

    def _evaluate(self) -> Curves:
        """Measures both parts, passes the validation outputs to the loss, and considers the epoch."""
        outputs, targets = self._outputs(self.dataset.validation, "validation", self.group)
        validation = self.task.evaluated(outputs, targets, "validation")
        self.trainer.loss.on_validation(outputs, targets)
        feature_norm = FeatureNorm(self.model, self.device)
        with feature_norm.measuring():
            test_outputs, test_targets = self._outputs(self.dataset.test, "test", self.group)
        test = self.task.evaluated(test_outputs, test_targets, "test")
        feature_norm.sums = self.group.all_reduce(feature_norm.sums)
        calibrated = self.task.calibrated((outputs, targets), (test_outputs, test_targets))
        if self.trainer.reportable:
            both = dict(zip(PARTS, (outputs, test_outputs), strict=True))
            self.reported.consider(self.epoch, self.task.selection(validation), both, self.model)
        return {**validation, **test, **feature_norm.read(), **calibrated}

    def train_epoch(self, pause: Callable[[], bool] = never) -> Curves | None:
        """Trains an epoch without evaluating, as `Trainer.epoch` does."""
        return self.trainer.epoch(self.epoch, pause, self.on_batch)

    @torch.no_grad()
    def _outputs(self, split: Split, name: str, group: ProcessGroup) -> tuple[Tensor, Tensor]:
        """Outputs of the network on a part of the data, float32 [M, ...], and their targets."""
        self.model.eval()
        outputs, targets = [], []
        execution = self.trainer.execution
        everything = torch.arange(len(split), device=split.labels.device)
        batches = torch.split(everything, execution.evaluation_batch)
        for indices in group.shard(batches):
            inputs, batch_targets = split.batch(indices)
            outputs.append(self.trainer.loss.logits(execution.logits(inputs).float()))
            targets.append(batch_targets)
            self.on_batch()
        all_outputs, all_targets = group.gather_predictions(outputs, targets, batches, split.labels[:0])
        if not bool(torch.isfinite(all_outputs).all()):
            raise TrialDiverged(f"epoch {self.epoch} gives {name} outputs that are not finite: {self.trial}.")
        return all_outputs, all_targets

    def state(self) -> dict[str, Any]:
        """The state that determines the rest of the run."""
        return {
            "key": self.trial.key,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "epochs": self.epochs,
            "reported": self.reported.state(),
            "generators": seeds.generator_states(),
            **self.trainer.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state. Raises ValueError if it is incomplete or belongs to another trial."""
        if state["key"] != self.trial.key:
            raise ValueError(f"the checkpoint belongs to trial {state['key']}, not to {self.trial.key}")
        self.trainer.restore(state)
        self.reported.restore(state["reported"], self.device)
        seeds.restore_generators(state["generators"])
        self.epoch, self.seconds, self.epochs = state["epoch"], state["seconds"], list(state["epochs"])
        self.resumed_from_epoch = self.epoch

    def checkpoint_if_due(self, checkpoints: CheckpointStore | None, every: int | None) -> bool:
        """Saves after every `every` epochs except after the last, whose result is committed next anyway.

        Returns:
            Whether it saved.
        """
        save = checkpoints and every and not self.done and self.batches == 0 and self.epoch % every == 0
        if checkpoints and save:
            self.checkpoint(checkpoints)
        return bool(save)

    def checkpoint(self, checkpoints: CheckpointStore) -> None:
        """Saves the current state of the run, also within an epoch."""
        checkpoints.save(self.trial.key, self.epoch, encode(self.state()), self.batches)

    def predictions_on(self, component: Component, root: Path | str | None) -> Any:
        """Predictions of the reported epoch's network on one of `Trial.evaluations`, in the form of the task.

        Raises:
            DataError: The set is missing or damaged.
        """
        dataset = datasets.load(component.name, root, **component.arguments()).to(self.device)
        if self.reported.model is not None:
            self.model.load_state_dict(self.reported.model)
        outputs, targets = self._outputs(dataset.test, component.label, ProcessGroup())
        same_targets = DATASETS[component.name].spec.classes_of == self.trial.dataset.name
        return self.task.elsewhere(outputs.cpu(), targets.cpu(), dataset.test.sample_ids.cpu(), same_targets)

    def result(self) -> TrialResult:
        def predictions(part: str, split: Split) -> Any:
            outputs = self.reported.outputs[part].cpu()
            return self.task.predictions(outputs, split.labels.cpu(), split.sample_ids.cpu())

        counts = self.task.loss_context(self.dataset).get("class_counts")
        return TrialResult(
            trial=self.trial,
            validation=predictions("validation", self.dataset.validation),
            test=predictions("test", self.dataset.test),
            epochs=self.epochs,
            reported_epoch=self.reported.epoch,
            dataset_fingerprint=self.dataset.fingerprint,
            measurements={
                "training_seconds": self.seconds,
                "resumed_from_epoch": self.resumed_from_epoch,
                "peak_memory_gib": self.group.all_reduce_max(memory.peak_gib(self.device)),
                "device": device_name(self.device),
                "execution": self.trainer.execution.description,
                "threads": torch.get_num_threads(),
                **self.dataset.measurements,
                "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            },
            class_counts=None if counts is None else tuple(counts.tolist()),
        )
