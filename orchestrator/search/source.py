"""Hands out the trials of a search, and takes their results from the store."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.cluster.placement import Needs
from orchestrator.driver.reports import Done, Failed
from orchestrator.search.study import Scores, Study, Suggestion
from results.store import rows
from results.store.address import Address
from results.store.errors import StoreError
from results.store.store import Store
from results.store.survey import State
from results.store.survey import survey as take_survey
from sweeps.search import Search
from trainables.trial import Trial


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

    def __init__(self, search: Search, store: Store):
        self.search = search
        self.store = store
        self.study = Study(search)
        self.suggested: list[Suggestion] = []
        self.results: dict[str, Scores | None] = {}
        self.open: dict[str, Trial] = {}
        self.told = 0
        self._returned: list[Trial] = []
        self._representatives = search.representatives()
        self._snapshot = store.snapshot(self._representatives, thorough=True)
        columns = [objective.column for objective in search.objectives]
        frame = self._snapshot.trials().reindex(columns=["key", *columns])
        self._rows = {key: scores for key, *scores in frame.itertuples(index=False)}

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

    def give_back(self, trial: Trial) -> None:
        """Returns a trial that was handed out and not started: `next` hands it out again."""
        self._returned.append(trial)

    def _is_known(self, trial: Trial) -> bool:
        """Whether the result of a trial is known, from this search or from anything else in the store."""
        key = trial.key
        if key not in self.results:
            if key in self._rows:
                self.results[key] = tuple(self._rows[key])
            elif take_survey(self._snapshot, [trial]).states[key] == State.FAILED:
                self.results[key] = None
            else:
                return False
        return True

    def settled(self, trial: Trial, result: Done | Failed) -> None:
        del self.open[trial.key]
        self.results[trial.key] = None if isinstance(result, Failed) else self._committed(trial)

    def _committed(self, trial: Trial) -> Scores:
        """The scores of a trial that was just committed."""
        path = Address.of(trial).row
        try:
            row = rows.checked_row(self.store.folder.read(path), trial.key)
        except (FileNotFoundError, rows.DamagedFileError) as error:
            raise StoreError(f"{self.store.folder.name(path)} is missing or damaged: {error}.") from error
        scores = dict(row["scores"][0].as_py())
        return tuple(scores[objective.column] for objective in self.search.objectives)

    def tell(self, number: int) -> None:
        """Tells the study the results of the first `number` suggestions, up to the first without one."""
        while self.told < min(number, len(self.suggested)):
            suggestion = self.suggested[self.told]
            trial = suggestion.trial
            if trial is not None and trial.key not in self.results:
                return
            self.study.tell(suggestion.number, None if trial is None else self.results[trial.key])
            self.told += 1

    @property
    def known(self) -> int:
        """Number of suggestions so far with a result."""
        return sum(each.trial is None or each.trial.key in self.results for each in self.suggested)

    @property
    def complete(self) -> bool:
        """Whether each suggestion of the search has a result."""
        return self.told == self.search.file.trials
