"""What a sweep writes for programs that draw curves: TensorBoard, MLflow, Weights & Biases.

For looking on while trials run. The record is the store, which has every epoch of every trial.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ray.tune import Callback
from tensorboardX import SummaryWriter

from results.address import Address
from results.store import Store
from sweeps.fields import WATCHERS, Watch
from trainables.errors import ConfigurationError
from trainables.trial import Trial

CURVES = (
    *("learning_rate", "gradient_norm", "train_loss", "train_nll", "train_error"),
    *("validation_nll", "validation_error", "validation_ece", "test_nll", "test_error", "test_ece"),
)


class TensorBoard(Callback):
    """An event file for each trial that runs, with what it reports of its latest epoch.

    Args:
        folder: Where they come to lie, as data set/model/loss/seed.
    """

    def __init__(self, folder: Path, trials: Mapping[str, Trial]):
        self.folder = folder
        self.trials = trials
        self.writers: dict[str, SummaryWriter] = {}

    def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
        # Tune writes a copy of everything to its scratch folder, which is never read again.
        return Callback, ()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        curves = {name: result[name] for name in result if name in CURVES}
        key = trial.config["key"]
        if curves and key not in self.writers:
            asked = self.trials[key]
            place = Path(Address.of(asked).path("x")).parent.relative_to("x")
            self.writers[key] = SummaryWriter(str(self.folder / place / f"seed-{asked.seed}-{key}"))
        for name, value in curves.items():
            self.writers[key].add_scalar(name, value, result["epoch"])
        if result["done"]:
            self._close(key)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._close(trial.config["key"])

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        for key in list(self.writers):
            self._close(key)

    def _close(self, key: str) -> None:
        writer = self.writers.pop(key, None)
        if writer:
            writer.close()


def callbacks(
    asked: Iterable[Watch], name: str, store: Store, trials: Mapping[str, Trial]
) -> tuple[list[Callback], list[str]]:
    """What Tune tells of each report, and a line for each on where to look.

    Args:
        asked: As in a sweep file's `run.watch`.
        name: The sweep's.

    Raises:
        ConfigurationError: A program that is not installed here.
    """
    found: list[Callback] = []
    lines = []
    for program, options in asked:
        package = WATCHERS[program]
        if importlib.util.find_spec(package) is None:
            raise ConfigurationError(
                f"run.watch: {program} needs the package {package}: pip install {package}"
            )
        match program:
            case "tensorboard":
                folder = _local_folder(store) / name
                found.append(TensorBoard(folder, trials))
                lines.append(f"Curves while it runs: tensorboard --logdir {folder}")
            case "mlflow":
                from ray.air.integrations.mlflow import MLflowLoggerCallback

                found.append(MLflowLoggerCallback(**{"experiment_name": name, **options}))
                lines.append(
                    f"Curves while it runs: MLflow, experiment {options.get('experiment_name', name)}"
                )
            case _:
                from ray.air.integrations.wandb import WandbLoggerCallback

                found.append(WandbLoggerCallback(**{"project": name, **options}))
                lines.append(
                    f"Curves while it runs: Weights & Biases, project {options.get('project', name)}"
                )
    return found, lines


def _local_folder(store: Store) -> Path:
    """In the store if that is a folder, else where the driver is: objects do not grow as event files do."""
    if store.folder.is_local:
        return Path(store.folder.root) / "tensorboard"
    return Path(tempfile.mkdtemp(prefix="calibsweep-tensorboard-"))
