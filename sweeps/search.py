"""Reads search files: a cell with ranges of its parameters, and the rules of the search."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, PlainValidator

from sweeps import own_files, space
from sweeps.fields import Losses, Name, ProtocolName, Seeds, mapping, selected
from sweeps.space import Dimension
from sweeps.spec import Part, Run, raw_file, refusal, validated
from trainables import tasks
from trainables.catalogue import CALIBRATORS, DATASETS, LOSSES, METRICS, MODELS
from trainables.errors import ConfigurationError
from trainables.registry import Registry, closest
from trainables.resolve import checked_seed, resolve
from trainables.trial import Selection, TrainingSettings, Trial

MOST_TRIALS = 100_000

AFTER = ("nll", "ece", "adaptive_ece")
"""Criteria of the temperatures after which rows have scores."""

CURVES = ("error", "nll", "ece", *(f"{name}_after_{by}" for name in ("nll", "ece") for by in AFTER))
"""Objectives with a learning curve on the validation part."""


CALIBRATED = "_after_calibration"
"""Ending of objectives after the best of the calibrators of a search."""


@dataclass(frozen=True)
class Candidate:
    """A loss with fixed parameters, and with those that are searched."""

    name: str
    fixed: Mapping[str, Any]
    dimensions: Mapping[str, Dimension]


@dataclass(frozen=True)
class Objective:
    """A score on the validation part. The test part plays no role in a search.

    Attributes:
        name: As in the file: a metric, METRIC_after_CRITERION, or METRIC_after_calibration.
        direction: Which of two values is better.
    """

    name: str
    direction: Literal["lower", "higher"]

    @property
    def column(self) -> str:
        """Its column in the rows of the store, and its name in learning curves."""
        return f"validation_{self.name}"

    @property
    def calibrated(self) -> bool:
        """Whether it is after one of the calibrators of the search: rows and learning curves lack it."""
        return self.name.endswith(CALIBRATED)

    @property
    def metric(self) -> str:
        return self.name.partition("_after_")[0]


def _one(registry: Registry[Any], value: Any) -> Selection:
    choices = selected(registry, value)
    if len(choices) != 1:
        raise ValueError(f"must be one component, not {len(choices)}.")
    return choices[0]


def _candidate(value: Any) -> Candidate:
    given = {value: {}} if isinstance(value, str) else value
    if not isinstance(given, dict) or len(given) != 1 or not isinstance(next(iter(given)), str):
        raise ValueError(f"must be a name, or one name with its parameters in braces, not {value!r}.")
    ((name, params),) = given.items()
    if not isinstance(params, dict) or not all(isinstance(key, str) for key in params):
        raise ValueError(f"{name}: must be a mapping of parameters to values, not {params!r}.")
    fixed, dimensions = space.split(params, space.types_of(LOSSES[name].parameters))
    for corner in space.corners(dimensions):
        LOSSES.resolve(name, {**fixed, **corner})
    return Candidate(name, fixed, dimensions)


def _training(value: Any) -> tuple[dict[str, Any], dict[str, Dimension]]:
    fixed, dimensions = space.split(mapping(value), TrainingSettings.__annotations__)
    for corner in space.corners(dimensions):
        for name, setting in (fixed | corner).items():
            TrainingSettings.checked(name, setting)
    return fixed, dimensions


def _objective(value: Any) -> Objective:
    if not isinstance(value, str):
        raise ValueError(f"must be the name of a score, not {value!r}.")
    names: dict[str, Literal["lower", "higher"]] = {
        name: direction
        for metric in METRICS.names()
        if METRICS[metric].spec.at_commit and not METRICS[metric].spec.against_test
        for name in (metric, *(f"{metric}_after_{criterion}" for criterion in AFTER), metric + CALIBRATED)
        if (direction := METRICS[metric].spec.direction)
    }
    if value not in names:
        raise ValueError(f"unknown objective {value!r}.{closest(value, names)}")
    return Objective(value, names[value])


def _calibrator(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be the name of a calibrator, not {value!r}.")
    return CALIBRATORS[value].name


def _name_of(selection: Selection) -> str:
    return selection if isinstance(selection, str) else selection[0]


class Halving(Part):
    """Early stopping by asynchronous successive halving (ASHA; Li et al., MLSys 2020, algorithm 2).

    After `first_epoch` epochs, and each time after `factor` times as many, a trial goes on only if it is
    among the best 1 / `factor` of the trials that got there.
    """

    first_epoch: int = Field(ge=1)
    factor: int = Field(default=3, ge=2)

    def rungs(self, epochs: int) -> list[int]:
        """The numbers of epochs after which a trial of `epochs` epochs may stop."""
        found, rung = [], self.first_epoch
        while rung < epochs:
            found.append(rung)
            rung *= self.factor
        return found


class SearchFile(Part):
    """A whole search file.

    Attributes:
        losses: Each with fixed values, ranges ({low, high, log, step}) or lists of values of its parameters.
            With several losses, the loss is searched too.
        training: Settings: fixed values, ranges or lists, as for losses.
        calibrators: Each trained network has that of them with which the first objective after calibration is
            best. No network is trained for it.
        seed: Of all trials of the search.
        objectives: Scores on the validation part. The default with calibrators is the NLL after calibration.
        trials: Number of suggestions. Equal ones are trained once.
        at_once: Most trials at once. A suggestion takes into account all but the latest `at_once - 1`
            trials, so that the suggestions do not depend on which trial ends first.
        halving: Early stopping, with one objective that learning curves have; None to train each trial to
            its end.
        sampler_seed: Of the sampler's random numbers.
        baselines: Losses beside the best in the sweep file that the search writes.
        final_seeds: Seeds of that sweep file. The default has five others than the seed of the search.
    """

    parts: ClassVar[Mapping[str, type[BaseModel]]] = {"halving": Halving}

    name: Name
    description: str = ""
    plugins: list[str] = Field(default=[])
    protocol: ProtocolName = "mukhoti2020"
    dataset: Annotated[Selection, PlainValidator(functools.partial(_one, DATASETS))]
    model: Annotated[Selection, PlainValidator(functools.partial(_one, MODELS))]
    losses: list[Annotated[Candidate, PlainValidator(_candidate)]] = Field(min_length=1)
    training: Annotated[tuple[dict[str, Any], dict[str, Dimension]], PlainValidator(_training)] = Field(
        default=({}, {})
    )
    calibrators: list[Annotated[str, PlainValidator(_calibrator)]] = Field(default=[])
    seed: Annotated[int, PlainValidator(checked_seed)] = 0
    objectives: list[Annotated[Objective, PlainValidator(_objective)]] = Field(
        default=[Objective("nll_after_nll", "lower")], min_length=1
    )
    trials: int = Field(ge=1, le=MOST_TRIALS)
    at_once: int = Field(default=4, ge=1, le=MOST_TRIALS)
    sampler: Literal["tpe", "random"] = "tpe"
    halving: Halving | None = None
    sampler_seed: int = Field(default=0, ge=0, lt=2**32)
    baselines: list[Losses] = Field(default=[("cross_entropy",)])
    final_seeds: Seeds = ()
    run: Run = Run()


@dataclass(frozen=True)
class Search:
    """A checked search."""

    file: SearchFile

    @functools.cached_property
    def candidates(self) -> Mapping[str, Candidate]:
        """The losses, by name."""
        return {candidate.name: candidate for candidate in self.file.losses}

    @property
    def training(self) -> Mapping[str, Any]:
        """The fixed training settings."""
        return self.file.training[0]

    @property
    def objectives(self) -> Sequence[Objective]:
        return self.file.objectives

    def dimensions(self, loss: str) -> dict[str, Dimension]:
        """The dimensions of the search for a loss, by the full names of the parameters."""
        of_loss = {f"{loss}.{name}": each for name, each in self.candidates[loss].dimensions.items()}
        return of_loss | {f"training.{name}": each for name, each in self.file.training[1].items()}

    def settings(self, loss: str, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The parameters of a loss and the training settings, from values by full name."""
        params, training = dict(self.candidates[loss].fixed), dict(self.training)
        for name, value in values.items():
            place, _, short = name.partition(".")
            (training if place == "training" else params)[short] = value
        return params, training

    def trial(self, loss: str, values: Mapping[str, Any]) -> Trial:
        """The trial of a suggestion.

        Raises:
            ConfigurationError: The combination of values is impossible.
        """
        params, training = self.settings(loss, values)
        file = self.file
        return resolve(file.dataset, file.model, (loss, params), file.seed, file.protocol, training)

    def corners(self) -> list[tuple[str, dict[str, Any]]]:
        """Each loss with the values at each end of its dimensions."""
        return [(loss, corner) for loss in self.candidates for corner in space.corners(self.dimensions(loss))]

    def representatives(self) -> list[Trial]:
        """A trial of each loss at each end of its dimensions."""
        return [self.trial(loss, corner) for loss, corner in self.corners()]


def load(path: Path | str) -> Search:
    """Loads a search file.

    Raises:
        ConfigurationError: The file is wrong, or asks for something impossible. One line per problem.
    """
    if not Path(path).exists():
        raise ConfigurationError(
            f"no such file: {str(path)!r}. Search files are described in docs/search.md."
        )
    raw = raw_file(path)
    if isinstance(raw, dict) and "blocks" in raw:
        raise ConfigurationError(f"{path}: is a sweep file, for `calibsweep run`, and not a search file.")
    file = validated(SearchFile, raw, f"{path}: ")
    folder = Path(path).parent
    own: dict[str, Any] = {
        "dataset": own_files.one(DATASETS, file.dataset, folder),
        "model": own_files.one(MODELS, file.model, folder),
    }
    if not file.final_seeds:
        own["final_seeds"] = tuple([seed for seed in range(6) if seed != file.seed][:5])
    if file.calibrators and "objectives" not in file.model_fields_set:
        own["objectives"] = [Objective(f"nll{CALIBRATED}", "lower")]
    search = Search(file := file.model_copy(update=own))
    if len(search.candidates) < len(file.losses):
        raise ConfigurationError(f"{path}: losses: names a loss twice: give one loss lists of values.")
    if "training" in search.candidates:
        raise ConfigurationError(f"{path}: losses: a searched loss cannot be named 'training'.")
    if not any(search.dimensions(loss) for loss in search.candidates) and len(search.candidates) < 2:
        raise ConfigurationError(
            f"{path}: nothing to search: give a parameter a range, as in gamma: {{low: 0, high: 5}}."
        )
    if len({objective.name for objective in file.objectives}) < len(file.objectives):
        raise ConfigurationError(f"{path}: objectives: names a score twice.")
    problems = []
    if file.halving and (len(file.objectives) > 1 or file.objectives[0].name not in CURVES):
        problems.append(f"{path}: halving: needs one objective, of {', '.join(CURVES)}.")
    calibrated = [objective.name for objective in file.objectives if objective.calibrated]
    if calibrated and not file.calibrators:
        problems.append(f"{path}: objectives: {calibrated[0]} needs calibrators: [temperature_nll, ...].")
    if file.calibrators and not calibrated:
        problems.append(
            f"{path}: calibrators: needs an objective after calibration, such as nll{CALIBRATED}."
        )
    if len(set(file.calibrators)) < len(file.calibrators):
        problems.append(f"{path}: calibrators: names a calibrator twice.")
    task = tasks.name_of(_name_of(file.dataset))
    if task != tasks.DEFAULT:
        problems.append(f"{path}: objectives: networks of the task {task!r} have none of these scores.")
    baselines = [baseline for each in file.baselines for baseline in each]
    checks = [functools.partial(search.trial, loss, corner) for loss, corner in search.corners()]
    checks += [
        functools.partial(
            resolve, file.dataset, file.model, baseline, file.seed, file.protocol, search.training
        )
        for baseline in baselines
    ]
    for check in checks:
        try:
            check()
        except ConfigurationError as error:
            problems += [f"{path}: {line}" for line in error.lines]
    if problems:
        raise refusal(problems)
    return search
