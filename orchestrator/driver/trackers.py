"""What a sweep writes for programs that draw curves: TensorBoard, MLflow, Weights & Biases.

For looking on while trials run. The record is the store, which has every epoch of every trial.
"""

from __future__ import annotations

import importlib.util
import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ray.tune import Callback
from tensorboardX import SummaryWriter

from results.store.address import Address, folder_name
from results.store.place import redacted
from results.store.store import Store
from sweeps.fields import WATCHERS, Watch
from trainables.errors import ConfigurationError
from trainables.shell import quoted
from trainables.trial import Trial

CURVES = (
    *("learning_rate", "gradient_norm", "train_loss", "train_nll", "train_error"),
    *("validation_nll", "validation_error", "validation_ece", "test_nll", "test_error", "test_ece"),
)

AWAY_SECONDS = 300.0
"""After a program that watches has failed, it is left alone for so long."""


class TensorBoard(Callback):
    """Event files of the trials that run, with what each reports of its latest epoch.

    Each time that a trial is taken up it gets a further file in its folder, which is the same in all runs.
    TensorBoard shows them as one curve: from where the trial goes on, the later file counts.

    Args:
        folder: Where they come to lie, as data set/model/loss/seed and key.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.writers: dict[str, SummaryWriter] = {}

    def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
        # Tune writes a copy of everything to its scratch folder, which is never read again.
        return Callback, ()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        curves = {name: result[name] for name in result if name in CURVES}
        asked: Trial = trial.config["trial"]
        key = asked.key
        if curves and key not in self.writers:
            place = Path(Address.of(asked).path("x")).parent.relative_to("x")
            own = self.folder / place / f"seed-{asked.seed}-{key}"
            before = len(list(own.glob("events.*")))
            goes_on = {"purge_step": result["epoch"]} if before else {}
            # Else two of the same second would be one file.
            self.writers[key] = SummaryWriter(str(own), filename_suffix=f".{before}", **goes_on)
        for name, value in curves.items():
            self.writers[key].add_scalar(name, value, result["epoch"])
        if result["done"]:
            self._close(key)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._close(trial.config["trial"].key)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        for key in list(self.writers):
            self._close(key)

    def _close(self, key: str) -> None:
        writer = self.writers.pop(key, None)
        if writer:
            writer.close()


class Outside(Callback):
    """Hands everything on to a program that may be away for a while: the sweep goes on without it.

    Args:
        name: What it is called in a sweep file.
        callback: Tune's own for that program.
        tell: Shows a line to whoever looks at the sweep.
    """

    def __init__(self, name: str, callback: Callback, tell: Callable[[str], None]):
        self.name = name
        self.callback = callback
        self.tell = tell
        self.away_until = -math.inf

    def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
        # Tune writes a copy of everything to its scratch folder, which is never read again.
        return Callback, ()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._hand_on("on_trial_start", iteration=iteration, trials=trials, trial=trial, **info)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        told = {"iteration": iteration, "trials": trials, "trial": trial, "result": result}
        self._hand_on("on_trial_result", **told, **info)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._hand_on("on_trial_complete", iteration=iteration, trials=trials, trial=trial, **info)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._hand_on("on_trial_error", iteration=iteration, trials=trials, trial=trial, **info)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        self._hand_on("on_experiment_end", trials=trials, **info)

    def _hand_on(self, event: str, **told: Any) -> None:
        if time.monotonic() < self.away_until:
            return
        try:
            getattr(self.callback, event)(**told)
        except Exception as error:
            # Whatever it is, it is none of the trials'. Each try may wait for an answer, and the sweep too.
            self.away_until = time.monotonic() + AWAY_SECONDS
            self.tell(f"{self.name} fails, the sweep goes on without it for a while: {_line(error)}")


def callbacks(
    asked: Iterable[Watch],
    name: str,
    store: Store,
    tell: Callable[[str], None],
) -> list[Callback]:
    """What Tune tells of each report.

    Args:
        asked: As in a sweep file's `run.watch`.
        name: The sweep's.
        tell: Shows a line to whoever looks at the sweep: where to look, and what fails.

    Raises:
        ConfigurationError: A program that is not installed here, or that cannot be reached.
    """
    found: list[Callback] = []
    for program, options in asked:
        package = WATCHERS[program]
        if importlib.util.find_spec(package) is None:
            raise ConfigurationError(
                f"run.watch: {program} needs the package {package}: pip install {package}"
            )
        callback: Callback
        match program:
            case "tensorboard":
                folder = _local_folder(store) / name
                callback = Outside(program, TensorBoard(folder), tell)
                where = _tensorboard(folder)
            case "mlflow":
                from ray.air.integrations.mlflow import MLflowLoggerCallback

                # Else it waits for minutes, and all trials with it.
                os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
                os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
                options = {"experiment_name": name, **options}
                callback = _set_up(program, MLflowLoggerCallback(**options), tell)
                where = f"MLflow, experiment {options['experiment_name']}"
            case _:
                from ray.air.integrations.wandb import WandbLoggerCallback

                options = {"project": name, **options}
                if "mode" in options:
                    # Ray looks there alone for whether a key is needed.
                    os.environ.setdefault("WANDB_MODE", str(options["mode"]))
                callback = _set_up(program, WandbLoggerCallback(**options), tell)
                where = f"Weights & Biases, project {options['project']}"
        found.append(callback)
        tell(f"Curves while it runs: {where}")
    return found


def _tensorboard(folder: Path) -> str:
    """How to look at the curves. What draws them need not be installed where they are written."""
    look = quoted("tensorboard", "--logdir", str(folder))
    return look if importlib.util.find_spec("tensorboard") else f"pip install tensorboard && {look}"


def _set_up(program: str, callback: Callback, tell: Callable[[str], None]) -> Outside:
    try:
        callback.setup()
    except Exception as error:
        raise ConfigurationError(f"run.watch: {program} cannot be used: {_line(error)}") from error
    return Outside(program, callback, tell)


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _local_folder(store: Store) -> Path:
    """In the store if that is a folder, else where the driver is: objects do not grow as event files do.

    The same place for each run on a store.
    """
    if store.folder.is_local:
        return Path(store.folder.root) / "tensorboard"
    scheme, _, place = redacted(store.uri).partition("://")
    below = (folder_name(part) for part in (scheme, *place.split("/")) if part)
    return Path.home().joinpath(".cache", "calibsweep", "tensorboard", *below)
