"""Searches parameters of losses and training settings, and writes a sweep file of the best.

The study is not stored: it is repeated from the rows in the store. To recover from any crash, run the same
command again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.driver.assignment import Assignment
from orchestrator.driver.outcome import Outcome
from orchestrator.driver.run import run_trials
from orchestrator.driver.stop_request import StopRequest
from orchestrator.search.source import SearchedTrials
from orchestrator.use_cases import run as runs
from results.store import running
from results.store.store import Store
from results.whole_file import write_whole
from results.wording import counted
from sweeps.found import MARK, sweep_text
from sweeps.search import load
from trainables.datasets import default_root
from trainables.errors import ConfigurationError


@dataclass(frozen=True)
class Opening:
    """The state of a search before its first trial runs.

    Attributes:
        trials: Number of suggestions of the search.
        known: Number of the first suggestions whose results the store has.
    """

    search: str
    store: str
    trials: int
    known: int


@dataclass(frozen=True)
class Found:
    """One of the best suggestions.

    Attributes:
        number: Its place in the search, from 0.
        key: Of its trial.
        loss: Its name in the search file.
        values: The searched parameters and settings, by full name, such as 'focal.gamma'.
        scores: On the validation part, by objective: fractions, and nats for NLL.
    """

    number: int
    key: str
    loss: str
    values: Mapping[str, Any]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Searched:
    """How a search ended.

    Attributes:
        trials: Number of suggestions of the search.
        done: Number of suggestions with scores, earlier runs included.
        stopped: Number of suggestions whose trials stopped early.
        failed: Number of suggestions whose trials failed or are impossible.
        left: Number of suggestions without a result: the search was interrupted.
        ran: Number of trials that this command trained.
        best: One suggestion, or with several objectives the Pareto front.
        sweep: The sweep file of the best; None unless the search is complete.
    """

    search: str
    store: str
    trials: int
    done: int
    stopped: int
    failed: int
    left: int
    ran: int
    best: tuple[Found, ...]
    sweep: Path | None


class Observer(runs.Observer):
    """Observes a search. This one shows nothing."""

    def begun(self, opening: Opening) -> None:
        """Called before the first trial runs."""


def search(
    file: Path | str,
    store: str = "store",
    output: Path | str | None = None,
    *,
    study: Path | str | None = None,
    figure: Path | str | None = None,
    data: Path | None = None,
    address: str | None = None,
    observer: Observer | None = None,
    request: StopRequest | None = None,
) -> Searched:
    """Runs a search to its end, or continues it, and writes a sweep file of the best.

    Args:
        file: A search file.
        output: The sweep file to write (default: NAME-best.yaml).
        study: A file for the study as an SQLite database of Optuna. Nothing reads it; it may be deleted.
        figure: A file for the figure of the search (SVG): its history, and the importance of its parameters
            or the front of its scores.
        data: Folder of the data sets, on the machines that train.
        address: A Ray cluster ('auto', 'ray://...'); None to start Ray on this machine.
        request: Ends the search early, with a checkpoint of every running trial.

    Raises:
        ConfigurationError: The search is invalid, another file has the name of the sweep file, or the cluster
            lacks resources that a trial needs.
        DataError: A data set is missing or damaged.
        StartError: Ray or a worker cannot start.
        StoreError: The store can no longer be read or written.
    """
    observer, request = observer or Observer(), request or StopRequest()
    checked, place = load(file), Store(store)
    path = Path(output or f"{checked.file.name}-best.yaml")
    _refuse_other_file(path)
    place.tidying.warn = observer.warn
    with observer.busy(f"reading the store {store}"):
        source = SearchedTrials(checked, place)
        first = source.next()
    observer.begun(Opening(checked.file.name, store, checked.file.trials, source.known))
    outcome = Outcome()
    if first is not None:
        source.give_back(first)
        place.folder.check_writable()
        progress = observer.progress([], source.known, lambda trial: None)
        progress.total = checked.file.trials - source.known
        root = data or default_root()
        assignment = Assignment(checked.file.name, source, checked.file.run, place, root)
        outcome = run_trials(assignment, progress, request, address)
        if outcome.aborted:
            raise outcome.error(f"{counted(outcome.done, 'trial')} of this run are kept.")
        place.tidying.attempt(lambda: _tidy(place))
    source.tell(checked.file.trials)
    best = tuple(_found(source, number) for number in source.study.best())
    if source.complete and best:
        text = sweep_text(checked, [(each.loss, each.values) for each in best], Path(file), path)
        write_whole(path, text.encode())
    if study:
        source.study.write(Path(study))
    if figure and best:
        write_whole(Path(figure), _drawn(source))
    results = [source.result(suggestion) for suggestion in source.suggested[: source.told]]
    stopped = sum(result.stopped for result in results)
    done = sum(result.scores is not None for result in results)
    return Searched(
        search=checked.file.name,
        store=store,
        trials=checked.file.trials,
        done=done,
        stopped=stopped,
        failed=len(results) - done - stopped,
        left=checked.file.trials - len(results),
        ran=outcome.done,
        best=best,
        sweep=path if source.complete and best else None,
    )


def _found(source: SearchedTrials, number: int) -> Found:
    suggestion = source.suggested[number]
    assert suggestion.trial is not None
    scores = source.results[suggestion.trial.key].scores
    assert scores is not None
    names = [objective.name for objective in source.search.objectives]
    by_name = dict(zip(names, scores, strict=True))
    return Found(number, suggestion.trial.key, suggestion.loss, suggestion.values, by_name)


def _drawn(source: SearchedTrials) -> bytes:
    from results.figures.search import Point, svg

    told = source.suggested[: source.told]
    best, results = source.study.best(), [source.result(suggestion) for suggestion in told]
    points = [
        Point(number, result.scores, number in best)
        for number, result in enumerate(results)
        if result.scores is not None
    ]
    return svg(
        f"Search {source.search.file.name}",
        points,
        [number for number, result in enumerate(results) if result.stopped],
        [objective.name for objective in source.search.objectives],
        source.search.objectives[0].direction == "lower",
        source.study.importance(),
    )


def _refuse_other_file(path: Path) -> None:
    """Refuses to replace a file that no search wrote, before anything is trained."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else MARK
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    if not text.startswith(MARK):
        raise ConfigurationError(f"{path} exists and was not written by a search: choose another --output.")


def _tidy(store: Store) -> None:
    running.withdraw(store)
    store.folder.delete_stale_temporaries()
