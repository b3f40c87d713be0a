"""The record of a search, for its figure and its page."""

from __future__ import annotations

import math

from orchestrator.search.source import SearchedTrials
from orchestrator.search.study import Result, Suggestion
from results.searched import Record, Suggested
from results.wording import counted


def record_of(source: SearchedTrials) -> Record:
    """The record of the suggestions whose results the study knows."""
    best = set(source.study.best())
    return Record(
        source.search.file.name,
        source.search.file.trials,
        source.search.objectives,
        [
            _suggested(each, source.result(each), each.number in best)
            for each in source.suggested[: source.told]
        ],
        source.study.importance(),
    )


def _suggested(suggestion: Suggestion, result: Result, best: bool) -> Suggested:
    scores = result.scores
    if scores is not None and not all(map(math.isfinite, scores)):
        # As the study takes it.
        scores = None
    if suggestion.trial is None:
        end = f"impossible: {suggestion.problem}"
    elif result.stopped:
        end = f"stopped after {counted(max(result.rungs), 'epoch')}"
    else:
        end = "failed" if result.scores is None else "score undefined" if scores is None else "finished"
    return Suggested(
        suggestion.number,
        suggestion.loss,
        suggestion.values,
        suggestion.trial.key if suggestion.trial else "",
        result.calibrator,
        scores,
        end,
        result.stopped,
        best,
    )
