"""Hands out the trials of a search, and takes their results from the store."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.cluster.placement import Needs
from orchestrator.driver.limits import Limits, values_of
from orchestrator.driver.reports import Done, Failed, Pruned
from orchestrator.search.halving import Rungs
from orchestrator.search.study import FAILED, Result, Study, Suggestion
from results.scoring.held_out import HeldOut
from results.store import data_files, pruned, rows
from results.store.address import Address
from results.store.store import Store
from results.store.survey import State, attempted
from results.store.survey import survey as take_survey
from sweeps.search import Search
from trainables.trial import Trial

DIGEST = data_files.digest_column("predictions")


class SearchedTrials:
    """A source of trials, each chosen by the results of those before.

    `told` counts the suggestions whose results the study knows.

    Suggestion n follows from the results of all suggestions up to n - `at_once`, told in their order, while
    the others count as running. So the search is the same whichever trial ends first, on any number of
    machines, and after any interruption: a new source repeats it from the rows of the store, and hands out
    only the trials without a result. Of the rows, it reads the scores on the validation part alone.

    Raises:
        StoreError: In each method: the store cannot be read.
    """

    part = "validation"

    def __init__(self, search: Search, store: Store):
        self.search = search
        self.store = store
        self.study = Study(search)
        self.suggested: list[Suggestion] = []
        self.results: dict[str, Result] = {}
        self.rungs = Rungs(search)
        self._limits: dict[str, Limits | None] = {}
        self.open: dict[str, Trial] = {}
        self.told = 0
        self._returned: list[Trial] = []
        self._representatives = search.representatives()
        self._snapshot = store.snapshot(self._representatives, thorough=True)
        columns = [objective.column for objective in search.objectives if not objective.calibrated]
        names = ["dataset", "model", "loss", "key", DIGEST, *columns]
        self._rows = {
            str(row["key"]): {str(name): value for name, value in row.items()}
            for row in self._snapshot.trials().reindex(columns=names).to_dict("records")
        }
        metrics = [objective.metric for objective in search.objectives if objective.calibrated]
        self._held_out = HeldOut(store, metrics, search.file.calibrators) if metrics else None
        self._attempted = attempted(self._snapshot)
        self._stopped = pruned.paths(self._snapshot) if search.file.halving else {}

    def representatives(self) -> Sequence[Trial]:
        return self._representatives

    def needs(self, trial: Trial) -> Needs:
        run = self.search.file.run
        return Needs.of(run.gpus_per_trial, run.cpus_per_trial)

    def next(self) -> Trial | None:
        if self._returned:
            return self._returned.pop()
        while (number := len(self.suggested)) < self.search.file.trials:
            self.tell(number - self.search.file.at_once + 1)
            if self.told < number - self.search.file.at_once + 1:
                return None
            suggestion = self.study.ask()
            self.suggested.append(suggestion)
            trial = suggestion.trial
            if trial is not None and trial.key not in self.open and not self._is_known(trial):
                self.open[trial.key] = trial
                return trial
        return None

    def coming(self) -> int:
        return self.search.file.trials - len(self.suggested)

    def give_back(self, trial: Trial) -> None:
        """Returns a trial that was handed out and not started: `next` hands it out again."""
        self._returned.append(trial)

    def _is_known(self, trial: Trial) -> bool:
        """Whether the result of a trial is known, from this search or from anything else in the store."""
        key = trial.key
        if key not in self._limits:
            self._limits[key] = self.rungs.limits(trial)
        if key in self.results:
            return True
        if key in self._rows:
            row = self._rows[key]
            address = Address(*(str(row[name]) for name in ("dataset", "model", "loss", "key")))
            self.results[key] = self._finished(address, row)
        elif stopped := self._stopped_early(key):
            self.results[key] = stopped
        elif self._failed(trial):
            self.results[key] = FAILED
        return key in self.results

    def _failed(self, trial: Trial) -> bool:
        """Whether the store has a failure of a trial without a row, by its own fault."""
        attempted = trial.key in self._attempted
        return attempted and take_survey(self._snapshot, [trial]).states[trial.key] == State.FAILED

    def limits(self, trial: Trial) -> Limits | None:
        return self._limits[trial.key]

    def settled(self, trial: Trial, result: Done | Failed | Pruned) -> None:
        del self.open[trial.key]
        match result:
            case Failed():
                self.results[trial.key] = FAILED
            case Pruned(values=values):
                self.results[trial.key] = self._on_the_way(trial.key, values)
            case Done():
                address = Address.of(trial)
                self.results[trial.key] = self._finished(address, self._committed(address))

    def _finished(self, address: Address, row: Mapping[str, Any]) -> Result:
        """The result of a trial with a row. The limits hold for it too, as if it had been trained now.

        Args:
            row: The objectives that it has, and the digest of its predictions.
        """
        key = address.key
        if not self._limits[key]:
            return self._scored(address, row)
        values = values_of(self.store.epochs(address).to_pylist(), self._column)
        on_the_way = self._on_the_way(key, values)
        if on_the_way.stopped:
            return on_the_way
        return dataclasses.replace(self._scored(address, row), rungs=on_the_way.rungs)

    def _scored(self, address: Address, row: Mapping[str, Any]) -> Result:
        """The scores of a trial, with the calibrator that is best in the first objective after one."""
        objectives = self.search.objectives
        if self._held_out is None:
            return Result(tuple(row[each.column] for each in objectives))
        first = next(each for each in objectives if each.calibrated)
        found = {
            name: scores
            for name, scores in self._held_out.scores(address, row[DIGEST]).items()
            if math.isfinite(scores[first.metric])
        }
        if not found:
            return FAILED
        sign = 1 if first.direction == "lower" else -1
        best = min(found, key=lambda name: sign * found[name][first.metric])
        scores = (found[best][each.metric] if each.calibrated else row[each.column] for each in objectives)
        return Result(tuple(scores), calibrator=best)

    def keep(self) -> None:
        """Writes what was derived from logits to the store: it need not be computed again."""
        if self._held_out:
            self._held_out.keep()

    def _stopped_early(self, key: str) -> Result | None:
        """The result of a trial whose curves in the store break its limits; None if there are none."""
        for path in self._stopped.get(key, ()):
            # A damaged record counts as missing.
            with contextlib.suppress(rows.DamagedFileError, FileNotFoundError):
                curves = pruned.read(self.store.folder, path)
                result = self._on_the_way(key, values_of(curves.to_pylist(), self._column))
                if result.stopped:
                    return result
        return None

    def _on_the_way(self, key: str, values: Sequence[float | None]) -> Result:
        """The result of a trial by the values of its curve alone, one per epoch."""
        limits = self._limits[key]
        assert limits is not None and self.search.file.halving is not None
        last = limits.stopped_after(values)
        reached = self.search.file.halving.rungs(len(values) + 1)
        rungs = {epochs: values[epochs - 1] for epochs in reached if last is None or epochs <= last}
        found = {epochs: value for epochs, value in rungs.items() if value is not None}
        return Result(None, found, stopped=last is not None)

    @property
    def _column(self) -> str:
        """The objective of early stopping."""
        return self.search.objectives[0].column

    def _committed(self, address: Address) -> dict[str, Any]:
        """The scores of a trial that was just committed, and the digest of its predictions."""
        row = data_files.committed_row(self.store.folder, address)[1]
        return {**dict(row["scores"][0].as_py()), DIGEST: row[DIGEST][0].as_py()}

    def result(self, suggestion: Suggestion) -> Result:
        """The result of a suggestion whose trial is settled."""
        return FAILED if suggestion.trial is None else self.results[suggestion.trial.key]

    def tell(self, number: int) -> None:
        """Tells the study the results of the first `number` suggestions, up to the first without one."""
        while self.told < min(number, len(self.suggested)):
            suggestion = self.suggested[self.told]
            trial = suggestion.trial
            if trial is not None and trial.key not in self.results:
                return
            result = self.result(suggestion)
            self.study.tell(suggestion.number, result)
            if trial is not None:
                self.rungs.add(trial.key, result.rungs)
            self.told += 1

    @property
    def known(self) -> int:
        """Number of suggestions so far with a result."""
        return sum(each.trial is None or each.trial.key in self.results for each in self.suggested)

    @property
    def complete(self) -> bool:
        """Whether each suggestion of the search has a result."""
        return self.told == self.search.file.trials
