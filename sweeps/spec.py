"""Reads sweep files, and refuses invalid ones with helpful lines."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from sweeps import fields, own_files
from sweeps.bundled import bundled_paths
from sweeps.fields import (
    Datasets,
    Gpus,
    Losses,
    Models,
    Name,
    ProtocolName,
    Samplers,
    Seeds,
    Training,
    Watches,
)
from sweeps.yaml_text import parsed
from trainables.errors import ConfigurationError
from trainables.registry import Registry, closest
from trainables.registry.plugins import PLUGINS
from trainables.trial import NATURAL, TrainingSettings

MOST_BYTES = 2**20
"""Size limit of a sweep file."""

MOST_LISTED = 50
"""Most problems listed for a sweep file."""

FORMER_KEYS = {"score_on": "evaluations"}
"""Keys of former sweep files, and their current names, for messages."""

MOST_EPOCHS, MOST_MINUTES, MOST_HOURS = 10_000_000, 1e6, 1e5


class Part(BaseModel):
    """Part of a sweep file. Nothing is guessed: unknown keys, or text in place of a number, are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    # Of a whole file: its further parts, by key.
    parts: ClassVar[Mapping[str, type[BaseModel]]] = {}


Model = TypeVar("Model", bound=Part)


class Exclusion(Part):
    """Cells of a block to exclude: those that match all given names and parameters."""

    dataset: Datasets = ()
    model: Models = ()
    loss: Losses = ()
    sampler: Samplers = ()
    reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _is_selective(self) -> Exclusion:
        if not (self.dataset or self.model or self.loss or self.sampler):
            raise ValueError(
                "must name a dataset, a model, a loss or a sampler, or it would exclude everything."
            )
        return self


class Block(Part):
    """A matrix of data sets, models, losses and samplers. Fields that it omits are inherited from the file.

    Attributes:
        samplers: Choose the samples of each epoch, and their order.
        evaluations: Further data sets on which each trained network is evaluated, after the test set;
            changes no numbers of the trials.
        gpus: GPUs that each of its trials reserves, instead of `run.gpus_per_trial`; changes no numbers.
    """

    datasets: list[Datasets] = Field(min_length=1)
    models: list[Models] = Field(min_length=1)
    losses: list[Losses] = Field(min_length=1)
    samplers: list[Samplers] = Field(default=[(NATURAL.name,)], min_length=1)
    seeds: Seeds = ()
    protocol: ProtocolName = ""
    training: Training = {}
    evaluations: list[Datasets] = []
    gpus: Gpus | None = None
    exclude: list[Exclusion] = []


class Run(Part):
    """How trials are run. Nothing here changes a trial's numbers or its key.

    Attributes:
        cpus_per_trial: CPU cores that a trial reserves, per GPU if it has several; fractions share a core.
        gpus_per_trial: GPUs that a trial reserves; fractions share a GPU. A block's own `gpus` takes
            precedence.
        checkpoint_every: Epochs from one checkpoint to the next.
        checkpoint_minutes: Minutes after which a checkpoint is due anyway, even within an epoch.
        hours_per_trial: Wall-clock time after which an unfinished trial has failed; None for no limit. An
            interrupted trial gets the full time again.
        stalled_minutes: Minutes without a batch, or ten of the trial's own epochs if these are longer, after
            which a trial is ended and resumed from its checkpoint. It has failed after three such ends in a
            row without a finished epoch in between. The limit is doubled until its first epoch is finished.
        watch: Programs that plot curves during the run: tensorboard, mlflow, wandb, by name or with the
            options of Tune's callback for it, e.g. `[tensorboard, {mlflow: {tracking_uri: "http://..."}}]`.
    """

    cpus_per_trial: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    gpus_per_trial: Gpus = 0.0
    checkpoint_every: int = Field(default=20, ge=1, le=MOST_EPOCHS)
    checkpoint_minutes: float = Field(default=15.0, gt=0, le=MOST_MINUTES, allow_inf_nan=False)
    hours_per_trial: float | None = Field(default=None, gt=0, le=MOST_HOURS, allow_inf_nan=False)
    stalled_minutes: float = Field(default=30.0, gt=0, le=MOST_MINUTES, allow_inf_nan=False)
    watch: Watches = (("tensorboard", {}),)


class SweepFile(Part):
    """A whole sweep file.

    Attributes:
        plugins: Files with additional components, as paths relative to the sweep file.
    """

    name: Name
    description: str = ""
    plugins: list[str] = []
    protocol: ProtocolName = "mukhoti2020"
    seeds: Seeds = (0, 1, 2, 3, 4)
    training: Training = {}
    blocks: list[Block] = Field(min_length=1)
    run: Run = Run()


class Overrides(Part):
    """Settings from the command line, which take precedence over the file and all its blocks.

    Attributes:
        protocol: The training and splits of a paper: it determines the training settings and the data's
            parts.
        seeds: A list of seeds, or the number of seeds from 0 on. Each seed is a trial of every cell.
    """

    protocol: ProtocolName = ""
    seeds: Seeds = ()
    training: Training = {}
    run: Run = Run()


SETTINGS = (
    "protocol",
    "seeds",
    *(f"training.{name}" for name in TrainingSettings.__annotations__),
    *(f"run.{name}" for name in Run.model_fields),
)
"""All paths that `--set` accepts."""


def bundled() -> dict[str, tuple[Path, str]]:
    """Path and description of each bundled sweep, by name."""
    return {name: (path, read(path).description) for name, path in bundled_paths().items()}


def read(path_or_name: Path | str) -> SweepFile:
    """Reads a sweep file, or a bundled one by its name.

    Raises:
        ConfigurationError: The file does not exist or is invalid. One line per problem: the file, the place
            in it, the problem and the nearest valid name.
    """
    raw = raw_file(path_or_name)
    if is_of_search(raw):
        raise ConfigurationError(f"{path_or_name}: is a search file, for `calibsweep search`.")
    file = validated(SweepFile, raw, f"{path_or_name}: ")
    folder = located(str(path_or_name)).parent
    return file.model_copy(update={"blocks": [_placed(each, folder) for each in file.blocks]})


def is_of_search(raw: Any) -> bool:
    """Whether the content of a file is that of a search file."""
    return isinstance(raw, dict) and "trials" in raw and "blocks" not in raw


def _placed(block: Block, folder: Path) -> Block:
    kinds = {"datasets": "dataset", "models": "model", "evaluations": "dataset"}
    lists: dict[str, Any] = {
        name: [own_files.placed(kind, each, folder) for each in getattr(block, name)]
        for name, kind in kinds.items()
    }
    exclusions = [
        each.model_copy(update={k: own_files.placed(k, getattr(each, k), folder) for k in own_files.KINDS})
        for each in block.exclude
    ]
    return block.model_copy(update={**lists, "exclude": exclusions})


def raw_file(path_or_name: Path | str) -> Any:
    """The content of a file as plain data, after its plug-ins are loaded.

    Raises:
        ConfigurationError: The file or a plug-in does not exist or is invalid.
    """
    source = str(path_or_name)
    try:
        path = located(source)
        if path.stat().st_size > MOST_BYTES:
            raise ConfigurationError(
                f"{source}: is larger than {MOST_BYTES} bytes, the limit of a sweep file."
            )
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{source}: is not UTF-8 text (byte {error.start + 1}).") from error
    except OSError as error:
        raise ConfigurationError(f"{source}: cannot be read: {error.strerror}.") from error
    raw = parsed(text, source)
    _load_plugins(raw, path, source)
    return raw


def _load_plugins(raw: Any, path: Path, source: str) -> None:
    """Loads the plug-ins that the rest of the file may name. An invalid list is refused later."""
    named = raw.get("plugins") if isinstance(raw, dict) else None
    problems: list[str] = []
    for i, plugin in enumerate(named if isinstance(named, list) else ()):
        if not isinstance(plugin, str):
            continue
        try:
            if Path(plugin).is_absolute():
                raise ConfigurationError(
                    f"{plugin!r} must be relative to the sweep file, so that both can be moved together."
                )
            PLUGINS.add([path.parent / plugin])
        except ConfigurationError as error:
            problems += [f"{source}: plugins[{i}]: {line}" for line in error.lines]
    if problems:
        raise refusal(problems)


def read_overrides(assignments: Sequence[str]) -> Overrides:
    """Parses `path=value` assignments from the command line, e.g. 'training.epochs=3' or 'seeds=[0]'.

    Raises ConfigurationError for unknown paths and values of the wrong type, one line each.
    """
    raw: dict[str, Any] = {}
    problems: list[str] = []
    for assignment in assignments:
        try:
            path, value = _assigned(assignment)
        except ConfigurationError as error:
            problems += error.lines
            continue
        section, _, name = path.rpartition(".")
        target = raw.setdefault(section, {}) if section else raw
        target[name] = value
    try:
        checked = validated(Overrides, raw, "--set ")
    except ConfigurationError as error:
        problems += error.lines
    if problems:
        raise refusal(problems)
    return checked


def _assigned(assignment: str) -> tuple[str, Any]:
    path, equals, value = assignment.partition("=")
    if not equals:
        raise ConfigurationError(f"--set {assignment}: write path=value, for example training.epochs=3.")
    first = re.split(r"[.\[]", path)[0]
    if first not in Overrides.model_fields and first in ("blocks", *Block.model_fields):
        raise ConfigurationError(
            f"--set {assignment}: {first} cannot be changed with --set: edit a copy of the sweep file."
        )
    if path not in SETTINGS:
        raise ConfigurationError(f"--set {assignment}: unknown setting {path!r}.{closest(path, SETTINGS)}")
    return path, parsed(value, f"--set {assignment}")


def selected(registry: Registry[Any], text: str, place: str) -> tuple[str, dict[str, Any]]:
    """The single component that a text from the command line asks for, written as in a sweep file.

    Raises ConfigurationError if a name or parameter does not exist, or for several components.
    """
    try:
        selections = fields.selected(registry, parsed(text, place))
    except ValueError as error:
        prefix = "" if str(error).startswith(place) else f"{place}: "
        raise ConfigurationError(f"{prefix}{error}") from error
    if len(selections) != 1:
        raise ConfigurationError(f"{place}: takes one component, not {len(selections)}.")
    (only,) = selections
    return (only, {}) if isinstance(only, str) else (only[0], dict(only[1]))


def refusal(problems: Iterable[str]) -> ConfigurationError:
    """An error with one line per problem, or with the first ones of very many."""
    lines = list(dict.fromkeys(problems))
    if len(lines) > MOST_LISTED:
        lines[MOST_LISTED:] = [f"and {len(lines) - MOST_LISTED} more problems."]
    return ConfigurationError(*lines)


def located(source: str) -> Path:
    """The path of a sweep file, or of a bundled one by its name.

    Raises:
        ConfigurationError: The file does not exist.
    """
    path, known = Path(source), bundled_paths()
    try:
        if path.is_file() or (path.suffix in (".yaml", ".yml") and path.exists()):
            return path
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{source[:50]!r} ... is not a valid file name.") from error
    if source in known:
        return known[source]
    if path.suffix in (".yaml", ".yml"):
        raise ConfigurationError(f"no such file: {source!r}.{closest(path.stem, known)}")
    raise ConfigurationError(f"unknown sweep {source!r}.{closest(source, known)}")


def validated(model: type[Model], raw: Any, prefix: str) -> Model:
    """Checks plain data. Raises ConfigurationError with one line per problem, each after `prefix`."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A misspelt key is also reported as missing: the spelling is more helpful.
        misspelt = {
            (*location, near)
            for *location, key in (p["loc"] for p in found if p["type"] == "extra_forbidden")
            for near in difflib.get_close_matches(str(key), _keys(model, location), n=1, cutoff=0.5)
        }
        problems = (p for p in found if p["type"] != "missing" or p["loc"] not in misspelt)
        raise refusal(line for problem in problems for line in _lines(problem, model, prefix)) from None


def _lines(problem: ErrorDetails, model: type[Part], prefix: str) -> list[str]:
    """Describes a finding of pydantic for users; one line per mistake if a mapping has several."""
    location = problem["loc"]
    if problem["type"] in ("extra_forbidden", "missing"):
        location = location[:-1]
    place = ""
    for step in location:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    return [f"{prefix}{place}{': ' if place else ''}{text}" for text in _texts(problem, model)]


def _texts(problem: ErrorDetails, model: type[Part]) -> Sequence[str]:
    location, kind, details = problem["loc"], problem["type"], problem.get("ctx", {})
    if kind == "value_error":
        error = details["error"]
        return error.lines if isinstance(error, ConfigurationError) else [str(error)]
    if kind == "extra_forbidden" and model is SweepFile and location[0] in Block.model_fields:
        return [
            f"{location[0]!r} belongs in a block, as in blocks: [{{datasets: .., models: .., losses: ..}}]."
        ]
    if kind == "extra_forbidden":
        keys = _keys(model, location[:-1])
        wrong = str(location[-1])
        named = FORMER_KEYS.get(wrong) if FORMER_KEYS.get(wrong) in keys else None
        return [f"unknown key {wrong!r}.{closest(named or wrong, keys)}"]
    if kind == "missing":
        return [f"needs {location[-1]!r}."]
    if kind in ("too_short", "string_too_short"):
        return ["must not be empty."]
    return [f"must be {_expected(kind, details)}, not {problem['input']!r}."]


def _expected(kind: str, details: Mapping[str, Any]) -> str:
    if kind in ("greater_than", "greater_than_equal"):
        return f"more than {details['gt']:g}" if "gt" in details else f"at least {details['ge']:g}"
    if kind == "less_than_equal":
        return f"at most {details['le']:g}"
    return {
        "string_type": "text",
        "list_type": "a list",
        "int_type": "a whole number",
        "float_type": "a number",
        "finite_number": "a finite number",
    }.get(kind, "a mapping of names to values")


def _keys(model: type[Part], location: Sequence[int | str]) -> list[str]:
    """The valid keys at a place."""
    parts: dict[str, type[BaseModel]] = {"blocks": Block, "exclude": Exclusion, "run": Run, **model.parts}
    names = [step for step in location if isinstance(step, str)]
    return list((parts[names[-1]] if names else model).model_fields)
