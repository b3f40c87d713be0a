"""Expands a sweep file into its trials."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.spec import Block, Exclusion, Run, read, read_overrides, refusal
from trainables import tasks
from trainables.catalogue import DATASETS, LOSSES, MODELS, PROTOCOLS, SAMPLERS
from trainables.content import identified
from trainables.errors import ConfigurationError, DataError
from trainables.protocols.base import Criterion
from trainables.registry import Registry
from trainables.resolve import in_order, of_cell, resolve_cell
from trainables.trial import Component, Selection, Trial, canonical_json

if TYPE_CHECKING:
    import pandas as pd

MOST_TRIALS = 1_000_000
"""Limit for one block."""


@dataclass(frozen=True)
class Sweep:
    """The trials of a sweep file, without duplicates, and how to run them.

    Attributes:
        run: Settings that change no trial's numbers: resources and checkpoints.
        gpus: Number of GPUs that each trial reserves, by its key: a fraction below 1, or a whole number.
        temperature_criterion: The criterion that tables fit temperatures by: that of the first trial's
            protocol.
    """

    name: str
    description: str
    run: Run
    trials: tuple[Trial, ...]
    gpus: Mapping[str, float]
    temperature_criterion: Criterion


def load(path_or_name: Path | str, overrides: Sequence[str] = ()) -> Sweep:
    """Loads a sweep file, or a bundled sweep by its name.

    A trial requested twice, by two blocks or under two names, is one trial: it keeps its first position, and
    the GPUs that it got there.

    Args:
        overrides: `path=value` from the command line, e.g. 'training.epochs=3', 'seeds=[0]' or
            'run.checkpoint_every=5'. They take precedence over the file and all its blocks.

    Raises:
        ConfigurationError: The file or an override is wrong, or asks for something impossible. One line per
            problem: the file, the place in it and the problem.
    """
    file, changes = read(path_or_name), read_overrides(overrides)
    problems: dict[str, str] = {}
    trials: dict[Trial, Trial] = {}
    gpus: dict[str, float] = {}
    run = file.run.model_copy(
        update={name: getattr(changes.run, name) for name in changes.run.model_fields_set}
    )
    for position, block in enumerate(file.blocks):
        complete = block.model_copy(
            update={
                "protocol": changes.protocol or block.protocol or file.protocol,
                "seeds": changes.seeds or block.seeds or file.seeds,
                "training": {**file.training, **block.training, **changes.training},
            }
        )
        given = None if "gpus_per_trial" in changes.run.model_fields_set else block.gpus
        per_trial = run.gpus_per_trial if given is None else given
        place = f"{path_or_name}: blocks[{position}]"
        _refuse_too_many(complete, place)
        for trial in _expanded(complete, place, problems):
            known = trials.setdefault(trial, trial)
            if gpus.setdefault(trial.key, per_trial) > trial.training.batch_size:
                line = f"{place}: {per_trial:g} GPUs cannot share batches of {trial.training.batch_size}."
                problems[line] = line
            if trial.evaluations != known.evaluations:
                both = in_order((*known.evaluations, *trial.evaluations))
                trials[trial] = dataclasses.replace(known, evaluations=both)
    if problems:
        raise refusal(problems.values())
    if not trials:
        raise ConfigurationError(f"{path_or_name}: its exclusions leave no trial to run.")
    first = next(iter(trials))
    return Sweep(
        name=file.name,
        description=file.description,
        run=run,
        trials=tuple(trials.values()),
        gpus=gpus,
        temperature_criterion=PROTOCOLS.build(first.protocol).temperature_criterion,
    )


def expected_frame(trials: Iterable[Trial]) -> pd.DataFrame:
    """One row per trial and evaluation, with the columns that tables need.

    key, trial_key, variant, labels, seed, identity, task, and of the evaluation its label ('test' for the
    test set) and its identity (None for the test set).
    """
    import pandas as pd

    columns = ["trial_key", "variant", "dataset", "model", "loss", "seed", "identity", "task"]
    columns += ["key", "evaluation", "evaluation_identity"]
    rows: list[tuple[object, ...]] = []
    for t in trials:
        of_trial = (
            *(t.key, t.variant, t.dataset.label, t.model.label, t.loss.label, t.seed),
            *(canonical_json(t.identity()), tasks.name_of(t.dataset.name)),
        )
        rows.append((*of_trial, t.key, "test", None))
        for each in t.evaluations:
            rows.append((*of_trial, t.key_on(each), each.label, canonical_json(each.identity())))
    return pd.DataFrame(rows, columns=columns)


def _refuse_too_many(block: Block, place: str) -> None:
    sizes = (sum(map(len, kind)) for kind in (block.datasets, block.models, block.losses, block.samplers))
    number = math.prod(sizes) * len(block.seeds)
    if number > MOST_TRIALS:
        raise ConfigurationError(f"{place}: asks for {number} trials, which is more than {MOST_TRIALS}.")


def _expanded(block: Block, place: str, problems: dict[str, str]) -> Iterator[Trial]:
    """The trials of a complete block. Adds one line to `problems` for each different message."""
    used: set[int] = set()
    every = itertools.chain.from_iterable
    for dataset, model, loss in itertools.product(
        every(block.datasets), every(block.models), every(block.losses)
    ):
        where = place
        try:
            cell = resolve_cell(block.protocol, dataset, model, loss)
            where = f"{place}, {' / '.join(component.label for component in cell)}"
            for sampler in every(block.samplers):
                complete = (*cell, Component.resolve(SAMPLERS, sampler))
                fitting = {i for i, exclusion in enumerate(block.exclude) if _fits(exclusion, complete)}
                used |= fitting
                if not fitting:
                    # Only the seed differs here, so the rest is resolved once.
                    evaluations = every(block.evaluations)
                    first = of_cell(
                        cell, block.seeds[0], block.protocol, block.training, evaluations, sampler
                    )
                    yield from (dataclasses.replace(first, seed=seed) for seed in block.seeds)
        except (ConfigurationError, DataError) as error:
            # Cells often share a problem: an incompatible data set and model fail with each loss.
            problems.setdefault(f"{place}: {error}", f"{where}: {error}")
    for i in range(len(block.exclude)):
        if i not in used and not problems:
            line = f"{place}.exclude[{i}]: matches no trial of the block: correct or remove it."
            problems[line] = line


def _fits(exclusion: Exclusion, cell: tuple[Component, Component, Component, Component]) -> bool:
    exclusions = (exclusion.dataset, exclusion.model, exclusion.loss, exclusion.sampler)
    registries: tuple[Registry[Any], ...] = (DATASETS, MODELS, LOSSES, SAMPLERS)
    return all(
        not choices or any(_is(component, registry, choice) for choice in choices)
        for choices, registry, component in zip(exclusions, registries, cell, strict=True)
    )


def _is(component: Component, registry: Registry[Any], selection: Selection) -> bool:
    """Whether this is the component of that name, with those parameters and any others."""
    name, params = (selection, {}) if isinstance(selection, str) else selection
    chosen = registry.chosen(name, identified(registry[name], params)[0])
    return registry[name].component == component.name and chosen.items() <= dict(component.params).items()
