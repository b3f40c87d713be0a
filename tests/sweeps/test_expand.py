"""A sweep file becomes exactly the trials it asks for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from results.tables.statistics import settings_of_variants
from sweeps.expand import expected_frame, load
from trainables.errors import ConfigurationError
from trainables.resolve import resolve
from trainables.trial import canonical_json

Write = Callable[[str], Path]

SWEEP = """\
name: a
seeds: 2
training: {epochs: 35}
blocks:
  - datasets: [pictures]
    models: [dense, conv]
    losses: [plain, {focal: {gamma: [2, 5]}}]
  - datasets: [{pictures: {samples: 100}}]
    models: [dense]
    losses: [kernel]
    seeds: [7]
    protocol: bare
    training: {epochs: 70, momentum: 0}
"""


def test_expands_blocks_in_order(sweep_file: Write) -> None:
    trials = load(sweep_file(SWEEP.replace("[kernel]", "[{kernel: {strength: 1}}]"))).trials
    cells = [
        f"pictures / {m} / {loss}"
        for m in ("dense", "conv")
        for loss in ("plain", "focal_2", "focal(gamma=5)")
    ]
    assert [str(trial) for trial in trials] == [
        *(f"{cell} / seed {seed}" for cell in cells for seed in (0, 1)),
        "pictures(samples=100) / dense / kernel(strength=1) / seed 7",
    ]
    first, last = trials[0], trials[-1]
    assert (first.protocol, first.training.epochs, first.training.batch_size) == ("mukhoti2020", 35, 128)
    assert first.training.milestones == (15, 25)
    assert (last.protocol, last.training.epochs, last.training.batch_size) == ("bare", 70, 32)
    assert last.training.momentum == 0.0


def test_agrees_with_resolving_each_trial_by_itself(sweep_file: Write) -> None:
    # Trials of one cell are worked out once and differ in their seed alone: the keys must not show it.
    trials = load(sweep_file(SWEEP.replace("bare", "mukhoti2020"))).trials
    assert trials[3].key == resolve("pictures", "dense", "focal_2", 1, training={"epochs": 35}).key
    assert trials[-1].key == resolve(
        ("pictures", {"samples": 100}), "dense", ("kernel", {"strength": 2}), 7,
        training={"epochs": 70, "momentum": 0},
    ).key  # fmt: skip
    assert len({trial.key for trial in trials}) == len(trials) == 13


def test_a_repeated_trial_runs_once(sweep_file: Write) -> None:
    path = sweep_file("""\
name: a
seeds: [0]
blocks:
  - datasets: [pictures]
    models: [dense]
    losses: [focal_1, plain, {focal: {gamma: 1}}, {focal: {gamma: [1.0, 2]}}]
  - {datasets: [pictures], models: [{dense: {widths: [32]}}], losses: [plain], training: {epochs: 350}}
""")
    assert [trial.loss.label for trial in load(path).trials] == ["focal_1", "plain", "focal_2"]


def test_a_sampler_is_a_component_of_a_block_and_natural_is_in_no_key(sweep_file: Write) -> None:
    path = sweep_file("""\
name: a
seeds: [3]
blocks:
  - datasets: [pictures]
    models: [dense]
    losses: [plain, focal_2]
    samplers: [natural, {resampled: {power: [0, 0.25]}}]
    exclude: [{loss: focal_2, sampler: class_balanced, reason: "Not here."}]
""")
    trials = load(path).trials
    found = [(trial.loss.label, trial.sampler.label) for trial in trials]
    both = ["natural", "class_balanced", "resampled(power=0.25)"]
    assert found == [("plain", each) for each in both] + [("focal_2", each) for each in (both[0], both[2])]
    assert trials[0].key == resolve("pictures", "dense", "plain", 3).key
    assert "sampler" not in trials[0].identity()
    assert len({trial.key for trial in trials}) == 5 and len({trial.variant for trial in trials}) == 3
    frame = expected_frame(trials)
    message = {settings["sampler"] for settings in settings_of_variants(frame).values()}
    assert message == {"natural", "resampled(power=0)", "resampled(power=0.25)"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{}", ["dense"]),
        ("{widths: []}", ["dense(widths=)"]),
        ("{widths: [8, 8]}", ["dense(widths=8-8)"]),
        ("{widths: [[8], [8, 8]]}", ["dense(widths=8)", "dense(widths=8-8)"]),
        (
            "{widths: [[8], [32]], dropout: [null, 0.5]}",
            ["dense(widths=8)", "dense(widths=8,dropout=0.5)", "dense", "dense(dropout=0.5)"],
        ),
    ],
)
def test_lists_of_values_are_a_matrix(given: str, expected: list[str], sweep_file: Write) -> None:
    path = sweep_file(f"""\
name: a
seeds: 1
blocks: [{{datasets: [pictures], models: [{{dense: {given}}}], losses: [plain]}}]
""")
    assert [trial.model.label for trial in load(path).trials] == expected


@pytest.mark.parametrize(
    ("exclusion", "left"),
    [
        ("model: dense", {("conv", "plain"), ("conv", "focal_1"), ("conv", "focal(gamma=5)")}),
        ("loss: focal", {("dense", "plain"), ("conv", "plain")}),
        ("loss: focal_1, model: conv", {("dense", "plain"), ("conv", "plain"), ("dense", "focal_1"),
         ("dense", "focal(gamma=5)"), ("conv", "focal(gamma=5)")}),
        ("loss: {focal: {gamma: [1, 5]}}", {("dense", "plain"), ("conv", "plain")}),
    ],
)  # fmt: skip
def test_exclusions(exclusion: str, left: set[tuple[str, str]], sweep_file: Write) -> None:
    path = sweep_file(f"""\
name: a
seeds: 1
blocks:
  - datasets: [pictures]
    models: [dense, conv]
    losses: [plain, focal_1, {{focal: {{gamma: 5}}}}]
    exclude: [{{{exclusion}, reason: why}}]
""")
    assert {(trial.model.label, trial.loss.label) for trial in load(path).trials} == left


def test_an_impossible_cell_may_be_excluded(sweep_file: Write) -> None:
    path = sweep_file("""\
name: a
seeds: 1
blocks:
  - datasets: [pictures, letters]
    models: [dense, reader]
    losses: [plain]
    exclude:
      - {dataset: pictures, model: reader, reason: pictures cannot be read}
      - {dataset: letters, model: dense, reason: letters are no image}
""")
    assert [trial.model.label for trial in load(path).trials] == ["dense", "reader"]


def test_overrides_win_over_every_block(sweep_file: Write) -> None:
    path = sweep_file(SWEEP + "run: {cpus_per_trial: 2, checkpoint_every: 1}\n")
    changed = load(path, ["training.epochs=3", "seeds=[4]", "protocol=mukhoti2020", "run.checkpoint_every=5"])
    assert {t.training.epochs for t in changed.trials} == {3}
    assert {t.training.momentum for t in changed.trials} == {0.9, 0.0}
    assert {(t.seed, t.protocol) for t in changed.trials} == {(4, "mukhoti2020")}
    assert (changed.run.cpus_per_trial, changed.run.checkpoint_every) == (2.0, 5)
    assert not {t.key for t in changed.trials} & {t.key for t in load(path, ["protocol=mukhoti2020"]).trials}


def test_how_a_sweep_runs_changes_no_key(sweep_file: Write) -> None:
    overrides = ["protocol=mukhoti2020"]
    one = load(sweep_file(SWEEP), overrides)
    other = load(sweep_file("run: {gpus_per_trial: 1}\ndescription: other\n" + SWEEP), overrides)
    assert [t.key for t in one.trials] == [t.key for t in other.trials]
    assert one.run != other.run


def test_temperature_criterion_is_that_of_the_first_trial(sweep_file: Write) -> None:
    path = sweep_file(SWEEP.replace("[kernel]", "[plain]"))
    assert load(path).temperature_criterion == "ece"
    assert load(path, ["protocol=bare"]).temperature_criterion == "nll"


def test_expected_frame_has_a_row_per_trial(sweep_file: Write) -> None:
    trials = load(sweep_file(SWEEP), ["protocol=mukhoti2020"]).trials
    frame = expected_frame(trials)
    assert frame["key"].tolist() == [trial.key for trial in trials] == frame["trial_key"].tolist()
    assert set(frame["evaluation"]) == {"test"} and set(frame["task"]) == {"classification"}
    assert frame.iloc[-1][["dataset", "model", "loss", "seed"]].tolist() == [
        "pictures(samples=100)",
        "dense",
        "kernel",
        7,
    ]
    assert frame["identity"].iloc[-1] == canonical_json(trials[-1].identity())
    assert frame["variant"].nunique() == 2


def test_the_whole_benchmark_expands_at_once(sweep_file: Write) -> None:
    gammas = list(range(13))
    path = sweep_file(f"""\
name: a
blocks:
  - datasets: [{{pictures: {{samples: {list(range(1, 10))}}}}}]
    models: [{{dense: {{dropout: [0.1, 0.2, 0.3, 0.4, 0.5]}}}}]
    losses: [{{focal: {{gamma: {gammas}}}}}]
""")
    load(path, ["seeds=1"])  # Reads the components' files, which happens once.
    start = time.process_time()
    trials = load(path).trials
    assert len({trial.key for trial in trials}) == 9 * 5 * 13 * 5
    # Some tenths of a second on one slow core; that it is not seconds is what matters.
    assert time.process_time() - start < 3


def test_a_block_sets_the_gpus_of_its_trials(sweep_file: Write) -> None:
    text = """
name: a
seeds: 1
blocks:
  - {datasets: [pictures], models: [dense], losses: [plain], gpus: 0.25}
  - {datasets: [pictures], models: [conv], losses: [plain], gpus: 4}
  - {datasets: [pictures], models: [dense, conv], losses: [plain, focal_1]}
run: {gpus_per_trial: 1}
"""
    sweep = load(sweep_file(text))
    assert [sweep.gpus[trial.key] for trial in sweep.trials] == [0.25, 4, 1, 1]
    # Not part of what a trial is.
    plain = load(sweep_file(text.replace(", gpus: 0.25", "").replace(", gpus: 4", "")))
    assert plain.trials == sweep.trials and set(plain.gpus.values()) == {1}
    for gpus in (0, 2):
        assert set(load(sweep_file(text), [f"run.gpus_per_trial={gpus}"]).gpus.values()) == {gpus}


def test_own_files_are_relative_to_the_sweep_file(
    sweep_file: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = """\
name: a
seeds: 1
blocks:
  - datasets: [{of_files: {path: [here, other]}}]
    models: [dense]
    losses: [plain, kernel]
    exclude: [{dataset: {of_files: {path: other}}, loss: plain, reason: r}, {loss: kernel, reason: r}]
"""
    path = sweep_file(text)
    for name in ("here", "other"):
        (path.parent / name).mkdir()
        (path.parent / name / "1.data").write_text(name)
    (path.parent / "other" / "2.txt").write_text("is not read")
    (trial,) = load(path).trials
    assert trial.dataset.files is not None
    assert trial.dataset.files.place == str(path.parent.absolute() / "here")
    params = dict(trial.dataset.params)
    same = tmp_path / "elsewhere"
    same.mkdir()
    (same / "1.data").write_text("here")
    elsewhere = resolve(("of_files", {"path": str(same)}), "dense", "plain", 0, training={}).dataset
    assert (elsewhere, dict(elsewhere.params)) == (trial.dataset, params)
    monkeypatch.setattr("trainables.content.LOOKED_SECONDS", 0)
    (path.parent / "here").rename(path.parent / "hero")
    with pytest.raises(ConfigurationError, match="Did you mean 'hero'"):
        load(path)
