"""The two published benchmarks, as their sweep files and protocols have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from sweeps.expand import load
from trainables.errors import ConfigurationError
from trainables.resolve import resolve

CIFAR_MODELS = ("resnet50", "resnet110", "wide_resnet_26_10", "densenet121")
CIFAR = [(data, model) for data in ("cifar10", "cifar100") for model in CIFAR_MODELS]
CELLS = {
    "mukhoti2020": {*CIFAR, ("tiny_imagenet", "resnet50_tiny")},
    "adafocal2022": {
        *CIFAR,
        *(("tiny_imagenet", model) for model in ("resnet50_tiny", "resnet110_tiny")),
        *(("imagenet", f"{model}_imagenet") for model in ("resnet50", "resnet110", "densenet121")),
        ("twenty_newsgroups", "text_cnn"),
        ("twenty_newsgroups_bert", "bert"),
    },
    "sst": {("sst", "tree_lstm")},
    "sst_published": {("sst", "tree_lstm")},
    "twenty_newsgroups": {("twenty_newsgroups", "text_cnn")},
}
LOSSES_PER_CELL = {
    "mukhoti2020": 13,
    "adafocal2022": 6,
    "sst": 13,
    "sst_published": 13,
    "twenty_newsgroups": 13,
}


@pytest.mark.parametrize(
    ("name", "trials"),
    [
        ("mukhoti2020", 585),
        ("adafocal2022", 450),
        ("sst", 65),
        ("sst_published", 65),
        ("twenty_newsgroups", 65),
    ],
)
def test_every_cell_is_there_with_every_loss_and_five_seeds(name: str, trials: int) -> None:
    sweep = load(name)
    assert len(sweep.trials) == len({trial.key for trial in sweep.trials}) == trials
    per_cell = Counter((trial.dataset.name, trial.model.name) for trial in sweep.trials)
    assert per_cell == dict.fromkeys(CELLS[name], LOSSES_PER_CELL[name] * 5)
    seeds = Counter((t.dataset.name, t.model.name, t.loss.name, t.loss.params) for t in sweep.trials)
    assert set(seeds.values()) == {5}
    assert {trial.seed for trial in sweep.trials} == {0, 1, 2, 3, 4}
    assert {trial.training.precision for trial in sweep.trials} == {"float32"}


def test_the_benchmarks_share_the_trials_of_the_cells_that_both_have() -> None:
    keys = {name: {trial.key for trial in load(name).trials} for name in CELLS}
    assert len(keys["mukhoti2020"] & keys["adafocal2022"]) == 9 * 6 * 5
    assert len(keys["twenty_newsgroups"] & keys["adafocal2022"]) == 6 * 5


def test_temperatures_are_chosen_as_each_paper_chose_them() -> None:
    assert {name: load(name).temperature_criterion for name in CELLS} == {
        "mukhoti2020": "ece",
        "adafocal2022": "adaptive_ece",
        "sst": "ece",
        "sst_published": "ece",
        "twenty_newsgroups": "ece",
    }


SGD = {
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "milestone_factor": 0.1,
    "gradient_clip_norm": 2.0,
    "loss_reduction": "sum",
    "drop_last": False,
    "reported_epoch": "last",
    "precision": "float32",
}
DOCUMENTS = SGD | {
    "epochs": 50,
    "batch_size": 128,
    "drop_last": True,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "milestones": (),
    "gradient_clip_norm": None,
    "loss_reduction": "mean",
    "reported_epoch": "best_validation_accuracy",
}
MODEL_PARAMS = {
    "text_cnn": {"channels": 128, "window": 5, "dropout": 0.3},
    "tree_lstm": {"memory": 150, "dropout": 0.5},
}
CIFAR_EPOCHS = {"epochs": 350, "batch_size": 128, "milestones": (150, 250)}
TINY_EPOCHS = {"epochs": 100, "batch_size": 64, "milestones": (40, 60)}
HELD_OUT = {"split": "held_out", "augmentation": "live"}
OFFICIAL = {"split": "released", "augmentation": "frozen"}


@pytest.mark.parametrize(
    ("sweep", "sets", "cell", "dataset_params", "loss_params", "training"),
    [
        ("mukhoti2020", [], ("cifar10", "resnet50", "cross_entropy"), {}, {}, SGD | CIFAR_EPOCHS),
        (
            "mukhoti2020",
            [],
            ("cifar10", "wide_resnet_26_10", "brier"),
            {},
            {},
            SGD | CIFAR_EPOCHS | {"epochs": 550, "loss_reduction": "mean"},
        ),
        (
            "mukhoti2020",
            [],
            ("cifar100", "resnet110", "mmce"),
            {"test_normalisation": "cifar10"},
            {"weight": 2.0},
            SGD | CIFAR_EPOCHS,
        ),
        (
            "mukhoti2020",
            [],
            ("tiny_imagenet", "resnet50_tiny", "flsc"),
            HELD_OUT,
            {"gammas": (5.0, 3.0, 1.0), "steps": (30, 70, 100)},
            SGD | TINY_EPOCHS,
        ),
        (
            "mukhoti2020",
            ["protocol=mukhoti2020-released"],
            ("cifar100", "resnet110", "brier"),
            {"test_normalisation": "imagenet"},
            {},
            SGD | CIFAR_EPOCHS | {"epochs": 430, "milestones": (149, 249), "loss_reduction": "mean"},
        ),
        (
            "mukhoti2020",
            ["protocol=mukhoti2020-released", "training.precision=bfloat16"],
            ("tiny_imagenet", "resnet50_tiny", "brier"),
            OFFICIAL,
            {},
            SGD
            | TINY_EPOCHS
            | {
                "learning_rate": 0.035,
                "milestones": (39, 59),
                "loss_reduction": "mean",
                "precision": "bfloat16",
            },
        ),
        (
            "adafocal2022",
            [],
            ("tiny_imagenet", "resnet110_tiny", "flsd"),
            HELD_OUT,
            {"gammas": (5.0, 3.0, 3.0), "threshold": 0.2},
            SGD | TINY_EPOCHS,
        ),
        (
            "adafocal2022",
            [],
            ("imagenet", "resnet110_imagenet", "label_smoothing"),
            None,
            {"smoothing": 0.05},
            SGD
            | {
                "epochs": 90,
                "batch_size": 256,
                "milestones": (30, 60),
                "weight_decay": 1e-4,
                "gradient_clip_norm": None,
                "loss_reduction": "mean",
            },
        ),
        (
            "sst_published",
            [],
            ("sst", "tree_lstm", "flsc"),
            {"neutral": "third_class", "vectors": "glove.840B.300d", "words": None},
            {"gammas": (5.0, 3.0, 1.0), "steps": (3, 7, 25)},
            DOCUMENTS
            | {
                "epochs": 25,
                "batch_size": 25,
                "optimizer": "adagrad",
                "learning_rate": 0.05,
                "weight_decay": 1e-4,
                "loss_reduction": "mean_over_samples",
                "embedding_learning_rate": 0.1,
            },
        ),
        (
            "twenty_newsgroups",
            ["protocol=mukhoti2020-released"],
            ("twenty_newsgroups", "text_cnn", "mmce"),
            {"vectors": "glove.6B.100d", "words": None},
            {"weight": 2.0},
            DOCUMENTS,
        ),
    ],
)
def test_a_cell_resolves_to_its_settings(
    sweep: str,
    sets: Sequence[str],
    cell: tuple[str, str, str],
    dataset_params: dict[str, Any] | None,
    loss_params: dict[str, Any],
    training: dict[str, Any],
) -> None:
    trials = load(sweep, ["seeds=[0]", *sets]).trials
    found = next(t for t in trials if (t.dataset.name, t.model.name, t.loss.name) == cell).identity()
    if dataset_params is not None:
        assert found["dataset"]["params"] == dataset_params
    assert found["model"]["params"] == MODEL_PARAMS.get(cell[1], {})
    assert found["loss"]["params"] == loss_params
    assert found["training"] == training


@pytest.mark.parametrize(
    ("dataset", "model", "accepted", "offered"),
    [
        ("tiny_imagenet", "resnet50", 32, 64),
        ("cifar10", "resnet50_tiny", 64, 32),
        ("digits", "resnet50", 32, 8),
    ],
)
def test_a_network_is_refused_where_its_images_are_of_another_size(
    dataset: str, model: str, accepted: int, offered: int
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        resolve(dataset, model, "cross_entropy", 0)
    assert str(refused.value) == (
        f"model {model!r} takes images of {accepted} pixels a side, but those of data set {dataset!r} have "
        f"{offered}."
    )
