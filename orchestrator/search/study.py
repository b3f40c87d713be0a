"""The suggestions of a search, as a function of its file and of the results alone."""

from __future__ import annotations

import logging
import math
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from results.whole_file import write_whole
from sweeps.search import Search
from sweeps.space import Choice, Dimension
from trainables.errors import ConfigurationError
from trainables.trial import Trial

LOSS = "loss"
"""Name of the dimension that chooses among several losses."""

KEY = "key"
"""Attribute of Optuna's trials: the key of ours."""

CALIBRATOR = "calibrator"
"""Attribute of Optuna's trials: the calibrator of the scores."""

Scores = tuple[float, ...]
"""The values of the objectives, in their order."""


@dataclass(frozen=True)
class Result:
    """The end of a suggestion's trial.

    Attributes:
        scores: None if it failed or stopped early.
        rungs: With early stopping: the values of its curve at the rungs that it reached, by number of epochs.
        stopped: Whether it stopped early, after the last of `rungs`.
        calibrator: With which the scores are; '' for objectives without one.
    """

    scores: Scores | None = None
    rungs: Mapping[int, float] = field(default_factory=dict)
    stopped: bool = False
    calibrator: str = ""


FAILED = Result()


@dataclass(frozen=True)
class Suggestion:
    """A point of the space.

    Attributes:
        number: Its place in the search, from 0.
        loss: The name of the loss.
        values: Those of the other dimensions, by full name, such as 'focal.gamma'.
        trial: None if the combination of values is impossible.
        problem: Why it is impossible; '' if it is not.
    """

    number: int
    loss: str
    values: Mapping[str, Any]
    trial: Trial | None
    problem: str = ""


class Study:
    """Asks Optuna for suggestions, and tells it their results.

    The same sequence of calls gives the same suggestions, with one release of Optuna. So nothing of a study
    is stored: it is repeated from the results in the store.
    """

    def __init__(self, search: Search):
        self.search = search
        optuna.logging.set_verbosity(logging.WARNING)
        file = search.file
        directions = [
            StudyDirection.MINIMIZE if each.direction == "lower" else StudyDirection.MAXIMIZE
            for each in file.objectives
        ]
        self.storage = optuna.storages.InMemoryStorage()
        self.study = optuna.create_study(
            storage=self.storage,
            sampler=_sampler(file.sampler, file.sampler_seed),
            study_name=file.name,
            directions=directions,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.set_metric_names([each.name for each in file.objectives])
        self.asked: list[optuna.Trial] = []

    def ask(self) -> Suggestion:
        """The next suggestion."""
        asked = self.study.ask()
        self.asked.append(asked)
        losses = list(self.search.candidates)
        loss = losses[0]
        if len(losses) > 1:
            loss = str(asked.suggest_categorical(LOSS, losses))
        dimensions = self.search.dimensions(loss)
        values = {name: _suggested(asked, name, dimension) for name, dimension in dimensions.items()}
        try:
            trial = self.search.trial(loss, values)
        except ConfigurationError as error:
            return Suggestion(asked.number, loss, values, None, str(error))
        asked.set_user_attr(KEY, trial.key)
        return Suggestion(asked.number, loss, values, trial)

    def tell(self, number: int, result: Result) -> None:
        """The result of a suggestion."""
        asked = self.asked[number]
        for epochs, value in result.rungs.items():
            asked.report(value, epochs)
        if result.calibrator:
            asked.set_user_attr(CALIBRATOR, result.calibrator)
        if result.stopped:
            self.study.tell(asked, state=TrialState.PRUNED)
        elif result.scores is None or not all(map(math.isfinite, result.scores)):
            self.study.tell(asked, state=TrialState.FAIL)
        else:
            self.study.tell(asked, result.scores)

    def best(self) -> Sequence[int]:
        """The numbers of the best suggestions: one, or with several objectives the Pareto front.

        Of equal suggestions, the first.
        """
        first: dict[str, int] = {}
        for each in self.study.best_trials:
            first.setdefault(each.user_attrs[KEY], each.number)
        return list(first.values())[: None if len(self.search.objectives) > 1 else 1]

    def importance(self) -> dict[str, dict[str, float]]:
        """The share of each parameter in the variance of each objective, greatest first, by objective.

        By fANOVA (Hutter et al., ICML 2014), from the trials that have all parameters. An objective whose
        results do not suffice has none.
        """
        finished = self.study.get_trials(states=[TrialState.COMPLETE])
        found: dict[str, dict[str, float]] = {}
        for place, objective in enumerate(self.search.objectives):
            values = {trial.number: trial.values[place] for trial in finished}
            found[objective.name] = self._shares(values) if len(set(values.values())) > 1 else {}
        return found

    def _shares(self, values: Mapping[int, float]) -> dict[str, float]:
        """The share of each parameter in the variance of some values, by number of the trial."""
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return optuna.importance.get_param_importances(
            self.study, evaluator=evaluator, target=lambda trial: values[trial.number]
        )

    def write(self, path: Path) -> None:
        """Writes the study as an SQLite file, for optuna-dashboard and other tools of Optuna.

        Raises:
            ConfigurationError: It cannot be written.
        """
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "study.db"
            storage = optuna.storages.RDBStorage(f"sqlite:///{copy}")
            name = self.study.study_name
            optuna.copy_study(from_study_name=name, from_storage=self.storage, to_storage=storage)
            storage.engine.dispose()
            write_whole(path, copy.read_bytes())


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # Unfinished trials count as bad, so that trials at once are not neighbours.
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _suggested(asked: optuna.Trial, name: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choice):
        return dimension.value(asked.suggest_categorical(name, list(dimension.values)))
    low, high, log = dimension.low, dimension.high, dimension.log
    if dimension.whole:
        step = 1 if dimension.step is None else int(dimension.step)
        return dimension.value(asked.suggest_int(name, int(low), int(high), log=log, step=step))
    return dimension.value(asked.suggest_float(name, low, high, log=log, step=dimension.step))
