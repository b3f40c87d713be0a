"""A search repeats itself from its store: the same suggestions after any interruption, none trained twice."""

from __future__ import annotations

import dataclasses
import re
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import optuna
import pytest
import torch
import yaml
from click.testing import CliRunner

from orchestrator.cli import app
from orchestrator.driver.notices import Notices
from orchestrator.driver.reports import Done, Failed, Latest, Pruned
from orchestrator.driver.stalls import Watch
from orchestrator.driver.worker import TrialWorker
from orchestrator.driver.worker_settings import WorkerSettings
from orchestrator.search.source import SearchedTrials
from orchestrator.use_cases.search import search as run_search
from results.scoring.commit import commit_finished
from results.store import pruned, rows
from results.store.store import Store
from sweeps.expand import load as load_sweep
from sweeps.search import Search, load
from trainables.errors import ConfigurationError
from trainables.training.run import run_trial
from trainables.trial import Trial

from .conftest import REPOSITORY, Command, cluster

FILE = """
name: gamma
dataset: {digits: {training_samples: 75, validation_samples: 60}}
model: {mlp: {hidden: 12}}
losses: [{focal: {gamma: {low: 0, high: 5}}}, {label_smoothing: {smoothing: [0.05, 0.1]}}]
training: {epochs: 1, milestones: [], learning_rate: {low: 0.01, high: 0.3, log: true}}
trials: 14
at_once: 3
"""


def file_of(folder: Path, text: str = FILE) -> Path:
    path = folder / "gamma.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def train(store: Store, trial: Trial) -> Done:
    result = run_trial(trial, device=torch.device("cpu"))
    assert commit_finished(store, result, lambda other: None, {"host": "here"})
    return Done(Latest(trial.training.epochs))


def copy(folder: Path, store: Store, trial: Trial) -> Done:
    """Takes the result of a trial from another store, instead of training it to the same numbers."""
    for path in folder.rglob(f"{trial.key}*.parquet"):
        store.folder.write(path.relative_to(folder).as_posix(), path.read_bytes(), exclusive=True)
    return Done(Latest(trial.training.epochs))


def first_first(ready: list[Trial]) -> int:
    return 0


def last_first(ready: list[Trial]) -> int:
    return -1


def drive(
    source: SearchedTrials,
    work: Callable[[Trial], Done | Failed | Pruned],
    order: Callable[[list[Trial]], int] = first_first,
    most: int = 1000,
) -> list[Trial]:
    """Runs a source as a driver does, one trial after the other, and returns the trials in their order."""
    ran: list[Trial] = []
    ready: list[Trial] = []
    while len(ran) < most:
        while (trial := source.next()) is not None:
            ready.append(trial)
        if not ready:
            break
        trial = ready.pop(order(ready))
        ran.append(trial)
        source.settled(trial, work(trial))
    return ran


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, Path, list[str]]:
    """A search, the store of its undisturbed run, and the keys of its suggestions in their order."""
    folder = tmp_path_factory.mktemp("search")
    search = load(file_of(folder))
    store = Store(str(folder / "store"))
    source = SearchedTrials(search, store)
    ran = drive(source, lambda trial: train(store, trial))
    assert len(ran) == len({trial.key for trial in ran}) == 14
    return search, folder / "store", keys(source)


def keys(source: SearchedTrials) -> list[str]:
    source.tell(source.search.file.trials)
    assert source.complete
    return [each.trial.key for each in source.suggested if each.trial]


def test_a_killed_search_goes_on_as_if_undisturbed(
    done: tuple[Search, Path, list[str]], tmp_path: Path
) -> None:
    search, folder, expected = done
    store = Store(str(tmp_path / "store"))
    ran: list[str] = []
    # Each time it stops with trials under way, and the last of them ends first.
    for most in (4, 5, 1000):
        source = SearchedTrials(search, store)
        trained = drive(source, lambda trial: copy(folder, store, trial), last_first, most)
        ran += [trial.key for trial in trained]
    assert keys(source) == expected and sorted(ran) == sorted(expected)


def test_more_trials_continue_it(done: tuple[Search, Path, list[str]], tmp_path: Path) -> None:
    search, store, expected = done
    shutil.copytree(store, tmp_path / "store")
    more = dataclasses.replace(search, file=search.file.model_copy(update={"trials": 16}))
    source = SearchedTrials(more, Store(str(tmp_path / "store")))
    ran = drive(source, lambda trial: train(source.store, trial))
    assert len(ran) == 2 and keys(source)[:14] == expected


def test_the_test_set_plays_no_part(done: tuple[Search, Path, list[str]], tmp_path: Path) -> None:
    search, folder, expected = done
    shutil.copytree(folder, tmp_path / "store")
    store = Store(str(tmp_path / "store"))
    paths = [info.path for info in store.folder.list("trials")]
    assert len(paths) == len(expected)
    for i, path in enumerate(paths):
        row = rows.from_parquet(store.folder.read(path))
        scores = dict(row["scores"][0].as_py())
        garbage = {name: (-1.0) ** i * 1e6 if "test" in name else value for name, value in scores.items()}
        assert garbage != scores
        changed = rows.to_parquet(rows.rescored(row, garbage, {}))
        (tmp_path / "store" / path).unlink()
        store.folder.write(path, changed, exclusive=True)
    best = run_search(file_of(tmp_path), store.uri, tmp_path / "b.yaml")
    assert best.ran == 0 and best.done == 14
    source = SearchedTrials(search, store)
    assert source.next() is None and keys(source) == expected
    undisturbed = SearchedTrials(search, Store(str(folder)))
    undisturbed.next()
    assert keys(undisturbed) == expected
    assert source.study.best() == undisturbed.study.best() == [best.best[0].number]
    # The best is the best on the validation part.
    column = "validation_nll_after_nll"
    assert best.best[0].key == Store(str(folder)).trials().set_index("key")[column].idxmin()


def test_several_objectives_give_the_front(done: tuple[Search, Path, list[str]], tmp_path: Path) -> None:
    _, store, expected = done
    # Optuna's first ten suggestions are random, and do not depend on the objectives.
    text = FILE.replace("trials: 14", "trials: 10") + "objectives: [mce, nll_after_nll, top_1_accuracy]\n"
    found = run_search(file_of(tmp_path, text), str(store), tmp_path / "front.yaml")
    frame = Store(str(store)).trials().set_index("key").loc[expected[:10]]
    columns = ["validation_mce", "validation_nll_after_nll", "validation_top_1_accuracy"]
    points = frame[columns].to_numpy() * [1, 1, -1]
    beaten = [any((b <= a).all() and (b < a).any() for b in points) for a in points]
    front = [key for key, worse in zip(expected, beaten, strict=False) if not worse]
    assert 1 < len(front) < 10 and sorted(each.key for each in found.best) == sorted(front)
    scores = frame.loc[found.best[0].key, columns].rename(lambda name: name.removeprefix("validation_"))
    assert found.best[0].scores == scores.to_dict()
    sweep = load_sweep(tmp_path / "front.yaml")
    assert len(sweep.trials) == 5 * (len(front) + 1)


def test_failed_trials_count_and_are_not_repeated(
    done: tuple[Search, Path, list[str]], tmp_path: Path
) -> None:
    search = dataclasses.replace(done[0], file=done[0].file.model_copy(update={"trials": 7}))
    store = Store(str(tmp_path / "store"))

    def work(trial: Trial) -> Done | Failed:
        if trial.loss.name == "focal":
            store.record_failure(trial, "diverged", "no", "", "here")
            return Failed("diverged", "no", "", "here")
        return train(store, trial)

    source = SearchedTrials(search, store)
    ran = drive(source, work)
    assert {trial.loss.name for trial in ran} == {"focal", "label_smoothing"}
    expected = keys(source)
    again = SearchedTrials(search, store)
    assert again.next() is None and keys(again) == expected
    (best,) = again.study.best()
    assert expected[best] in {trial.key for trial in ran if trial.loss.name == "label_smoothing"}


def test_the_command_prints_the_best_and_writes_its_sweep(
    done: tuple[Search, Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store, expected = done
    monkeypatch.chdir(tmp_path)
    file_of(tmp_path, FILE + "baselines: [cross_entropy, focal_3]\n")
    ended = CliRunner().invoke(app, ["search", "gamma.yaml", "--store", str(store)])
    assert ended.exit_code == 0 and "calibsweep run gamma-best.yaml" in ended.output, ended.output
    page = (store / "reports" / "gamma-search.html").read_text(encoding="utf-8")
    assert all(key in page for key in expected) and "calibsweep run gamma-best.yaml" in page
    sweep = load_sweep("gamma-best.yaml")
    best = [trial for trial in sweep.trials if trial.loss.label not in ("cross_entropy", "focal_3")]
    assert len(sweep.trials) == 15 and {trial.seed for trial in best} == {1, 2, 3, 4, 5}
    # With the seed of the search, it is the very trial that the search found.
    assert dataclasses.replace(best[0], seed=0).key in expected
    Path("gamma-best.yaml").write_text("name: mine\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="--output"):
        run_search("gamma.yaml", str(store))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("gamma: {low: 0, high: 5}", "gama: {low: 0, high: 5}", "'gamma'"),
        ("{low: 0, high: 5}", "{low: 5, high: 0}", "gamma: low"),
        ("{low: 0, high: 5}", "{low: -3, high: 5, log: true}", "gamma: a range"),
        ("trials: 14", "trails: 14", "'trials'"),
        ("trials: 14", "trials: 14\nobjectives: [nll_after_nl]", "'nll_after_nll'"),
        ("trials: 14", "trials: 14\nobjectives: [mean_confidence]", "mean_confidence"),
        ("epochs: 1", "epochs: {low: 1, high: 2.5}", "epochs: high"),
        ("trials: 14", "trials: 14\nhalving: {first_epoc: 1}", "'first_epoch'"),
        ("trials: 14", "trials: 14\nhalving: {first_epoch: 1}\nobjectives: [brier]", "halving"),
        ("trials: 14", "blocks: []", "sweep file"),
        ("model: {mlp", "model: {mlq", "'mlp'"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(ConfigurationError) as refused:
        load(file_of(tmp_path, FILE.replace(old, new)))
    (line,) = refused.value.lines
    assert said in line and "gamma.yaml" in line


def test_a_search_file_is_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_sweep(file_of(tmp_path))
    (line,) = refused.value.lines
    assert "`calibsweep search`" in line


def worker_on(store: Store) -> Callable[[SearchedTrials, Trial], Done | Failed | Pruned]:
    """Trains as on a cluster, in this process."""
    settings = WorkerSettings(store.uri, "", 1, 10.0, None, 30.0, 1, "", "")
    worker = TrialWorker(settings, Notices(), Watch(30.0, None))

    def work(source: SearchedTrials, trial: Trial) -> Done | Failed | Pruned:
        worker.begin(trial, 0, source.limits(trial))
        while not (report := worker.step()).ended:
            pass
        assert isinstance(report, Done | Pruned), report
        return report

    return work


@pytest.mark.slow
def test_trials_outside_the_best_half_of_a_rung_stop_early(tmp_path: Path) -> None:
    text = FILE.replace("epochs: 1", "epochs: 5").replace("trials: 14", "trials: 11")
    search = load(file_of(tmp_path, text + "halving: {first_epoch: 1, factor: 2}\n"))
    stores = [Store(str(tmp_path / name)) for name in ("store", "other")]
    results = []
    for store, most in zip(stores, (1000, 4), strict=True):
        work = worker_on(store)
        source = SearchedTrials(search, store)
        drive(source, partial(work, source), last_first if most == 4 else first_first, most)
        # The search goes on from the store alone; the first one is complete by then.
        again = SearchedTrials(search, store)
        ran = drive(again, partial(work, again))
        assert bool(ran) == (most == 4)
        results.append([(key, again.results[key]) for key in keys(again)])
    assert results[0] == results[1]
    store, at_once = stores[0], search.file.at_once
    assert not list(store.folder.list("checkpoints"))
    stopped = {key: result for key, result in results[0] if result.stopped}
    assert stopped and stopped.keys() == {
        pruned.NAME.fullmatch(path.name)[1] for path in files(store, "pruned")
    }
    assert {key for key, _ in results[0]} - stopped.keys() == {path.stem for path in files(store, "trials")}
    assert set(store.trials()["key"]).isdisjoint(stopped)
    for number, (_, result) in enumerate(results[0]):
        before = dict(results[0][: max(0, number - at_once + 1)]).values()
        for rung in (1, 2, 4):
            if rung in result.rungs:
                others = [each.rungs[rung] for each in before if rung in each.rungs]
                better = sum(value < result.rungs[rung] for value in others)
                best_half = not others or better < (len(others) + 1) // 2
                assert best_half != (result.stopped and rung == max(result.rungs))
        assert result.stopped or set(result.rungs) == {1, 2, 4}
    # The curves end where the trial stopped.
    for path in files(store, "pruned"):
        curve = pruned.read(store.folder, path.relative_to(store.folder.root).as_posix())
        rungs = stopped[pruned.NAME.fullmatch(path.name)[1]].rungs
        assert len(curve) == max(rungs) and curve["validation_nll_after_nll"][-1].as_py() == rungs[max(rungs)]


def files(store: Store, kind: str) -> list[Path]:
    return [Path(store.folder.root) / info.path for info in store.folder.list(kind)]


def test_the_files_in_the_document_are_valid(tmp_path: Path) -> None:
    texts = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs/search.md").read_text("utf-8"), re.DOTALL)
    searches = [load(file_of(tmp_path, text)) for text in texts]
    assert [(list(each.candidates), each.file.trials) for each in searches] == [
        (["focal", "label_smoothing"], 30),
        (["focal"], 25),
        (["adafocal"], 25),
        (["focal"], 16),
    ]


@pytest.mark.slow
def test_optuna_reads_the_written_study(done: tuple[Search, Path, list[str]], tmp_path: Path) -> None:
    _, store, expected = done
    database = tmp_path / "study.db"
    found = run_search(file_of(tmp_path), str(store), tmp_path / "best.yaml", study=database)
    study = optuna.load_study(study_name="gamma", storage=f"sqlite:///{database}")
    assert [trial.user_attrs["key"] for trial in study.trials] == expected
    assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.COMPLETE}
    assert study.metric_names == ["nll_after_nll"]
    assert study.best_trial.user_attrs["key"] == found.best[0].key


@pytest.mark.slow
@pytest.mark.parametrize("objectives", ["[nll_after_nll]", "[mce, error]"])
def test_the_figure_draws_each_trial(
    done: tuple[Search, Path, list[str]], tmp_path: Path, objectives: str
) -> None:
    _, store, _ = done
    text = FILE.replace("trials: 14", "trials: 10") + f"objectives: {objectives}\n"
    found = run_search(file_of(tmp_path, text), str(store), tmp_path / "best.yaml", figure=tmp_path / "f.svg")
    drawn = (tmp_path / "f.svg").read_text(encoding="utf-8")
    # A marker for each trial, in the history of each objective and on the front.
    assert found.done == 10 and drawn.count("<use ") >= (10 if objectives == "[nll_after_nll]" else 30)


@pytest.mark.slow
def test_a_killed_driver_on_a_cluster_is_followed_by_the_same_search(
    done: tuple[Search, Path, list[str]], calibsweep: Command, tmp_path: Path
) -> None:
    _, _, expected = done
    # The first suggestions do not depend on the number of trials.
    expected = expected[:6]
    file = file_of(tmp_path, FILE.replace("trials: 14", "trials: 6"))
    store = tmp_path / "store"
    with cluster(calibsweep, 2) as nodes:
        arguments = ("search", str(file), "--store", str(store), "--output", str(tmp_path / "best.yaml"))
        arguments = (*arguments, "--address", nodes.address)
        process = calibsweep.start(*arguments)
        while len(found := list(store.rglob("trials/**/*.parquet"))) < 2:
            assert process.poll() is None and time.sleep(0.05) is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = {path: path.stat().st_mtime_ns for path in found}
        assert len(before) < len(expected)
        output = calibsweep(*arguments)
    assert "done, validation error " in output and ", error" not in output
    after = {path.stem: path.stat().st_mtime_ns for path in store.rglob("trials/**/*.parquet")}
    assert sorted(after) == sorted(expected)
    assert all(after[path.stem] == modified for path, modified in before.items())
    assert yaml.safe_load((tmp_path / "best.yaml").read_text(encoding="utf-8"))["seeds"] == [1, 2, 3, 4, 5]
    assert not list(store.rglob("checkpoints/**/*.pt"))


def test_files_of_ones_own_are_relative_to_the_search_file(tmp_path: Path) -> None:
    lines = [f"word{number} {'fine' if number % 2 else 'bad'},{number % 2}" for number in range(60)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    data, model = "{digits: {training_samples: 75, validation_samples: 60}}", "{mlp: {hidden: 12}}"
    text = FILE.replace(data, "{text_table: {path: texts.csv}}").replace(model, "text_cnn")
    trials = load(file_of(tmp_path, text)).representatives()
    assert {trial.dataset.name for trial in trials} == {"text_table"}
