"""Whatever a person types as a sweep is planned, or refused in one line; nothing takes for ever."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sweeps.expand import load
from sweeps.spec import MOST_BYTES, Block, Run, SweepFile, read, read_overrides, selected
from trainables.catalogue import LOSSES
from trainables.errors import CalibsweepError, ConfigurationError
from trainables.texts import LONGEST_NAME
from trainables.trial import TrainingSettings

RIGHT = """\
name: a
seeds: 1
blocks:
  - datasets: [digits]
    models: [mlp]
    losses: [brier]
"""

BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x]"]
    + [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]"
        for before, name in itertools.pairwise("abcdefghi")
    ]
)

REFUSED = {
    "a seed of 27 digits": (RIGHT.replace("seeds: 1", f"seeds: [{10**26}]"), "2^63"),
    "a seed that torch's generators do not take": (RIGHT.replace("seeds: 1", f"seeds: [{2**63}]"), "2^63"),
    "more seeds than anyone has time for": (RIGHT.replace("seeds: 1", "seeds: 1000000000"), "seeds"),
    "nested 3,000 deep": (RIGHT + "training: " + "[" * 3000 + "]" * 3000, "nests more than"),
    "nested 30 deep": (RIGHT + "training: " + "{a: " * 30 + "}" * 30, "nests more than"),
    "an alias of itself": (RIGHT + "training: &t {a: *t}", "alias"),
    "aliases of aliases": (RIGHT + BOMB, "values"),
    "10^30 epochs": (RIGHT + f"training: {{epochs: {10**30}}}", "epochs"),
    "1e18 samples a batch": (RIGHT + "training: {batch_size: 1e18}", "batch_size"),
    "10^18 samples a batch": (RIGHT + f"training: {{batch_size: {10**18}}}", "batch_size"),
    "a rate that is no double": (RIGHT + "training: {learning_rate: 1e400}", "learning_rate must be finite"),
    "a rate of 400 digits": (RIGHT + f"training: {{learning_rate: {10**400}}}", "digits"),
    "a hexadecimal number without end": (RIGHT + f"training: {{epochs: 0x{'f' * 9000}}}", "digits"),
    "a time limit beyond all clocks": (RIGHT + "run: {hours_per_trial: 1e300}", "at most 100000"),
    "GPUs that are no number": (RIGHT + "run: {gpus_per_trial: .nan}", "finite"),
    "a tag that does not fit": (RIGHT + "training: {epochs: !!int three}", "YAML tag"),
    "a tag for a truth that is none": (RIGHT + "training: {compile: !!bool maybe}", "YAML tag"),
    "half a character": (RIGHT + 'description: "\\ud800"', "surrogate"),
    "a key given twice in an alias": (RIGHT + "training: {epochs: 1, epochs: 2}", "already given"),
    "a name of 300 letters": (RIGHT.replace("name: a", "name: " + "a" * 300), f"{LONGEST_NAME} letters"),
    "values that make a million of a loss": (
        RIGHT.replace("[brier]", f"[{{flsd: {{gammas: {[[1, 2, 3]] * 400}, threshold: {[0.1] * 400}}}}}]"),
        "its lists of values",
    ),
    "more trials than a store has room for": (
        RIGHT.replace("seeds: 1", "seeds: 100000").replace(
            "[mlp]", f"{[{'mlp': {'hidden': list(range(1, 21))}}]}"
        ),
        "trials",
    ),
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "a.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_an_impossible_sweep_is_refused_when_read(
    write: Callable[[str | bytes], Path], text: str, message: str
) -> None:
    start = time.process_time()
    with pytest.raises(ConfigurationError) as refusal:
        load(write(text))
    assert message in str(refusal.value) and "\n" not in str(refusal.value)
    assert time.process_time() - start < 10


def test_files_that_are_no_sweep_files(write: Callable[[str | bytes], Path], tmp_path: Path) -> None:
    for content, message in (
        (b"\xff\xfe\x00", "UTF-8"),
        (b"#" * (MOST_BYTES + 1), "larger"),
        (b"a: \0", "not text"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            load(write(content))
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    for name in (folder, "x" * 5000, "a\0b", "y" * 300 + ".yaml"):
        with pytest.raises(ConfigurationError):
            load(name)


def test_the_longest_name_is_that_of_a_file(write: Callable[[str | bytes], Path], tmp_path: Path) -> None:
    name = read(write(RIGHT.replace("name: a", "name: " + "a" * LONGEST_NAME))).name
    (tmp_path / f"{name}.latex").touch()


@pytest.mark.parametrize(
    "assignment",
    [
        f"seeds=[{10**26}]",
        "training.epochs=" + "[" * 3000,
        "training.epochs=1e400",
        "run.gpus_per_trial=.nan",
    ],
)
def test_overrides_are_held_to_the_same(assignment: str) -> None:
    with pytest.raises(ConfigurationError, match="--set"):
        read_overrides([assignment])


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["digits", "mlp", "brier", "focal", "flsd", "mukhoti2020", "tensorboard", 1, 3, 0.5])
)
KEYS = st.sampled_from(
    [
        *SweepFile.model_fields,
        *Block.model_fields,
        *Run.model_fields,
        *TrainingSettings.__annotations__,
        *("reason", "gamma", "gammas", "threshold", "hidden", "focal", "flsd", "mlp", "digits", "dataset"),
    ]
) | st.text(max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def mostly(right: Any) -> st.SearchStrategy[Any]:
    return st.just(right) | VALUES


BLOCKS = st.fixed_dictionaries(
    {"datasets": mostly(["digits"]), "models": mostly(["mlp"]), "losses": mostly(["brier"])},
    optional={name: VALUES for name in Block.model_fields if name not in ("datasets", "models", "losses")},
)
SWEEPS = st.fixed_dictionaries(
    {"name": mostly("a"), "seeds": mostly(1), "blocks": st.lists(BLOCKS, max_size=2) | VALUES},
    optional={
        "training": st.dictionaries(KEYS, VALUES, max_size=3) | VALUES,
        "run": VALUES,
        "protocol": VALUES,
    },
)


@given(SWEEPS | VALUES)
@settings(max_examples=300, derandomize=True)
@example({"name": "a", "blocks": [{"datasets": [{"digits": {1: 2}}], "models": [[]], "losses": [{}]}]})
def test_any_values_are_planned_or_refused_in_a_line_for_each_mistake(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    try:
        sweep = load(path)
    except CalibsweepError as error:
        assert all(len(line.splitlines()) == 1 for line in error.lines) or "\\n" in repr(value)
    else:
        assert sweep.trials and all(0 <= trial.seed < 2**63 for trial in sweep.trials)
        assert all(len(trial.key) == 20 for trial in sweep.trials)


@given(st.text(max_size=60))
@settings(max_examples=200, derandomize=True)
def test_any_text_is_a_component_or_refused(text: str) -> None:
    for read_it in (lambda: selected(LOSSES, text, "--loss"), lambda: read_overrides([text])):
        try:
            read_it()
        except CalibsweepError as error:
            assert str(error)


@pytest.mark.slow
def test_the_command_tells_in_one_line_of_bounded_length(write: Callable[[str | bytes], Path]) -> None:
    path = write(RIGHT.replace("[brier]", f"[{'x' * 100_000}]"))
    for command in (
        ["plan", str(path)],
        ["plan", "quickstart", "--gpus", "nan"],
        ["trial", "--dataset", "digits", "--model", "mlp", "--loss", "brier", "--seed", str(10**26)],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        assert len(done.stderr) < 3000 and not done.stdout
