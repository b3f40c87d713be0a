"""Searches parameters of losses, calibrators and training settings, and writes a sweep file of the best.

The study is not stored: it is repeated from the rows in the store. To recover from any crash, run the same
command again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.driver.assignment import Assignment
from orchestrator.driver.outcome import Outcome
from orchestrator.driver.run import run_trials
from orchestrator.driver.stop_request import StopRequest
from orchestrator.search.record import record_of
from orchestrator.search.source import SearchedTrials
from orchestrator.use_cases import report, tables
from orchestrator.use_cases import run as runs
from results.searched import Record, Suggested
from results.store import running
from results.store.errors import StoreError
from results.store.place import redacted
from results.store.store import Store
from results.whole_file import write_whole
from results.wording import counted
from sweeps.found import MARK, sweep_text
from sweeps.search import Objective, Search, load
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
        calibrator: With which the scores after calibration are; '' without such a score.
    """

    number: int
    key: str
    loss: str
    values: Mapping[str, Any]
    scores: Mapping[str, float]
    calibrator: str


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
        report: Full name of the page of the search; None without scores, or if it cannot be made.
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
    report: str | None


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
    """Runs or continues a search; writes a sweep file of the best and a page of the search.

    Args:
        file: A search file.
        output: The sweep file to write (default: NAME-best.yaml).
        study: A file for the study as an SQLite database of Optuna. Nothing reads it; it may be deleted.
        figure: A file for the figure of the search (SVG): its history, the importance of its parameters,
            and the front of its scores.
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
    # Before the search is loaded, with plug-ins of its own.
    again = tables.command_of(store, str(file), name="search")
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
    try:
        source.keep()
    except StoreError as error:
        observer.warn(f"{error} The scores after calibration are not kept, and are computed again next time.")
    record = record_of(source)
    best = tuple(_found(each, record.objectives) for each in record.best)
    sweep = path if source.complete and best else None
    if sweep:
        text = sweep_text(
            checked, [(each.loss, each.values, each.calibrator) for each in best], Path(file), path
        )
        write_whole(path, text.encode())
    if study:
        source.study.write(Path(study))
    if figure and best:
        from results.figures.search import svg

        write_whole(Path(figure), svg(record))
    then = tables.command_of(store, str(sweep), name="run") if sweep else ""
    page = _page(checked, place, record, (again, then), observer) if best else None
    stopped = sum(each.stopped for each in record.suggested)
    return Searched(
        search=checked.file.name,
        store=store,
        trials=checked.file.trials,
        done=len(record.scored),
        stopped=stopped,
        failed=len(record.suggested) - len(record.scored) - stopped,
        left=checked.file.trials - len(record.suggested),
        ran=outcome.done,
        best=best,
        sweep=sweep,
        report=page,
    )


def _found(best: Suggested, objectives: Sequence[Objective]) -> Found:
    assert best.scores is not None
    scores = dict(zip([objective.name for objective in objectives], best.scores, strict=True))
    return Found(best.number, best.key, best.loss, best.values, scores, best.calibrator)


def _page(
    search: Search, store: Store, record: Record, commands: tuple[str, str], observer: Observer
) -> str | None:
    """Writes the page of a search to its store, under reports/. Returns its full name; None if it fails.

    The results are safe by now, so no error of the page ends the search.

    Args:
        commands: Makes the page again, and evaluates the best.
    """
    try:
        with observer.busy("making the report"):
            from results.report.search import page_of, render

            again, then = commands
            made_of = {"Store": redacted(store.uri), "Page made": report.made(), "Command": again}
            path = f"{report.FOLDER}/{record.name}-search.html"
            store.folder.write(path, render(page_of(search, record, then, made_of)).encode())
            return store.folder.name(path)
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        observer.warn(f"the report cannot be made: {why}")
        return None


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
