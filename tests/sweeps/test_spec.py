"""Every mistake in a sweep file is refused in one line that names the file, the place and the way out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps.expand import load
from sweeps.spec import bundled, read, read_overrides
from trainables.catalogue import LOSSES
from trainables.errors import ConfigurationError

Write = Callable[[str], Path]

RIGHT = """\
name: a
seeds: 1
blocks:
  - datasets: [pictures]
    models: [dense]
    losses: [plain]
"""

REFUSED: dict[str, tuple[tuple[str, str], list[tuple[str, ...]]]] = {
    "unknown key": (("seeds: 1", "seed: 1"), [("a.yaml:", "'seed'", "'seeds'")]),
    "mistakes everywhere": (
        ("seeds: 1", "seds: 1\ntraining: {epoch: 3, batch_sise: 4}\nrun: {checkpoint_every: often}"),
        [
            ("a.yaml: training:", "'epoch'", "'epochs'"),
            ("a.yaml: training:", "'batch_sise'", "'batch_size'"),
            ("a.yaml: run.checkpoint_every:", "'often'"),
            ("a.yaml:", "'seds'", "'seeds'"),
        ],
    ),
    "key of a block beside the blocks": (("blocks:", "losses: [plain]\nblocks:"), [("a.yaml:", "'losses'")]),
    "unknown key in a block": (
        ("datasets:", "dataset:"),
        [("a.yaml: blocks[0]:", "'dataset'", "'datasets'")],
    ),
    "former key in a block": (
        ("datasets: [pictures]", "score_on: [pictures]\n    datasets: [pictures]"),
        [("a.yaml: blocks[0]:", "'score_on'", "'evaluations'")],
    ),
    "unknown key in run": (
        ("blocks:", "run: {gpu_per_trial: 1}\nblocks:"),
        [("a.yaml: run:", "'gpu_per_trial'", "'gpus_per_trial'")],
    ),
    "unknown key in an exclusion": (
        ("[plain]", "[plain]\n    exclude: [{model: dense, los: plain, reason: why}]"),
        [("a.yaml: blocks[0].exclude[0]:", "'los'", "'loss'")],
    ),
    "missing name": (("name: a\n", ""), [("a.yaml:", "'name'")]),
    "name that cannot be a folder": (
        ("name: a", "name: a/b"),
        [("a.yaml: name:", "'a/b'")],
    ),
    "unknown data set": (
        ("[pictures]", "[picturs]"),
        [("a.yaml: blocks[0].datasets[0]:", "'picturs'", "'pictures'")],
    ),
    "unknown model": (
        ("[dense]", "[conv, resnet]"),
        [("a.yaml: blocks[0].models[1]:", "'resnet'", "'dense'")],
    ),
    "unknown loss far from all": (
        ("[plain]", "[plain, qqq]"),
        [("a.yaml: blocks[0].losses[1]:", "'qqq'", "kernel")],
    ),
    "unknown protocol": (
        ("seeds: 1", "protocol: mukhoti2002"),
        [("a.yaml: protocol:", "'mukhoti2002'", "'mukhoti2020'")],
    ),
    "protocol that is no name": (
        ("[plain]", "[plain]\n    protocol: 2020"),
        [("a.yaml: blocks[0].protocol:", "2020")],
    ),
    "unknown parameter": (
        ("[plain]", "[{focal: {gama: [1, 2]}}]"),
        [("a.yaml: blocks[0].losses[0]:", "'focal'", "'gama'", "'gamma'")],
    ),
    "parameter fixed by the name": (
        ("[plain]", "[{focal_1: {gamma: 2}}]"),
        [("a.yaml: blocks[0].losses[0]:", "'focal_1'", "gamma = 1.0", "'focal'")],
    ),
    "parameter of the wrong type": (
        ("[plain]", "[{focal: {gamma: high}}]"),
        [("a.yaml: blocks[0].losses[0]:", "'focal'", "gamma", "'high'")],
    ),
    "list of the wrong type": (
        ("[dense]", "[{dense: {widths: [wide]}}]"),
        [("a.yaml: blocks[0].models[0]:", "'dense'", "widths[0]", "'wide'")],
    ),
    "number that is not finite": (
        ("[plain]", "[{focal: {gamma: .nan}}]"),
        [("a.yaml: blocks[0].losses[0]:", "'focal'", "gamma", "nan")],
    ),
    "missing parameter": (("[plain]", "[focal]"), [("a.yaml: blocks[0]:", "'focal'", "'gamma'")]),
    "parameters at the wrong indentation": (
        ("[plain]", "\n    - focal:\n      gamma: 1"),
        [("a.yaml: blocks[0].losses[0]:", "'focal'", "'gamma'", "1")],
    ),
    "parameters that are no mapping": (("[plain]", "[focal: 2]"), [("a.yaml: blocks[0].losses[0]:", "2")]),
    "name instead of a list": (("[plain]", "plain"), [("a.yaml: blocks[0].losses:", "'plain'")]),
    "empty list": (("[plain]", "[]"), [("a.yaml: blocks[0].losses:", "empty")]),
    "empty matrix": (
        ("[plain]", "[{focal: {gamma: []}}]"),
        [("a.yaml: blocks[0].losses[0]:", "focal.gamma", "empty")],
    ),
    "block that is no mapping": (
        ("blocks:\n", "blocks:\n  - pictures\n"),
        [("a.yaml: blocks[0]:", "'pictures'")],
    ),
    "seeds": (("seeds: 1", "seeds: [0, -1]"), [("a.yaml: seeds:", "[0, -1]")]),
    "no seeds": (("seeds: 1", "seeds: 0"), [("a.yaml: seeds:", "not 0")]),
    "unknown setting": (("seeds: 1", "training: {epoch: 3}"), [("a.yaml: training:", "'epoch'", "'epochs'")]),
    "setting of the wrong type": (
        ("[plain]", "[plain]\n    training: {epochs: many}"),
        [("a.yaml: blocks[0].training:", "training.epochs", "'many'")],
    ),
    "setting that is not one of the choices": (
        ("seeds: 1", "training: {precision: float16}"),
        [("a.yaml: training:", "training.precision", "'float32'", "'bfloat16'", "'float16'")],
    ),
    "setting out of range": (
        ("seeds: 1", "training: {epochs: 0}"),
        [("a.yaml: blocks[0], pictures / dense / plain:", "training.epochs", "at least 1", "0")],
    ),
    "run value of the wrong type": (
        ("seeds: 1", "run: {checkpoint_every: often}"),
        [("a.yaml: run.checkpoint_every:", "'often'")],
    ),
    "run value out of range": (
        ("seeds: 1", "run: {cpus_per_trial: 0, gpus_per_trial: -1}"),
        [("a.yaml: run.cpus_per_trial:", "more than 0"), ("a.yaml: run.gpus_per_trial:", "at least 0", "-1")],
    ),
    "GPUs that are neither a part nor whole": (
        ("seeds: 1", "run: {gpus_per_trial: 1.5}"),
        [("a.yaml: run.gpus_per_trial:", "1.5")],
    ),
    "negative GPUs of a block": (
        ("[plain]", "[plain]\n    gpus: -0.5"),
        [("a.yaml: blocks[0].gpus:", "at least 0", "-0.5")],
    ),
    "GPUs of a block that are no number": (
        ("[plain]", "[plain]\n    gpus: many"),
        [("a.yaml: blocks[0].gpus:", "'many'")],
    ),
    "more GPUs than samples in a batch": (
        ("[plain]", "[plain]\n    gpus: 4\n    training: {batch_size: 3}"),
        [("a.yaml: blocks[0]:", "4 GPUs", "batches of 3")],
    ),
    "impossible input": (
        ("[dense]\n    losses: [plain]", "[dense, reader]\n    losses: [plain, focal_1]"),
        [("a.yaml: blocks[0], pictures / reader / plain:", "'reader'", "text", "'pictures'", "image")],
    ),
    "impossible size": (
        ("[pictures]\n    models: [dense]", "[photographs]\n    models: [conv]"),
        [("a.yaml: blocks[0], photographs / conv / plain:", "'conv'", "8", "16", "'photographs'", "32")],
    ),
    "exclusion without a reason": (
        ("[plain]", "[plain]\n    exclude: [{model: dense}]"),
        [("a.yaml: blocks[0].exclude[0]:", "'reason'")],
    ),
    "exclusion of everything": (
        ("[plain]", "[plain]\n    exclude: [{reason: why}]"),
        [("a.yaml: blocks[0].exclude[0]:", "sampler")],
    ),
    "exclusion of nothing": (
        ("[plain]", "[plain]\n    exclude: [{model: conv, reason: why}]"),
        [("a.yaml: blocks[0].exclude[0]:", "trial")],
    ),
    "misspelt exclusion": (
        ("[plain]", "[plain]\n    exclude: [{model: conf, reason: why}]"),
        [("a.yaml: blocks[0].exclude[0].model:", "'conf'", "'conv'")],
    ),
    "nothing left": (
        ("[plain]", "[plain]\n    exclude: [{model: dense, reason: why}]"),
        [("a.yaml:", "exclusions")],
    ),
    "broken YAML": (("[dense]", "[dense"), [("a.yaml, line 6, column 11:", "','", "']'", "':'")]),
    "tab": (("    models", "\tmodels"), [("a.yaml, line 5, column 1:", "'\\t'")]),
    "control character": (("name: a", "name: \x07"), [("a.yaml:", "position 6")]),
    "python object": (
        ("name: a", "name: !!python/object:os.system a"),
        [("a.yaml, line 1, column 7:", "'tag:yaml.org,2002:python/object:os.system'")],
    ),
    "duplicate key": (("seeds: 1\n", "seeds: 1\nseeds: 2\n"), [("a.yaml, line 3:", "'seeds'", "line 2")]),
    "duplicate key further in": (
        ("[plain]", "[plain]\n    training: {epochs: 1, epochs: 2}"),
        [("a.yaml, line 7:", "'epochs'", "line 7")],
    ),
    "empty file": ((RIGHT, ""), [("a.yaml:", "mapping")]),
}


@pytest.mark.parametrize(("change", "expected"), REFUSED.values(), ids=REFUSED)
def test_each_mistake_is_a_line_with_its_place_and_names(
    change: tuple[str, str], expected: list[tuple[str, ...]], sweep_file: Write
) -> None:
    assert RIGHT.count(change[0]) == 1
    path = sweep_file(RIGHT.replace(*change))
    with pytest.raises(ConfigurationError) as refused:
        load(path)
    lines = str(refused.value).splitlines()
    assert len(lines) == len(expected)
    for line, (place, *named) in zip(lines, expected, strict=True):
        assert line.startswith(place), line
        assert all(name in line.removeprefix(place) for name in named), line


def test_a_right_file_is_read(sweep_file: Write) -> None:
    sweep = load(sweep_file(RIGHT))
    assert (sweep.name, sweep.description, len(sweep.trials)) == ("a", "", 1)
    assert sweep.run.model_dump() == {
        "cpus_per_trial": 1.0,
        "gpus_per_trial": 0.0,
        "checkpoint_every": 20,
        "checkpoint_minutes": 15.0,
        "hours_per_trial": None,
        "stalled_minutes": 30.0,
        "watch": (("tensorboard", {}),),
    }


def test_numbers_may_be_written_with_an_exponent(sweep_file: Write) -> None:
    # In YAML 1.1, which PyYAML follows, 1e-3 is text and 2020-01-01 a date.
    file = read(sweep_file(RIGHT + "description: 2020-01-01\ntraining: {learning_rate: 1e-3}\n"))
    assert file.training == {"learning_rate": 0.001}
    assert file.description == "2020-01-01"


def test_anchors_and_merged_keys(sweep_file: Write) -> None:
    text = RIGHT.replace("  - datasets", "  - &first\n    datasets")
    text += "  - {<<: *first, models: [conv], training: {epochs: 3}}\n"
    sweep = load(sweep_file(text))
    assert [str(trial) for trial in sweep.trials] == [
        "pictures / dense / plain / seed 0",
        "pictures / conv / plain / seed 0",
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("quikstart", "'quikstart'.*'quickstart'"),
        ("mine/quickstart.yaml", "'mine/quickstart.yaml'.*'quickstart'"),
        ("folder.yaml", "folder.yaml.*Is a directory"),
        ("latin.yaml", "latin.yaml.*UTF-8.*byte 7"),
    ],
)
def test_files_that_cannot_be_read(asked: str, expected: str, sweep_file: Write) -> None:
    Path("folder.yaml").mkdir()
    Path("latin.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=expected):
        load(asked)


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("training.epoch=3", ("training.epoch=3:", "'training.epoch'", "'training.epochs'")),
        ("seed=3", ("seed=3:", "'seed'", "'seeds'")),
        ("training.epochs", ("training.epochs:", "path=value")),
        ("training.epochs=x", ("training:", "training.epochs", "'x'")),
        ("seeds=x", ("seeds:", "'x'")),
        ("protocol=bar", ("protocol:", "'bar'", "'bare'")),
        ("run.checkpoint_every=0", ("run.checkpoint_every:", "at least 1", "0")),
        ("blocks[0].seeds=1", ("blocks[0].seeds=1:", "blocks", "sweep file")),
        ("losses=[brier]", ("losses=[brier]:", "losses", "sweep file")),
        ("seeds=[0", ("seeds=[0, line 1, column 3:", "']'")),
    ],
)
def test_a_refused_override_is_a_line_with_its_place_and_names(
    assignment: str, expected: tuple[str, ...], catalogue: None
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_overrides([assignment])
    line, (place, *named) = str(refused.value), expected
    assert line.startswith(f"--set {place}") and "\n" not in line
    assert all(name in line.removeprefix(f"--set {place}") for name in named), line


@pytest.mark.parametrize("name", bundled())
def test_bundled_sweeps_can_be_run(name: str) -> None:
    path, description = bundled()[name]
    sweep = load(name)
    assert sweep.name == name == path.stem
    assert description == sweep.description and "\n" not in description and description
    assert len({trial.key for trial in sweep.trials}) == len(sweep.trials) > 0


def test_quickstart_matches_its_documentation() -> None:
    sweep = load("quickstart")
    assert len(sweep.trials) == 130
    assert {len({getattr(t, part).label for t in sweep.trials}) for part in ("dataset", "model", "loss")} == {
        1,
        2,
        13,
    }
    assert {(trial.training.epochs, trial.training.milestones) for trial in sweep.trials} == {(60, (26, 43))}


def test_bundled_sweeps_have_each_loss_that_needs_no_parameter_and_the_trials_of_quickstart() -> None:
    sweep, quickstart = load("losses2026"), load("quickstart")
    rare = {trial.loss.label.partition("(")[0] for trial in load("cifar10_lt").trials}
    own = [LOSSES[name] for name in LOSSES.names() if not LOSSES[name].origin]
    ready = {loss.name for loss in own if loss.usual.keys() == set(loss.parameters)}
    labels = {trial.loss.label for trial in sweep.trials}
    assert labels | rare == ready
    shared = {trial.key for trial in sweep.trials} & {trial.key for trial in quickstart.trials}
    assert len(shared) == 13 * 5 and len(sweep.trials) == len(labels) * 5 == 24 * 5


def test_sweeps_load_without_torch_or_ray() -> None:
    code = (
        "import sys, sweeps.expand as expand; [trial.key for trial in expand.load('quickstart').trials]; "
        "print(sorted({'torch', 'ray', 'pandas', 'pyarrow', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
