"""Reports the state of a sweep in a store, and the cost of the rest. Starts and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.use_cases.changed_code import ChangedCode, changed_code
from orchestrator.use_cases.cost import Cost, Prices, cost
from orchestrator.use_cases.standing import Standing
from results import gpu_records
from results.store.checkpoints import moments_set_aside
from results.store.running import Running, overlaid, running
from results.store.store import Store
from results.store.survey import State, Survey
from sweeps.expand import load
from trainables.datasets import default_root
from trainables.trial import Trial

if TYPE_CHECKING:
    from orchestrator.use_cases.power import RowPower


@dataclass(frozen=True)
class Cell:
    """The trials of a data set, model, loss and sampler, counted by state.

    Attributes:
        sampler: 'natural' for samples as they come.
        counts: Without states that have no trials.
    """

    dataset: str
    model: str
    loss: str
    sampler: str
    counts: Mapping[State, int]


@dataclass(frozen=True)
class RunningTrial:
    """A trial that is running now.

    Attributes:
        epoch, epochs: Number of epochs done, and in total.
        quiet_seconds: Time since its last batch if that is long; else None.
    """

    trial: str
    key: str
    epoch: int
    epochs: int
    quiet_seconds: float | None


@dataclass(frozen=True)
class FailedTrial:
    """The last failed attempt at an unfinished trial.

    Attributes:
        failure_class: Such as 'preempted', 'out of memory', 'diverged' or 'bug'.
    """

    trial: str
    key: str
    attempt: int
    failure_class: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Plan:
    """The state of a sweep in a store.

    Attributes:
        store: Its folder or URI.
        store_is_empty: Whether the store is an empty folder of an object store, which may be a misspelt name.
        trials: Number of trials of the sweep.
        counts: Number of trials in each state.
        cells: In the order of the sweep file.
        damaged: Files that differ from the committed bytes, by key of the trial that the next run repeats.
        damaged_besides: Other such files, which the next run sets aside.
        differing: Rows whose scores do not follow from their logits, and the differences.
        unusable_checkpoints: Times of the checkpoints in damaged/, as text, by trial.
        changed_code: Components whose code has changed since finished trials.
        loose_rows: Number of rows outside the compacted copy, read one by one.
        slow_in_bfloat16: Number of remaining trials that would be slow on this machine's CPU.
        cost: Of the remaining trials; None if there are none.
        power: Of the finished seeds, by row of the tables; None if not asked for.
    """

    sweep: str
    store: str
    store_is_empty: bool
    trials: int
    counts: Mapping[State, int]
    cells: tuple[Cell, ...]
    running: tuple[RunningTrial, ...]
    failures: tuple[FailedTrial, ...]
    damaged: Mapping[str, tuple[str, ...]]
    damaged_besides: tuple[str, ...]
    differing: Mapping[str, str]
    unusable_checkpoints: Mapping[str, tuple[str, ...]]
    changed_code: tuple[ChangedCode, ...]
    loose_rows: int
    slow_in_bfloat16: int
    cost: Cost | None
    power: tuple[RowPower, ...] | None


def plan(
    sweep: str,
    store: str = "store",
    overrides: Sequence[str] = (),
    prices: Prices | None = None,
    may_be_new: bool = False,
    power_by: str | None = None,
) -> Plan:
    """Reports the state of a sweep, and the cost of the rest.

    Args:
        sweep: A sweep file, or the name of a bundled one.
        overrides: Settings as for --set: 'training.epochs=3'.
        may_be_new: Allow a store that does not exist yet.
        power_by: Estimate the seeds that losses need by this metric, such as 'ece'.

    Raises:
        ConfigurationError: The sweep is invalid, a price does not apply to it, or `power_by` is no metric of
            it, or one that the store lacks.
        StoreError: The store does not exist, or cannot be read.
    """
    prices = prices or Prices()
    loaded = load(sweep, overrides)
    prices.check_for(loaded)
    gpu_records.chosen(prices.card)
    place = Store(store)
    if not may_be_new:
        place.check_place()
    runs = running(place)
    standing = Standing(loaded, place)
    trials, survey = loaded.trials, overlaid(standing.survey, runs)
    counts = {state: survey.count(state) for state in State}
    remaining = standing.to_run()
    return Plan(
        sweep=loaded.name,
        store=store,
        store_is_empty=not place.folder.is_local
        and counts[State.MISSING] == len(trials)
        and place.folder.is_empty(),
        trials=len(trials),
        counts=counts,
        cells=tuple(_cells(trials, survey)),
        running=tuple(_running(trials, runs)),
        failures=tuple(_failures(trials, survey)),
        damaged=survey.damaged,
        damaged_besides=tuple(standing.found.others(standing.survey)),
        differing=standing.found.differing,
        unusable_checkpoints=dict(_unusable(standing)),
        changed_code=changed_code(standing, default_root()),
        loose_rows=standing.snapshot.loose,
        slow_in_bfloat16=standing.slow_in_bfloat16(remaining),
        cost=cost(loaded, remaining, standing.estimates(remaining, prices.card), prices)
        if remaining
        else None,
        power=None if power_by is None else _power(standing, power_by),
    )


def _power(standing: Standing, metric: str) -> tuple[RowPower, ...]:
    # Imported here because scipy loads slowly, and few plans need it.
    from orchestrator.use_cases.power import power

    return power(standing, metric)


def _cells(trials: Sequence[Trial], survey: Survey) -> Iterator[Cell]:
    found: dict[tuple[str, str, str, str], Counter[State]] = {}
    for trial in trials:
        cell = trial.dataset.label, trial.model.label, trial.loss.label, trial.sampler.label
        found.setdefault(cell, Counter())[survey.states[trial.key]] += 1
    for cell, counts in found.items():
        yield Cell(*cell, dict(counts))


def _running(trials: Sequence[Trial], runs: Mapping[str, Running]) -> Iterator[RunningTrial]:
    for trial in trials:
        if (run := runs.get(trial.key)) is not None:
            yield RunningTrial(str(trial), trial.key, run.epochs, trial.training.epochs, run.quiet_seconds)


def _failures(trials: Sequence[Trial], survey: Survey) -> Iterator[FailedTrial]:
    for trial in trials:
        failure = survey.failures.get(trial.key)
        if failure is not None and survey.states[trial.key] != State.DONE:
            yield FailedTrial(
                str(trial),
                trial.key,
                failure.attempt,
                failure.failure_class,
                failure.message,
                failure.traceback,
            )


def _unusable(standing: Standing) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Checkpoints of unfinished trials in damaged/."""
    if standing.done == len(standing.sweep.trials):
        return
    moments = moments_set_aside(standing.store)
    for trial in standing.sweep.trials:
        if trial.key in moments and standing.survey.states[trial.key] != State.DONE:
            yield str(trial), tuple(moments[trial.key])
