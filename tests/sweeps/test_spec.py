"""Every mistake in a sweep file is refused in one line that names the file, the place and the way out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps.expand import load
from sweeps.spec import bundled, read, read_overrides
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

REFUSED = {
    "unknown key": (("seeds: 1", "seed: 1"), "a.yaml: unknown key 'seed'. Did you mean 'seeds'?"),
    "mistakes everywhere": (
        ("seeds: 1", "seds: 1\ntraining: {epoch: 3, batch_sise: 4}\nrun: {checkpoint_every: often}"),
        "a.yaml: training: training has no setting 'epoch'. Did you mean 'epochs'?\n"
        "a.yaml: training: training has no setting 'batch_sise'. Did you mean 'batch_size'?\n"
        "a.yaml: run.checkpoint_every: must be a whole number, not 'often'.\n"
        "a.yaml: unknown key 'seds'. Did you mean 'seeds'?",
    ),
    "key of a block beside the blocks": (
        ("blocks:", "losses: [plain]\nblocks:"),
        "a.yaml: 'losses' stands in a block, as blocks: [{datasets: .., models: .., losses: ..}].",
    ),
    "unknown key in a block": (
        ("datasets:", "dataset:"),
        "a.yaml: blocks[0]: unknown key 'dataset'. Did you mean 'datasets'?",
    ),
    "unknown key in run": (
        ("blocks:", "run: {gpu_per_trial: 1}\nblocks:"),
        "a.yaml: run: unknown key 'gpu_per_trial'. Did you mean 'gpus_per_trial'?",
    ),
    "unknown key in an exclusion": (
        ("[plain]", "[plain]\n    exclude: [{model: dense, los: plain, reason: why}]"),
        "a.yaml: blocks[0].exclude[0]: unknown key 'los'. Did you mean 'loss'?",
    ),
    "missing name": (("name: a\n", ""), "a.yaml: needs 'name'."),
    "name that cannot be a folder": (
        ("name: a", "name: a/b"),
        "a.yaml: name: may have only letters, digits, '_', '-' and '.', not 'a/b'.",
    ),
    "unknown data set": (
        ("[pictures]", "[picturs]"),
        "a.yaml: blocks[0].datasets[0]: unknown data set 'picturs'. Did you mean 'pictures'?",
    ),
    "unknown model": (
        ("[dense]", "[conv, resnet]"),
        "a.yaml: blocks[0].models[1]: unknown model 'resnet'. Did you mean 'dense'?",
    ),
    "unknown loss far from all": (
        ("[plain]", "[plain, qqq]"),
        "a.yaml: blocks[0].losses[1]: unknown loss 'qqq'. There is: focal, focal_1, focal_2, kernel, plain.",
    ),
    "unknown protocol": (
        ("seeds: 1", "protocol: mukhoti2002"),
        "a.yaml: protocol: unknown protocol 'mukhoti2002'. Did you mean 'mukhoti2020'?",
    ),
    "protocol that is no name": (
        ("[plain]", "[plain]\n    protocol: 2020"),
        "a.yaml: blocks[0].protocol: must be the name of a protocol, not 2020.",
    ),
    "unknown parameter": (
        ("[plain]", "[{focal: {gama: [1, 2]}}]"),
        "a.yaml: blocks[0].losses[0]: loss 'focal' has no parameter 'gama'. Did you mean 'gamma'?",
    ),
    "parameter fixed by the name": (
        ("[plain]", "[{focal_1: {gamma: 2}}]"),
        "a.yaml: blocks[0].losses[0]: loss 'focal_1' fixes gamma = 1.0; for another value use 'focal'.",
    ),
    "parameter of the wrong type": (
        ("[plain]", "[{focal: {gamma: high}}]"),
        "a.yaml: blocks[0].losses[0]: loss 'focal': gamma must be a number, not 'high'.",
    ),
    "list of the wrong type": (
        ("[dense]", "[{dense: {widths: [wide]}}]"),
        "a.yaml: blocks[0].models[0]: model 'dense': widths[0] must be a whole number, not 'wide'.",
    ),
    "number that is not finite": (
        ("[plain]", "[{focal: {gamma: .nan}}]"),
        "a.yaml: blocks[0].losses[0]: loss 'focal': gamma must be finite, not nan.",
    ),
    "missing parameter": (
        ("[plain]", "[focal]"),
        "a.yaml: blocks[0]: loss 'focal' needs a value for 'gamma'.",
    ),
    "parameters at the wrong indentation": (
        ("[plain]", "\n    - focal:\n      gamma: 1"),
        "a.yaml: blocks[0].losses[0]: must be a name, or one name with its parameters in braces, "
        "not {'focal': None, 'gamma': 1}.",
    ),
    "parameters that are no mapping": (
        ("[plain]", "[focal: 2]"),
        "a.yaml: blocks[0].losses[0]: must be a mapping of names to values, not 2.",
    ),
    "name instead of a list": (
        ("[plain]", "plain"),
        "a.yaml: blocks[0].losses: must be a list, not 'plain'.",
    ),
    "empty list": (("[plain]", "[]"), "a.yaml: blocks[0].losses: must not be empty."),
    "empty matrix": (
        ("[plain]", "[{focal: {gamma: []}}]"),
        "a.yaml: blocks[0].losses[0]: focal.gamma is an empty list, which asks for nothing.",
    ),
    "block that is no mapping": (
        ("blocks:\n", "blocks:\n  - pictures\n"),
        "a.yaml: blocks[0]: must be a mapping of names to values, not 'pictures'.",
    ),
    "seeds": (
        ("seeds: 1", "seeds: [0, -1]"),
        "a.yaml: seeds: must be a list of whole numbers from 0 on, or how many to take from 0 on, "
        "not [0, -1].",
    ),
    "no seeds": (
        ("seeds: 1", "seeds: 0"),
        "a.yaml: seeds: must be a list of whole numbers from 0 on, or how many to take from 0 on, not 0.",
    ),
    "unknown setting": (
        ("seeds: 1", "training: {epoch: 3}"),
        "a.yaml: training: training has no setting 'epoch'. Did you mean 'epochs'?",
    ),
    "setting of the wrong type": (
        ("[plain]", "[plain]\n    training: {epochs: many}"),
        "a.yaml: blocks[0].training: training.epochs must be a whole number, not 'many'.",
    ),
    "setting that is not one of the choices": (
        ("seeds: 1", "training: {precision: float16}"),
        "a.yaml: training: training.precision must be 'float32' or 'bfloat16', not 'float16'.",
    ),
    "setting out of range": (
        ("seeds: 1", "training: {epochs: 0}"),
        "a.yaml: blocks[0], pictures / dense / plain: training.epochs must be at least 1, not 0.",
    ),
    "run value of the wrong type": (
        ("seeds: 1", "run: {checkpoint_every: often}"),
        "a.yaml: run.checkpoint_every: must be a whole number, not 'often'.",
    ),
    "run value out of range": (
        ("seeds: 1", "run: {cpus_per_trial: 0, gpus_per_trial: -1}"),
        "a.yaml: run.cpus_per_trial: must be more than 0, not 0.\n"
        "a.yaml: run.gpus_per_trial: must be at least 0, not -1.",
    ),
    "GPUs that are neither a part nor whole": (
        ("seeds: 1", "run: {gpus_per_trial: 1.5}"),
        "a.yaml: run.gpus_per_trial: must be 0, a fraction below 1 or a whole number, not 1.5: a trial has a "
        "part of one GPU, or some GPUs for itself.",
    ),
    "negative GPUs of a block": (
        ("[plain]", "[plain]\n    gpus: -0.5"),
        "a.yaml: blocks[0].gpus: must be at least 0, not -0.5.",
    ),
    "GPUs of a block that are no number": (
        ("[plain]", "[plain]\n    gpus: many"),
        "a.yaml: blocks[0].gpus: must be a number, not 'many'.",
    ),
    "more GPUs than samples in a batch": (
        ("[plain]", "[plain]\n    gpus: 4\n    training: {batch_size: 3}"),
        "a.yaml: blocks[0]: 4 GPUs cannot share batches of 3.",
    ),
    "impossible input": (
        ("[dense]\n    losses: [plain]", "[dense, reader]\n    losses: [plain, focal_1]"),
        "a.yaml: blocks[0], pictures / reader / plain: model 'reader' takes text input, but data set "
        "'pictures' has image input.",
    ),
    "impossible size": (
        ("[pictures]\n    models: [dense]", "[photographs]\n    models: [conv]"),
        "a.yaml: blocks[0], photographs / conv / plain: model 'conv' takes images of 8 or 16 pixels a side, "
        "but those of data set 'photographs' have 32.",
    ),
    "exclusion without a reason": (
        ("[plain]", "[plain]\n    exclude: [{model: dense}]"),
        "a.yaml: blocks[0].exclude[0]: needs 'reason'.",
    ),
    "exclusion of everything": (
        ("[plain]", "[plain]\n    exclude: [{reason: why}]"),
        "a.yaml: blocks[0].exclude[0]: must name a dataset, a model, a loss or a sampler, or it would "
        "leave out everything.",
    ),
    "exclusion of nothing": (
        ("[plain]", "[plain]\n    exclude: [{model: conv, reason: why}]"),
        "a.yaml: blocks[0].exclude[0]: fits none of the block's trials, so it is a mistake or not needed.",
    ),
    "misspelt exclusion": (
        ("[plain]", "[plain]\n    exclude: [{model: conf, reason: why}]"),
        "a.yaml: blocks[0].exclude[0].model: unknown model 'conf'. Did you mean 'conv'?",
    ),
    "nothing left": (
        ("[plain]", "[plain]\n    exclude: [{model: dense, reason: why}]"),
        "a.yaml: its exclusions leave no trial to run.",
    ),
    "broken YAML": (
        ("[dense]", "[dense"),
        "a.yaml, line 6, column 11: expected ',' or ']', but got ':' (while parsing a flow sequence).",
    ),
    "tab": (
        ("    models", "\tmodels"),
        "a.yaml, line 5, column 1: found character '\\t' that cannot start any token "
        "(while scanning for the next token).",
    ),
    "control character": (
        ("name: a", "name: \x07"),
        "a.yaml: is not text: special characters are not allowed (position 6).",
    ),
    "python object": (
        ("name: a", "name: !!python/object:os.system a"),
        "a.yaml, line 1, column 7: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object:os.system'.",
    ),
    "duplicate key": (
        ("seeds: 1\n", "seeds: 1\nseeds: 2\n"),
        "a.yaml, line 3: 'seeds' was given before, in line 2.",
    ),
    "duplicate key further in": (
        ("[plain]", "[plain]\n    training: {epochs: 1, epochs: 2}"),
        "a.yaml, line 7: 'epochs' was given before, in line 7.",
    ),
    "empty file": ((RIGHT, ""), "a.yaml: must be a mapping of names to values, not None."),
}


@pytest.mark.parametrize(("change", "expected"), REFUSED.values(), ids=REFUSED)
def test_refuses_in_a_line_for_each_mistake(
    change: tuple[str, str], expected: str, sweep_file: Write
) -> None:
    assert RIGHT.count(change[0]) == 1
    path = sweep_file(RIGHT.replace(*change))
    with pytest.raises(ConfigurationError) as refused:
        load(path)
    assert str(refused.value) == expected


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
        ("quikstart", "no sweep is called 'quikstart'. Did you mean 'quickstart'?"),
        ("mine/quickstart.yaml", "there is no file 'mine/quickstart.yaml'. Did you mean 'quickstart'?"),
        ("folder.yaml", "folder.yaml: cannot be read: Is a directory."),
        ("latin.yaml", "latin.yaml: is not UTF-8 text (byte 7)."),
    ],
)
def test_files_that_cannot_be_read(asked: str, expected: str, sweep_file: Write) -> None:
    Path("folder.yaml").mkdir()
    Path("latin.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(ConfigurationError) as refused:
        load(asked)
    assert str(refused.value) == expected


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        (
            "training.epoch=3",
            "--set training.epoch=3: there is no 'training.epoch' to set. Did you mean 'training.epochs'?",
        ),
        ("seed=3", "--set seed=3: there is no 'seed' to set. Did you mean 'seeds'?"),
        ("training.epochs", "--set training.epochs: write path=value, for example training.epochs=3."),
        ("training.epochs=x", "--set training: training.epochs must be a whole number, not 'x'."),
        (
            "seeds=x",
            "--set seeds: must be a list of whole numbers from 0 on, or how many to take from 0 on, not 'x'.",
        ),
        ("protocol=bar", "--set protocol: unknown protocol 'bar'. Did you mean 'bare'?"),
        ("run.checkpoint_every=0", "--set run.checkpoint_every: must be at least 1, not 0."),
        (
            "blocks[0].seeds=1",
            "--set blocks[0].seeds=1: blocks cannot be changed from here: edit a copy of the sweep file.",
        ),
        (
            "losses=[brier]",
            "--set losses=[brier]: losses cannot be changed from here: edit a copy of the sweep file.",
        ),
        (
            "seeds=[0",
            "--set seeds=[0, line 1, column 3: expected ',' or ']', but got '<stream end>' "
            "(while parsing a flow sequence).",
        ),
    ],
)
def test_refuses_overrides_in_one_line(assignment: str, expected: str, catalogue: None) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_overrides([assignment])
    assert str(refused.value) == expected


@pytest.mark.parametrize("name", bundled())
def test_bundled_sweeps_can_be_run(name: str) -> None:
    path, description = bundled()[name]
    sweep = load(name)
    assert sweep.name == name == path.stem
    assert description == sweep.description and "\n" not in description and description
    assert len({trial.key for trial in sweep.trials}) == len(sweep.trials) > 0


def test_quickstart_is_what_the_documentation_says() -> None:
    sweep = load("quickstart")
    assert len(sweep.trials) == 130
    assert {len({getattr(t, part).label for t in sweep.trials}) for part in ("dataset", "model", "loss")} == {
        1,
        2,
        13,
    }
    assert {(trial.training.epochs, trial.training.milestones) for trial in sweep.trials} == {(60, (26, 43))}


def test_sweeps_load_without_torch_or_ray() -> None:
    code = (
        "import sys, sweeps.expand as expand; [trial.key for trial in expand.load('quickstart').trials]; "
        "print(sorted({'torch', 'ray', 'pandas', 'pyarrow', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
