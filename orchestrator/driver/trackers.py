"""Reports trials to trackers: TensorBoard, MLflow, Weights & Biases.

They are for watching trials as they run. The record is the store, which has every epoch of every trial.
"""

from __future__ import annotations

import importlib.util
import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune import Callback

from results.store.address import Address, folder_name
from results.store.place import redacted
from results.store.store import Store
from sweeps.fields import WATCHERS, Watch
from trainables.errors import ConfigurationError
from trainables.shell import quoted
from trainables.trial import Trial

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

CURVES = (
    *("learning_rate", "gradient_norm", "train_loss", "train_nll", "train_error"),
    *("validation_nll", "validation_error", "validation_ece", "test_nll", "test_error", "test_ece"),
)

AWAY_SECONDS = 300.0
"""How long to ignore a tracker after it failed."""


class TensorBoard(Callback):
    """Writes event files of the running trials, with the numbers of each latest epoch.

    A trial's folder is the same in all runs. Each time the trial resumes, it gets another file there.
    TensorBoard shows the files as one curve: from the point of resumption, the later file counts.

    Args:
        folder: Parent of the trials' folders, named data set/model/loss/seed and key.
    """

    def __init__(self, folder: Path):
        # It loads torch.
        from tensorboardX import SummaryWriter

        self.folder = folder
        self.writer = SummaryWriter
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
            # Otherwise two files made in the same second would share a name.
            self.writers[key] = self.writer(str(own), filename_suffix=f".{before}", **goes_on)
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
    """Forwards events to a tracker that may be unavailable for a while. The sweep continues without it.

    Args:
        name: Its name in a sweep file.
        callback: Tune's own callback for it.
        report: Shows a line to the user.
    """

    def __init__(self, name: str, callback: Callback, report: Callable[[str], None]):
        self.name = name
        self.callback = callback
        self.report = report
        self.away_until = -math.inf

    def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
        # Tune writes a copy of everything to its scratch folder, which is never read again.
        return Callback, ()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._hand_on("on_trial_start", iteration=iteration, trials=trials, trial=trial, **info)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        event = {"iteration": iteration, "trials": trials, "trial": trial, "result": result}
        self._hand_on("on_trial_result", **event, **info)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._hand_on("on_trial_complete", iteration=iteration, trials=trials, trial=trial, **info)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._hand_on("on_trial_error", iteration=iteration, trials=trials, trial=trial, **info)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        self._hand_on("on_experiment_end", trials=trials, **info)

    def _hand_on(self, event: str, **arguments: Any) -> None:
        if time.monotonic() < self.away_until:
            return
        try:
            getattr(self.callback, event)(**arguments)
        except Exception as error:
            # No error of a tracker may affect trials. Pause, since each attempt may block the sweep.
            self.away_until = time.monotonic() + AWAY_SECONDS
            self.report(f"{self.name} failed, and the sweep continues without it for a while: {_line(error)}")


def callbacks(
    watches: Iterable[Watch],
    name: str,
    store: Store,
    report: Callable[[str], None],
) -> list[Callback]:
    """Builds the Tune callbacks for the trackers.

    Args:
        watches: From a sweep file's `run.watch`.
        name: Name of the sweep.
        report: Shows a line to the user: where to look, or a failure.

    Raises:
        ConfigurationError: A tracker is not installed, or unreachable.
    """
    found: list[Callback] = []
    for program, options in watches:
        package = WATCHERS[program]
        if importlib.util.find_spec(package) is None:
            raise ConfigurationError(
                f"run.watch: {program} needs the package {package}: pip install {package}"
            )
        callback: Callback
        match program:
            case "tensorboard":
                folder = _local_folder(store) / name
                callback = Outside(program, TensorBoard(folder), report)
                where = _tensorboard(folder)
            case "mlflow":
                from ray.air.integrations.mlflow import MLflowLoggerCallback

                # Otherwise it blocks for minutes, and all trials with it.
                os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
                os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
                options = {"experiment_name": name, **options}
                callback = _set_up(program, MLflowLoggerCallback(**options), report)
                where = f"MLflow, experiment {options['experiment_name']}"
            case _:
                from ray.air.integrations.wandb import WandbLoggerCallback

                options = {"project": name, **options}
                if "mode" in options:
                    # Ray decides by this variable alone whether it needs a key.
                    os.environ.setdefault("WANDB_MODE", str(options["mode"]))
                callback = _set_up(program, WandbLoggerCallback(**options), report)
                where = f"Weights & Biases, project {options['project']}"
        found.append(callback)
        report(f"Live curves: {where}")
    return found


def _tensorboard(folder: Path) -> str:
    """The command that shows the curves. The viewer need not be installed where they are written."""
    look = quoted("tensorboard", "--logdir", str(folder))
    return look if importlib.util.find_spec("tensorboard") else f"pip install tensorboard && {look}"


def _set_up(program: str, callback: Callback, report: Callable[[str], None]) -> Outside:
    try:
        callback.setup()
    except Exception as error:
        raise ConfigurationError(f"run.watch: {program} cannot be used: {_line(error)}") from error
    return Outside(program, callback, report)


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _local_folder(store: Store) -> Path:
    """A folder in the store if that is local, else on the driver's machine, since objects cannot grow.

    The same folder for each run on a store.
    """
    if store.folder.is_local:
        return Path(store.folder.root) / "tensorboard"
    scheme, _, place = redacted(store.uri).partition("://")
    below = (folder_name(part) for part in (scheme, *place.split("/")) if part)
    return Path.home().joinpath(".cache", "calibsweep", "tensorboard", *below)
