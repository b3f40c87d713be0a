"""Scores that rows lack are computed from stored logits into a layer, and no committed file is touched."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from orchestrator.cli import app
from orchestrator.use_cases.rescore import MissingScoresError, rescore
from orchestrator.use_cases.tables import tables
from results.scoring import layer, rescoring
from results.scoring.commit import TASK, tensors
from results.scoring.layer import Scorer
from results.scoring.scores import Score
from results.store.address import Address
from results.store.errors import StoreError
from results.store.store import Store
from trainables.errors import ConfigurationError
from trainables.registry.plugins import PLUGINS
from trainables.trial import Trial

from .conftest import arguments_of_commit, content_of, inspected, path_of, trial_of

TRIALS = tuple(trial_of(seed, loss) for seed in range(2) for loss in ("brier", "focal_1", "mmce"))
OLDER = ("test_ece", "test_confident_accuracy", "temperature_nll")
"""All that rows of before have."""

ASKED = (("brier", "mce", "confident_accuracy"), ("none", "temperature_nll"))
SCORES = len(TRIALS) * len(layer.OWN) * 6


def commit_older(store: Store, trials: Sequence[Trial] = TRIALS) -> None:
    for trial in trials:
        arguments = arguments_of_commit(trial)
        scores = {name: value for name, value in arguments["scores"].items() if name.startswith(OLDER)}
        store.commit(**{**arguments, "scores": scores})


@pytest.fixture
def older(store: Store) -> Store:
    commit_older(store)
    return store


def values(store: Store, scorer: Scorer) -> dict[tuple[str, str], float]:
    kept = layer.read(store.folder, scorer)
    return {(key, evaluation): value for (key, _, evaluation), value in kept.items()}


def committed(store: Store) -> dict[str, bytes]:
    return {path: content for path, content in content_of(store).items() if not path.startswith(layer.FOLDER)}


def test_the_layer_matches_a_commit_of_today(older: Store) -> None:
    before = committed(older)
    done = rescore(older.uri, *ASKED)
    assert (done.trials, done.complete, done.scores, done.failed) == (6, 0, SCORES, {})
    for calibrator, suffix in (("none", ""), ("temperature_nll", "_after_nll")):
        for metric in ASKED[0]:
            kept = values(older, Scorer(metric, calibrator))
            for trial in TRIALS:
                expected = arguments_of_commit(trial)["scores"]
                for evaluation in layer.OWN:
                    wanted = expected[f"{evaluation}_{metric}{suffix}"]
                    assert kept[trial.key, evaluation] == pytest.approx(wanted, abs=1e-12, nan_ok=True)
    # No sample is confident before scaling: this has no value, and is not computed again for that.
    assert done.undefined >= 2 * len(TRIALS)
    assert committed(older) == before and not inspected(older).findings


def test_it_goes_on_where_it_was_ended_and_is_the_same_after_it_was_deleted(
    older: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rescore(older.uri, *ASKED, progress=end)
    again = rescore(older.uri, *ASKED)
    assert (again.complete, again.scores) == (4, SCORES // 3)
    whole = content_of(older)
    folders = [path.split("/")[1] for path in whole if path.startswith(layer.FOLDER)]
    assert len(folders) == len(set(folders)) == 6
    assert rescore(older.uri, *ASKED).scores == 0 and content_of(older) == whole
    for info in older.folder.list(layer.FOLDER):
        older.folder.delete(info.path)
    assert rescore(older.uri, *ASKED).scores == SCORES and content_of(older) == whole
    # Only new trials lack scores.
    commit_older(older, [trial_of(9)])
    assert rescore(older.uri, *ASKED).scores == SCORES // 6


def test_damage_ends_nothing_but_the_trial_that_has_it(older: Store) -> None:
    rescore(older.uri, *ASKED)
    scorer = Scorer("mce")
    (info,) = older.folder.list(scorer.folder)
    content = older.folder.read(info.path)
    older.folder.write(info.path, content[:-3] + b"???")
    older.folder.write(path_of(older, TRIALS[1], "predictions"), b"?")
    other = trial_of(9)
    arguments = arguments_of_commit(other)
    of_another_task = arguments["predictions"].replace_schema_metadata({TASK: "regression"})
    older.commit(**{**arguments, "predictions": of_another_task, "scores": {}})
    done = rescore(older.uri, *ASKED)
    assert done.failed.keys() == {TRIALS[1].key, other.key} and done.scores == 2 * (len(TRIALS) - 1)
    assert {key for key, _ in values(older, scorer)} == {t.key for t in TRIALS} - {TRIALS[1].key}


PLUGIN = """
from trainables.registry import register


@register("sharpness", kind="metric", spec={"title": "Sharpness", "meaning": "Mean square probability"})
def sharpness(probabilities, labels):
    return float((probabilities**2).mean())
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    before = PLUGINS.files
    (file := tmp_path / "sharp.py").write_text(PLUGIN, encoding="utf-8")
    PLUGINS.add([file])
    yield file
    PLUGINS._files = before


def test_scores_of_other_code_or_logits_are_not_read(older: Store, plugin: Path) -> None:
    assert rescore(older.uri, ["sharpness", "brier"]).outdated == 0
    frame, scores = older.trials(), [Score("test", "sharpness")]
    found = layer.filled(older.folder, frame, scores)
    assert not found.missing
    for row in found.frame.itertuples():
        predictions = older.predictions(Address(row.dataset, row.model, row.loss, row.key))
        probabilities = tensors(predictions, "test")[0].double().softmax(dim=1)
        assert row.test_sharpness == pytest.approx(float((probabilities**2).mean()), abs=1e-12)
    others = frame.assign(predictions_digest="0" * 64)
    missing = {Scorer("sharpness"): len(TRIALS)}
    assert layer.filled(older.folder, others, scores).missing == missing
    plugin.write_text(PLUGIN.replace("**2", "**3"), encoding="utf-8")
    PLUGINS.add([plugin])
    assert layer.filled(older.folder, frame, scores).missing == missing
    # Without asking for that metric, its scores stay.
    assert rescore(older.uri, ["brier"]).outdated == 0
    done = rescore(older.uri, ["sharpness"])
    assert (done.scores, done.outdated) == (2 * len(TRIALS), 1)
    folders = {info.path.rpartition("/")[0] for info in older.folder.list(layer.FOLDER)}
    assert folders == {Scorer(metric).folder for metric in ("sharpness", "brier")}


@pytest.mark.slow
def test_many_trials_are_scored_side_by_side_and_as_one_by_one(
    store: Store, tmp_path: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescoring, "ALONE_SECONDS", 0)
    trials = [trial_of(seed) for seed in range(5)]
    alone = Store(str(tmp_path / "alone"))
    for each in (store, alone):
        commit_older(each, trials)
    metrics, calibrators = (*ASKED[0], "sharpness"), ASKED[1]
    seen: list[int] = []
    rescore(store.uri, metrics, calibrators, processes=2, progress=lambda done, total: seen.append(done))
    rescore(alone.uri, metrics, calibrators, processes=1)
    # Each trial is scored, then the evidence on all of them is there.
    assert seen == [*range(1, len(trials) + 1), len(trials)]
    assert content_of(store) == content_of(alone)


def test_tables_name_the_command_and_use_its_scores(older: Store) -> None:
    def show(*metrics: str) -> str:
        return tables(older.uri, metrics=metrics, criterion="nll").render("csv")

    assert show("ece")
    # A row says of some scores that they have no value.
    assert show("confident_accuracy")
    with pytest.raises(MissingScoresError) as raised:
        show("ece", "brier", "mce")
    assert (raised.value.metrics, raised.value.calibrators) == (("brier", "mce"), ("none", "temperature_nll"))
    asked = ["tables", "--store", older.uri, "--criterion", "nll"]
    asked += [word for metric in ("ece", "brier", "mce") for word in ("--metric", metric)]
    command = str(CliRunner().invoke(app, asked).exception).partition("calibsweep ")[2]
    assert command.startswith("store rescore ")
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 0, done.output
    table = pd.read_csv(io.StringIO(show("brier", "mce"))).set_index(["loss", "metric", "scaling"])
    for loss in ("brier", "focal_1", "mmce"):
        scores = [arguments_of_commit(t)["scores"] for t in TRIALS if t.loss.label == loss]
        mean = sum(each["test_brier_after_nll"] for each in scores) / len(scores)
        assert table.loc[(loss, "brier", "after"), "mean"] == pytest.approx(mean, abs=1e-12)

    # A trial that came later lacks them.
    commit_older(older, [trial_of(9)])
    with pytest.raises(ConfigurationError, match=r"\b1 trial\b"):
        show("brier")


def test_a_wrong_name_and_an_empty_store_are_refused(older: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="brier"):
        rescore(older.uri, ["brie"])
    with pytest.raises(ConfigurationError, match="temperature_nll"):
        rescore(older.uri, ["brier"], ["temperature_nl"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(StoreError):
        rescore(str(empty))


def test_another_number_of_bins_is_another_score(older: Store) -> None:
    rescore(older.uri, ["ece(bins=4)", "ece(bins=15)"], ["none", "temperature_nll"])
    four, usual = (values(older, Scorer(name, "temperature_nll")) for name in ("ece(bins=4)", "ece"))
    assert four.keys() == usual.keys() and four != usual
    built = tables(older.uri, metrics=["ece(bins=4)"], calibrator="temperature_nll").on_test_set
    assert built[0].metric.number == 4 and "4 bins" in built[0].caption and "15" not in built[0].metric.title
    with pytest.raises(ConfigurationError, match="bins"):
        rescore(older.uri, ["nll(bins=4)"])
