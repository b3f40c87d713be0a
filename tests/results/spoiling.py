"""A store spoiled in each way that `store verify` knows, and mended as a run does it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from orchestrator.use_cases.verify import verify
from results.store import mending
from results.store.address import Address
from results.store.checkpoints import StoredCheckpoints
from results.store.pilots import Pilot, keep
from results.store.store import Store
from results.store.survey import State, Survey

from .conftest import OTHER, commit, content_of, evaluated, falsified, inspected, path_of, trial_of

EVALUATED = tuple(dataclasses.replace(trial_of(seed), evaluations=(OTHER,)) for seed in (5, 6, 7))
UNFINISHED = (trial_of(8), trial_of(9))
TRIALS = (*(trial_of(seed) for seed in range(5)), *EVALUATED, *UNFINISHED)


def surveyed(store: Store) -> tuple[Survey, mending.Mending]:
    """What `plan` and `run` see."""
    found = mending.mending(store, TRIALS)
    return found.added_to(store.survey(TRIALS)), found


def finish(store: Store, survey: Survey) -> set[str]:
    """Makes the finished trials again that are not there. Returns their keys."""
    missing = {trial.key for trial in TRIALS[:8] if survey.states[trial.key] != State.DONE}
    for trial in TRIALS[:8]:
        if trial.key in missing:
            commit(store, trial)
            for _ in store.missing_evaluations(trial):
                evaluated(store, trial)
    return missing


def check_that_all_is_mended(store: Store) -> None:
    commit(store, *TRIALS[:8])
    rows_of_others = [evaluated(store, trial) for trial in EVALUATED]
    store.record_failure(UNFINISHED[0], "bug", "no", "", "here")
    StoredCheckpoints(store).save(UNFINISHED[1].key, 3, b"state")
    keep(store, Pilot("digits", "mlp", "float32", 1.0, "cpu", 0.1, "2026-01-01"))
    store.compact()
    whole = content_of(store)

    def change(path: str, to: Callable[[bytes], bytes]) -> str:
        store.folder.write(path, to(store.folder.read(path)))
        return path

    predictions = [path_of(store, trial, "predictions") for trial in TRIALS[:8]]
    again = {
        change(predictions[0], lambda content: whole[predictions[1]]),
        change(path_of(store, TRIALS[1], "epochs"), lambda content: content[:-1]),
        change(path_of(store, TRIALS[2], "trials"), lambda content: content[:99]),
        change(path_of(store, EVALUATED[0], "predictions", OTHER), lambda content: b""),
    }
    store.folder.delete(predictions[3])
    differing = {change(path_of(store, TRIALS[4], "trials"), falsified)}
    differing.add(change(rows_of_others[1], lambda content: falsified(content, "test_auroc_entropy")))
    aside = {
        change(next(info.path for info in store.folder.list(kind)), lambda content: content[1:])
        for kind in ("checkpoints", "compacted", "pilots")
    }
    failure = change(Address.of(UNFINISHED[0]).path("failures", "-1"), lambda content: b"?")
    store.folder.write("running/some-run.json", b"7")
    spoiled = content_of(store)

    assert verify(store.uri).wrong
    survey, found = surveyed(store)
    assert survey.damaged.keys() == {trial.key for trial in (*TRIALS[:4], EVALUATED[0], UNFINISHED[0])}
    assert {path for paths in survey.damaged.values() for path in paths} >= again | {predictions[3]}
    assert found.differing.keys() == differing
    assert {*found.others(survey)} == {*aside, "running/some-run.json"}
    assert survey.damaged[UNFINISHED[0].key] == (failure,)
    assert survey.states[UNFINISHED[0].key] == State.MISSING
    # To look at it changes nothing.
    assert {path: content for path, content in content_of(store).items() if path != mending.PATH} == spoiled

    mending.mend(store, survey, found)
    now = content_of(store)
    for path in (*again, *differing, *aside, failure):
        assert now[f"damaged/{path}"] == spoiled[path]
    assert finish(store, survey) == survey.damaged.keys() - {UNFINISHED[0].key}
    assert not verify(store.uri).wrong
    # What was made again is what it was; what was rescored says so.
    now = content_of(store)
    kinds = ("trials/", "predictions/", "epochs/", "evaluations/")
    anew = {path for path in whole if path.startswith(kinds) and now[path] != whole[path]}
    assert anew == differing
    survey, found = surveyed(store)
    assert not survey.damaged and found == mending.Mending()
    assert [survey.states[trial.key] for trial in TRIALS[:8]] == [State.DONE] * 8
    assert not list(store.folder.list(mending.FOLDER))
    assert not [finding for finding in inspected(store).findings if finding.kind.wrong]
