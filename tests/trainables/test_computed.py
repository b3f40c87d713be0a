"""What identifies code: the files it hangs on, and what it computes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from results.store import code
from trainables import computed, datasets, source
from trainables.catalogue import DATASETS, LOSSES, MODELS, TASKS
from trainables.losses.focal import Focal
from trainables.resolve import resolve
from trainables.training.optimizers import optimizer
from trainables.trial import Trial


@pytest.fixture
def tree(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package, which `source` reads in its place."""
    shutil.copytree(repository / "trainables", tmp_path / "trainables")
    monkeypatch.setattr(source, "ROOT", tmp_path)
    yield tmp_path / "trainables"
    forget()


def forget() -> None:
    source.digest.cache_clear()
    source._imports.cache_clear()


def digests() -> dict[str, str]:
    forget()
    modules = [LOSSES[name].module for name in ("focal", "flsd_53", "brier")]
    training = source.digest(source.TRAINING, TASKS["classification"].module)
    return {**{module: source.digest(module) for module in modules}, source.TRAINING: training}


@pytest.mark.parametrize(
    ("changed", "made_otherwise"),
    [
        ("losses/focal.py", {"trainables.losses.focal", "trainables.losses.flsd"}),
        ("losses/brier.py", {"trainables.losses.brier"}),
        ("training/optimizers.py", {source.TRAINING}),
        ("metrics/ece.py", {source.TRAINING}),
        ("datasets/word_vectors.py", set()),
    ],
)
def test_code_hangs_on_the_files_that_it_imports(changed: str, made_otherwise: set[str], tree: Path) -> None:
    before = digests()
    assert digests() == before
    with (tree / changed).open("a", encoding="utf-8") as file:
        file.write("# Changed since.\n")
    after = digests()
    assert {module for module in before if before[module] != after[module]} == made_otherwise


def test_a_component_is_no_part_of_the_training_code() -> None:
    forget()
    kinds = (LOSSES, DATASETS, MODELS)
    components = {entry.module for registry in kinds for entry in registry.entries.values()}
    assert components.isdisjoint(source.modules(source.TRAINING))


def trial(loss: str = "focal_1", model: str = "small_cnn", **training: object) -> Trial:
    return resolve("digits", model, loss, seed=1, training=training)


def anew(asked: Trial) -> dict[str, str]:
    for cached in (computed._of_loss, computed._of_model_of_images, computed._of_training):
        cached.cache_clear()
    dataset = datasets.load("digits", **dict(asked.dataset.params))
    return {kind: code.as_text(values) for kind, values in computed.numbers(asked, dataset).items()}


def test_the_numbers_are_those_of_the_code_and_hang_on_nothing_else() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = anew(trial())
    assert torch.equal(torch.get_rng_state(), state)
    assert set(first) == set(code.KINDS)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        torch.manual_seed(4)
        assert anew(trial()) == first
    finally:
        torch.set_num_threads(threads)


def test_different_trials_have_different_numbers() -> None:
    by_loss = [
        anew(trial(loss))["loss"] for loss in ("cross_entropy", "focal_1", "mmce", "adafocal", "brier")
    ]
    settings = [anew(trial(**one))["training"] for one in ({}, {"momentum": 0.8}, {"weight_decay": 0.1})]
    models = [anew(trial(model=model))["model"] for model in ("small_cnn", "mlp")]
    for numbers in (by_loss, settings, models):
        assert not any(code.agree(a, b) for i, a in enumerate(numbers) for b in numbers[:i])


def test_a_change_that_alters_numbers_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    before = anew(trial())
    per_sample = Focal.per_sample
    monkeypatch.setattr(Focal, "per_sample", lambda *arguments: 1.001 * per_sample(*arguments))
    after = anew(trial())
    assert [kind for kind in before if not code.agree(before[kind], after[kind])] == ["loss"]
    monkeypatch.undo()

    def other(settings: object, model: object) -> torch.optim.Optimizer:
        made = optimizer(settings, model)  # type: ignore[arg-type]
        made.param_groups[0]["nesterov"] = not made.param_groups[0]["nesterov"]
        return made

    monkeypatch.setattr("trainables.training.trainer.optimizer", other)
    after = anew(trial())
    assert [kind for kind in before if not code.agree(before[kind], after[kind])] == ["training"]


def test_a_failed_record_has_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a plug-in's mistake")

    monkeypatch.setattr(Focal, "per_sample", fail)
    assert set(anew(trial())) == {"dataset", "model", "training"}
    monkeypatch.undo()
    anew(trial())


def test_numbers_agree_but_for_rounding() -> None:
    one = code.as_text([1.0, -2e-9, float("nan")])
    assert json.loads(one)[0] == 1.0
    assert code.agree(one, code.as_text([1.00003, 3e-9, float("nan")]))
    assert not code.agree(one, code.as_text([1.0003, 3e-9, float("nan")]))
    assert not code.agree(one, code.as_text([1.0, 0.0]))
