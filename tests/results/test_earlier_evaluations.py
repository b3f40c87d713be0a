"""Evaluations in the folders of the first version, scored/ and scored_predictions/, are read for ever."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.use_cases.rescore import rescore
from orchestrator.use_cases.tables import tables
from orchestrator.use_cases.verify import verify
from results.scoring import layer, rescoring
from results.scoring.layer import Scorer
from results.store import mending
from results.store.address import Address
from results.store.store import Store
from results.store.survey import State
from sweeps.expand import load
from trainables.trial import Trial

from .conftest import commit, content_of, evaluated, falsified, inspected

FOLDER = Path(__file__).parents[1] / "golden" / "first_evaluations"
TRIALS = load(FOLDER / "sweep.yaml").trials
PER_TRIAL = 5


@pytest.fixture
def store(tmp_path: Path) -> Store:
    shutil.copytree(FOLDER / "store", tmp_path / "store")
    return Store(str(tmp_path / "store"))


def others(trial: Trial) -> list[str]:
    return [Address.of(trial, each).rows[1] for each in trial.evaluations]


@pytest.mark.slow
def test_they_count_as_done_and_print_the_same_tables(store: Store) -> None:
    before, expected = content_of(store), pd.read_csv(FOLDER / "expected.csv")
    found = store.survey(TRIALS)
    assert (set(found.states.values()), found.damaged) == ({State.DONE}, {})
    assert all(store.is_done(trial) and not store.missing_evaluations(trial) for trial in TRIALS)
    for sweep in (None, str(FOLDER / "sweep.yaml")):
        made = tables(store.uri, sweep)
        printed = pd.read_csv(io.StringIO(made.render("csv")))
        # Later versions may print more of each score.
        pd.testing.assert_frame_equal(printed[[*expected.columns]], expected)
    verified = inspected(store)
    assert (verified.findings, verified.trials, verified.others) == ([], len(TRIALS), len(TRIALS) * PER_TRIAL)
    assert content_of(store) == before
    frame = store.snapshot().evaluations()
    labels = {"test", *(each.label for each in TRIALS[0].evaluations)}
    assert set(frame["evaluation"]) == labels and len(frame) == len(TRIALS) * (1 + PER_TRIAL)

    # A copy has them too, and so do the tables from it.
    store.compact()
    snapshot = store.snapshot()
    assert len(snapshot.evaluations()) == len(frame) and snapshot.loose == 0
    assert tables(store.uri).render("csv") == made.render("csv")
    assert not inspected(store).findings


def test_damage_is_mended_beside_them(store: Store) -> None:
    lost, false = others(TRIALS[0])[1], others(TRIALS[1])[2]
    whole = store.folder.read(false)
    store.folder.write(lost, b"?")
    store.folder.write(false, falsified(whole, "test_auroc_entropy"))
    assert verify(store.uri).wrong == 2
    found = mending.mending(store, TRIALS)
    survey = found.added_to(store.survey(TRIALS))
    assert [*survey.damaged] == [TRIALS[0].key] and [*found.differing] == [false]
    mending.mend(store, survey, found)
    assert store.missing_evaluations(TRIALS[0]) == [TRIALS[0].evaluations[1]]
    # The row of the first version stays where it was, and a new one has a folder of today.
    mended = store.trials(TRIALS).set_index("key")
    assert mended.index.tolist() == store.trials().set_index("key").index.tolist()
    path = evaluated(store, TRIALS[0], TRIALS[0].evaluations[1])
    assert path.startswith("evaluations/") and store.folder.exists(false)
    assert store.survey(TRIALS).count(State.DONE) == len(TRIALS) and not inspected(store).wrong


def test_an_evaluation_in_both_folders_counts_once(store: Store) -> None:
    evaluation = TRIALS[0].evaluations[0]
    evaluated(store, TRIALS[0], evaluation)
    frame = store.snapshot().evaluations().set_index("key")
    assert len(frame) == len(TRIALS) * (1 + PER_TRIAL) and frame.index.is_unique
    key = TRIALS[0].key_on(evaluation)
    digest = frame.loc[key, "predictions_digest"]
    assert store.folder.exists(Address.of(TRIALS[0], evaluation).path("predictions", f"-{digest[:16]}"))
    assert store.predictions(Address.of(TRIALS[0], evaluation)).num_rows == 9
    assert not inspected(store).findings


def test_any_metric_is_computed_for_each_evaluation_that_it_is_defined_for(store: Store) -> None:
    before = content_of(store)
    asked = (["auroc_entropy", "ece(bins=7)", "ks"], ["none", "temperature_nll"])
    done = rescore(store.uri, *asked, processes=1)
    labelled = PER_TRIAL - 1
    # Both parts of the own data and the corrupted ones, under two calibrators, by two metrics.
    assert (done.trials, done.complete, done.failed) == (len(TRIALS), 0, {})
    assert done.scores == len(TRIALS) * 2 * 2 * (2 + labelled)
    assert rescore(store.uri, *asked, processes=1).scores == 0
    rows = store.snapshot().evaluations().set_index("key")

    # Rows without a score get from the layer what the commit would have had.
    for metric in ("ece", "auroc_entropy"):
        scorer = Scorer(metric, "temperature_nll")
        frame = store.snapshot().evaluations()
        bare = frame.drop(columns=[name for name in frame if name.startswith("test_") and metric in name])
        rescoring.rescore(store, rescoring.incomplete(store, bare, [scorer]), 1, lambda done, total: None)
        kept = layer.read(store.folder, scorer)
        compared = {key: value for (key, _, on), value in kept.items() if on not in layer.OWN}
        assert len(compared) == len(TRIALS) * (PER_TRIAL if scorer.against_test else labelled)
        for key, value in compared.items():
            assert value == pytest.approx(rows.loc[key, f"test_{metric}_after_nll"], abs=1e-12)

    made = tables(store.uri, metrics=["ks"], criterion="nll")
    assert len(made.on_test_set) == len(made.on_other_data) == 1
    assert [row.dataset for row in made.on_other_data[0].rows] == [
        f"CIFAR-10-C, severity {severity}, trained on CIFAR-10" for severity in (1, 3)
    ]
    after = {path: content for path, content in content_of(store).items() if path in before}
    assert after == before


def test_other_logits_of_the_trial_make_their_scores_invalid(store: Store) -> None:
    rescore(store.uri, ["ks"], ["temperature_ece"], processes=1)
    frame = store.snapshot().evaluations()
    before = layer.digests_of(frame)
    own = frame["key"] == TRIALS[0].key
    changed = frame.assign(predictions_digest=frame["predictions_digest"].mask(own, "0" * 64))
    differing = [a != b for a, b in zip(before, layer.digests_of(changed), strict=True)]
    assert differing == (frame["trial_key"] == TRIALS[0].key).tolist() and sum(differing) == 1 + PER_TRIAL


def test_a_trial_is_done_only_with_its_evaluations(store: Store) -> None:
    assert commit(store, TRIALS[0]) == [False]
    store.folder.delete(others(TRIALS[0])[0])
    found = store.survey(TRIALS)
    assert found.states[TRIALS[0].key] == State.MISSING and found.count(State.DONE) == len(TRIALS) - 1
    assert not store.is_done(TRIALS[0])
