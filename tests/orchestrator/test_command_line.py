"""Commands as a person types them: what they print, their exit codes, and one line for a mistake."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest

# Its import sets an environment variable.
import threadpoolctl  # noqa: F401
from click.testing import CliRunner

from orchestrator import api
from orchestrator.cli import app, main
from orchestrator.use_cases.listing import KINDS
from results.store.store import Store
from sweeps.spec import SETTINGS
from trainables.calibration import evaluate
from trainables.catalogue import LOSSES
from trainables.errors import InputError

from .conftest import REPOSITORY, Command, printed, source_with

COMMANDS = [
    *("run", "plan", "tables", "compare", "score", "trial", "list", "check-loss"),
    *("store ls", "store compact", "store verify", "store merge", "data prepare"),
]


TABLES, PLAN = ["tables", "--store", "tests/golden/store"], ["plan", "quickstart", "--store", "no/such"]
TRIAL = ["trial", "--dataset", "digits", "--model", "mlp", "--loss", "brier"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with two finished trials, made without Ray."""
    store = str(tmp_path_factory.mktemp("finished") / "store")
    for loss in ("brier", "focal: {gamma: 4}"):
        api.trial("digits", "mlp", loss, overrides=["training.epochs=3"], store=store)
    return store


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_names_the_command(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "-h"])
    assert result.exit_code == 0
    # On one line, whatever the width, to be pasted.
    assert re.search(rf"^Example:\n  calibsweep {command}\b", result.output, re.M)
    assert f"\n  calibsweep {command}" in CliRunner().invoke(app, [*command.split(), "--help"]).output


def every_command(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, *path, name)
        else:
            yield " ".join([*path, name]), command


def test_every_value_has_a_text_and_one_meaning() -> None:
    texts: dict[tuple[str, ...], set[str | None]] = defaultdict(set)
    for name, command in every_command(app):
        assert command.help, name
        assert any("--json" in param.opts for param in command.params), name
        for param in command.params:
            text = param.help if isinstance(param, click.Argument | click.Option) else None
            assert text and text[-1] in ".]", f"{name} {param.name}"
            if name != "trial":
                texts[tuple(param.opts)].add(text)
    for option in ("--store", "--address", "--cluster", "--data", "--set"):
        assert len(texts[option,]) == 1, option


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("list", {*KINDS}),
        ("list losses", {"name", "parameters", "required"}),
        ("list datasets", {"name", "summary"}),
        ("list metrics", {"name", "unit", "title"}),
        ("list settings", {"path", "default", "text"}),
        ("list sweeps", {"name", "summary"}),
        ("check-loss brier", {"loss", "findings"}),
        ("store ls --store tests/golden/store", {"store", "cells", "done", "size", "versions"}),
    ],
)
def test_json_is_the_result_and_nothing_else(command: str, keys: set[str]) -> None:
    done = CliRunner().invoke(app, [*command.split(), "--json"], catch_exceptions=False)
    assert done.exit_code == 0 and done.stderr == ""
    printed = json.loads(done.stdout)
    for value in printed if isinstance(printed, list) else [printed]:
        assert value.keys() >= keys
    assert command != "list" or printed.keys() == keys


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quickstrat"], "Did you mean 'quickstart'?"),
        (["plan", "quickstart", "--set", "training.epoch=3"], "Did you mean 'training.epochs'?"),
        (["tables", "--store", "no/such/store"], "there is no store no/such/store"),
        (["plan", "quickstart", "--store", "no/such/store"], "there is no store no/such/store"),
        (["store", "verify", "--store", "no/such/store"], "there is no store no/such/store"),
        (["store", "compact", "--store", "no/such/store"], "there is no store no/such/store"),
        (["tables", "--store", "gopher://x"], "cannot use the store gopher://x"),
        (["run", "quickstart", "--store", ""], "--store is empty"),
        (["launch", "quickstart", "--store", "s3:/bucket", "--address", "http://x"], "two slashes"),
        ([*TRIAL, "--store", "s3://key:secret@bucket/x"], "credentials do not belong in --store"),
        (["score", "no_such.npz"], "no such file: no_such.npz"),
        (["trial", "--dataset", "digits", "--model", "mlp", "--loss", "focal"], "needs a value for 'gamma'"),
        (["trial", "--dataset", "digit", "--model", "mlp", "--loss", "brier"], "Did you mean 'digits'?"),
        (["trial", "--dataset", "svhn", "--model", "resnet50", "--loss", "brier"], "no training part"),
        (["check-loss", "foocal_1"], "Did you mean 'focal_1'?"),
        (["data", "prepare", "cifar1000"], "Did you mean 'cifar100'?"),
        ([*TABLES, "--format", "pdf"], "--format: unknown value 'pdf'. Available: csv, html, latex, md."),
        (["list", "loses"], "Did you mean 'losses'?"),
        ([*TRIAL, "--seed", "a"], "--seed: 'a' is not a"),
        ([*TRIAL, "--seed", "-1"], "a seed must be a whole number from 0"),
        ([*TRIAL, "--set", "seeds=3"], "--seed"),
        ([*TRIAL, "--set", "run.checkpoint_every=3"], "--set run.checkpoint_every: no effect here"),
        ([*PLAN, "--price-per-gpu-hour", "2"], "--price-per-gpu-hour: no trial of quickstart uses a GPU"),
        (["run"], "run needs SWEEP: "),
        (["rnu", "quickstart"], "Did you mean 'run'?"),
        (["store", "vrify"], "Did you mean 'verify'?"),
        (["run", "quickstart", "--stor", "x"], "Did you mean --store?"),
        ([*PLAN, "--gpus-per-trial", "1"], "Did you mean --set run.gpus_per_trial=1?"),
        ([*PLAN, "--milestones=[1, 2]"], "Did you mean --set 'training.milestones=[1, 2]'?"),
        ([*PLAN, "--gpus", "nan"], "--gpus: 'nan' is not a number"),
        ([*PLAN, "more"], "plan: unexpected argument: more"),
        (["run", "quickstart", "--address", "http://h:8265"], "`calibsweep launch`"),
        (["run", "quickstart", "--address", "head"], "--address must be auto, ray://"),
        (["run", "quickstart", "--address", "auto"], "--address needs --store"),
        (["launch", "quickstart"], "give a cluster: --cluster FILE"),
        (["launch", "quickstart", "--address", "auto"], "--store store: on a cluster it must be"),
        (["run", "quickstart", "--set"], "--set needs a value"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["calibsweep", *arguments])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.chdir(REPOSITORY)
    before = dict(os.environ)
    with pytest.raises(SystemExit) as ended:
        main()
    done = capsys.readouterr()
    assert (ended.value.code, done.out) == (2, "")
    assert re.fullmatch(r"calibsweep: .*\n", done.err) and message in done.err
    assert dict(os.environ) == before


def test_errors_of_a_component_are_shown_without_control_codes() -> None:
    code = (
        "from orchestrator import cli\n"
        "def fail(**options): raise RuntimeError('\\x1b[2Jgone')\n"
        "cli.app.main = fail\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert "\x1b" not in done.stderr
    assert done.stderr.splitlines()[0].startswith("Traceback")
    assert done.stderr.splitlines()[-1] == r"RuntimeError: \x1b[2Jgone"


def test_tables_come_from_the_store_without_torch_or_ray(finished: str) -> None:
    code = (
        "import sys; from orchestrator.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'ray'} & set(sys.modules), 'loaded'\n"
    )
    arguments = ["tables", "--store", finished, "--format", "csv"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    frame = Store(finished).trials()
    lines = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    place = {name: lines[0].index(name) for name in ("loss", "metric", "scaling", "mean")}
    printed = {
        line[place["loss"]]: float(line[place["mean"]])
        for line in lines[1:]
        if line[place["metric"]] == "ece" and line[place["scaling"]] == "after"
    }
    assert printed == pytest.approx(dict(zip(frame["loss"], frame["test_ece_after_ece"], strict=True)))
    assert set(printed) == {"brier", "focal(gamma=4)"}


def test_a_store_lists_its_contents(finished: str) -> None:
    output = printed("store", "ls", "--store", finished)
    brier = next(line for line in output.splitlines() if line.startswith("brier"))
    assert re.fullmatch(r"brier +1: 0 +- +\d+ KiB", brier.rstrip())
    size = sum(path.stat().st_size for path in Path(finished).rglob("*") if path.is_file())
    assert f"2 trials done, 0 failed; {size / 1024:.0f} KiB in {finished}" in output
    # A label is longer than the lines below it.
    output = printed("store", "ls", "--store", "results/recorded/20-newsgroups-cnn")
    assert output.splitlines()[0] == "twenty_newsgroups(vectors=glove.6B.50d,words=22329) / text_cnn"
    # Of those that are trained otherwise it is said how.
    output = printed("store", "ls", "--store", "tests/golden/store")
    lines = [line.split() for line in output.splitlines() if line.startswith("cross_entropy")]
    message = sorted(int(word.rstrip(":")) for line in lines for word in line if re.fullmatch(r"\d+:", word))
    frame = Store("tests/golden/store").trials()
    assert message == sorted(frame[frame["loss"] == "cross_entropy"].groupby(["model", "variant"]).size())


def test_verify_scores_every_trial_again(finished: str) -> None:
    assert "2 trials scored again from their logits, 0 differ" in printed(
        "store", "verify", "--store", finished
    )


def test_plan_changes_nothing_and_counts_by_cell(finished: str, tmp_path: Path) -> None:
    before = sorted(path for path in Path(finished).rglob("*"))
    sets = ["--set", "training.epochs=3"]
    output = printed("plan", "quickstart", "--store", finished, *sets)
    assert sorted(path for path in Path(finished).rglob("*")) == before
    assert "130 trials, 1 done, 129 missing" in output
    brier = next(line for line in output.splitlines() if line.startswith("brier"))
    assert brier.split() == ["brier", "1/5", "0/5"]
    # Before the first run none is named, and planning makes none.
    with contextlib.chdir(tmp_path):
        assert "130 missing" in printed("plan", "quickstart")
    assert not (tmp_path / "store").exists()


def test_a_sampler_has_a_row_of_its_own_in_a_plan(tmp_path: Path) -> None:
    block = "{datasets: [digits], models: [mlp], losses: [brier], samplers: [natural, class_balanced]}"
    sweep = tmp_path / "sampled.yaml"
    sweep.write_text(f"name: sampled\nseeds: 3\nblocks: [{block}]\n")
    lines = [line.split() for line in printed("plan", str(sweep), "--store", str(tmp_path)).splitlines()]
    assert ["brier", "0/3"] in lines and ["brier", "+", "class_balanced", "0/3"] in lines


def test_score_takes_anyones_logits(tmp_path: Path) -> None:
    import torch

    generator = np.random.default_rng(0)
    arrays = {
        "val_logits": generator.normal(size=(37, 4)).astype(np.float32),
        "val_labels": generator.integers(0, 4, 37).astype(np.int32),
        "test_logits": generator.normal(size=(53, 4)).astype(np.float32),
        "test_labels": generator.integers(0, 4, 53).astype(np.int32),
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    found = json.loads(printed("score", str(tmp_path / "mine.npz"), "--json"))
    assert {note["code"] for note in found.pop("warnings")} == {"few_samples", "grid_end"}
    tensors = [torch.from_numpy(array) for array in arrays.values()]
    expected = evaluate(tensors[0], tensors[1].long(), tensors[2], tensors[3].long())
    assert {k: v for k, v in found.items() if v is not None} == pytest.approx(
        {k: v for k, v in expected.items() if np.isfinite(v)}
    )
    table = printed("score", str(tmp_path / "mine.npz"))
    assert f"T = {expected['temperature_nll']:.1f}" in table
    assert f"{100 * expected['test_ece_after_nll']:.2f}" in table

    arrays["test_labels"][0] = 9
    np.savez(tmp_path / "wrong.npz", **arrays)
    with pytest.raises(InputError, match="test_labels"):
        printed("score", str(tmp_path / "wrong.npz"))
    np.savez(tmp_path / "pickle.npz", **{**arrays, "val_labels": np.array([{}], dtype=object)})
    with pytest.raises(InputError, match="unpickling"):
        printed("score", str(tmp_path / "pickle.npz"))


@pytest.mark.slow
def test_missing_data_stops_a_run_before_it_starts(calibsweep: Command, tmp_path: Path) -> None:
    store, data = str(tmp_path / "store"), str(tmp_path / "data")
    output = calibsweep("run", "mukhoti2020", "--store", store, "--data", data, code=2)
    assert re.search(
        rf"data_batch_1 is missing: .*: calibsweep data prepare cifar10 --data {re.escape(data)}\n", output
    )
    # No trial failed of it: once the data is there, the same command goes on.
    assert not list(Path(store).rglob("*.parquet"))


def test_list_tells_its_kinds_and_every_setting() -> None:
    for kind in (line.split()[0] for line in printed("list").splitlines()[1:]):
        assert len(printed("list", kind).splitlines()) > 2, kind
    listed = [line.split()[0] for line in printed("list", "settings").splitlines()[1:] if line[:1].strip()]
    assert listed[: len(SETTINGS)] == list(SETTINGS)


def test_list_names_every_loss() -> None:
    output = printed("list", "losses")
    assert {line.split()[0] for line in output.splitlines()[1:]} >= set(LOSSES.names())
    assert "quickstart" in printed("list", "sweeps")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_new_loss_is_one_file_and_a_broken_one_stops_nothing(
    calibsweep: Command, tmp_path: Path, sweep_file: Callable[..., str]
) -> None:
    code = '''
"""A loss of a newcomer's."""
import torch
from torch.nn import functional
from trainables.losses.base import Loss
from trainables.registry import register

@register("{name}")
class Newcomer(Loss):
    """Cross-entropy, twice as much."""
    def __init__(self, reduction="sum"):
        super().__init__(reduction)
    def per_sample(self, logits, labels):
        return 2 * functional.cross_entropy(logits, labels, reduction="none")
    def on_epoch_start(self, epoch, epochs):
        if epoch == 2:
            {fault}
'''
    faults = {
        "newcomer": "pass",
        # Rich would take the end of it for the end of a style that never began.
        "raising": 'raise KeyError("no such thing [/bold]")',
        "hungry": "raise torch.OutOfMemoryError('out of memory')",
        "leaving": "raise SystemExit(3)",
        # What no file of UTF-8 can hold, what a terminal acts on, and an error that fails to say what it is.
        "garbling": 'raise OSError("no file \\udcff\\x1b[2J\\u202e")',
        "mute": 'raise type("Mute", (Exception,), {"__str__": lambda self: self.nothing})()',
        "diverging": "self.per_sample = lambda logits, labels: logits.sum(1) * float('nan')",
    }
    files = {name: code.format(name=name, fault=fault) for name, fault in faults.items()}
    calibsweep.source = source = source_with(tmp_path / "source", "losses", **files)
    sweep = sweep_file(
        f"""
        name: plugins
        seeds: 1
        training: {{epochs: 4}}
        blocks: [{{datasets: [digits], models: [mlp], losses: [brier, {", ".join(faults)}]}}]
        run: {{watch: [], checkpoint_every: 1}}
        """
    )
    store = tmp_path / "store"
    output = calibsweep("run", sweep, "--store", str(store), code=1)
    assert "6 trials failed" in output
    assert re.search(r"raising / seed 0: bug: KeyError: 'no such thing \[/bold\]'", output)
    frame = Store(str(store)).trials()
    assert sorted(frame["loss"]) == ["brier", "newcomer"]
    plan = calibsweep("plan", sweep, "--store", str(store), "--failures")
    assert "2 done, 6 failed" in plan
    assert re.search(r"bug \(attempt 1\): .*raising.*KeyError: 'no such thing \[/bold\]'", plan)
    assert re.search(r"bug \(attempt 1\): .*leaving.*SystemExit: 3", plan)
    garbled = r"OSError: no file \\udcff\\x1b\[2J\\u202e"
    assert re.search(rf"bug \(attempt 1\): .*garbling.*{garbled}", plan) and re.search(garbled, output)
    assert not {"\x1b", "\u202e"} & {*plan, *output}
    assert re.search(r"bug \(attempt 1\): .*mute.*Mute", plan)
    assert re.search(r"out of memory \(attempt 1\): .*hungry", plan)
    assert re.search(r"diverged \(attempt 1\): .*diverging", plan)
    assert 'raise KeyError("no such thing [/bold]")' in plan

    # Half a run by the wrong code is no start for the mended one. What ran out of memory may go on elsewhere.
    (kept,) = (store / "checkpoints").iterdir()
    (failure,) = (store / "failures" / "digits" / "mlp" / "hungry").iterdir()
    assert failure.name == f"{kept.name}-1.parquet"

    # A comment changes nothing.
    path = source / "trainables" / "losses" / "brier.py"
    path.write_text(path.read_text(encoding="utf-8") + "# Changed since.\n", encoding="utf-8")
    # Failed by their own fault, trials are left alone until asked for; then the mended ones are done.
    left_alone = calibsweep("run", sweep, "--store", str(store), code=1)
    assert "0 to run" in left_alone and "has changed since" not in left_alone
    mended = sorted({*faults} - {"diverging"})
    for name in mended:
        mended_path = source / "trainables" / "losses" / f"{name}.py"
        mended_path.write_text(code.format(name=name, fault="pass"), encoding="utf-8")
    # A factor changes the numbers, and is told also by a run that makes another seed.
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(".square().sum(dim=1)", ".square().mean(dim=1)"), encoding="utf-8")
    both = calibsweep("run", sweep, "--store", str(store), "--retry-failed", "--set", "seeds=[0, 1]", code=1)
    assert f"2 done before, {2 * len(faults)} to run" in both
    assert "1 finished trial: loss brier (brier.py or its imports) has changed since" in both
    assert "Digits / MLP / Brier Loss (loss)" in both
    again = ["brier", *mended]
    assert sorted(Store(str(store)).trials()["loss"]) == sorted(again * 2)
    plan = calibsweep("plan", sweep, "--store", str(store))
    assert "attempt 2" in plan and plan.count("has changed since") == 1
