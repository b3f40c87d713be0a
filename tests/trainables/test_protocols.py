"""Each protocol trains each cell as the papers and their released code have it."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest
import torch

from trainables.catalogue import DATASETS, PROTOCOLS
from trainables.protocols.base import Protocol
from trainables.protocols.mukhoti2020 import Mukhoti2020
from trainables.protocols.mukhoti2020_released import Mukhoti2020Released
from trainables.registry.specs import DatasetSpec
from trainables.resolve import resolve
from trainables.trial import Selection, TrainingSettings

CIFAR = {
    "epochs": 350,
    "batch_size": 128,
    "drop_last": False,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "milestones": (150, 250),
    "milestone_factor": 0.1,
    "gradient_clip_norm": 2.0,
    "loss_reduction": "sum",
    "reported_epoch": "last",
    "precision": "float32",
    "embedding_learning_rate": None,
    "compile": False,
}
LONG_TAIL = {
    **CIFAR,
    "epochs": 200,
    "weight_decay": 2e-4,
    "milestones": (160, 180),
    "milestone_factor": 0.01,
    "gradient_clip_norm": None,
    "loss_reduction": "mean",
    "warmup_epochs": 5,
}
TINY = {**CIFAR, "epochs": 100, "batch_size": 64, "milestones": (40, 60)}
IMAGENET = {
    **CIFAR,
    "epochs": 90,
    "batch_size": 256,
    "weight_decay": 1e-4,
    "milestones": (30, 60),
    "gradient_clip_norm": None,
    "loss_reduction": "mean",
}
BRIER = {"loss_reduction": "mean"}
DOCUMENTS = {
    "epochs": 50,
    "batch_size": 128,
    "drop_last": True,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "milestones": (),
    "milestone_factor": 0.1,
    "gradient_clip_norm": None,
    "loss_reduction": "mean",
    "reported_epoch": "best_validation_accuracy",
    "precision": "float32",
    "embedding_learning_rate": None,
    "compile": False,
}
FINE_TUNING = {
    **DOCUMENTS,
    "epochs": 4,
    "batch_size": 32,
    "drop_last": False,
    "learning_rate": 2e-5,
    "gradient_clip_norm": 1.0,
}
TREES = {
    **DOCUMENTS,
    "epochs": 25,
    "batch_size": 25,
    "optimizer": "adagrad",
    "learning_rate": 0.05,
    "weight_decay": 1e-4,
    "loss_reduction": "mean_over_samples",
    "embedding_learning_rate": 0.1,
}


@pytest.fixture
def protocol(request: pytest.FixtureRequest) -> Protocol:
    built: Protocol = PROTOCOLS.build(request.param)
    return built


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a pretended data set of documents."""
    entry = dataclasses.replace(
        DATASETS["digits"], name="letters", component="letters", spec=DatasetSpec(input="text")
    )
    monkeypatch.setattr(DATASETS, "_entries", {**DATASETS.entries, "letters": entry})
    return "letters"


@pytest.mark.parametrize(
    ("protocol", "dataset", "model", "loss", "expected"),
    [
        ("mukhoti2020", "cifar10", "resnet50", "cross_entropy", CIFAR),
        ("mukhoti2020", "cifar100", "densenet121", "flsd_53", CIFAR),
        ("mukhoti2020", "digits", "mlp", "mmce", CIFAR),
        ("mukhoti2020", "tiny_imagenet", "resnet50_tiny", "flsc_531", TINY),
        ("mukhoti2020", "cifar10", "resnet50", "brier", CIFAR | BRIER),
        ("mukhoti2020", "cifar10", "wide_resnet_26_10", "brier", CIFAR | BRIER | {"epochs": 550}),
        ("mukhoti2020", "cifar100", "wide_resnet_26_10", "brier", CIFAR | BRIER),
        ("mukhoti2020", "cifar100", "resnet110", "brier", CIFAR | BRIER | {"epochs": 430}),
        ("mukhoti2020", "cifar10", "resnet110", "brier", CIFAR | BRIER),
        ("mukhoti2020", "tiny_imagenet", "resnet50_tiny", "brier", TINY | BRIER | {"learning_rate": 0.035}),
        ("mukhoti2020-released", "cifar10", "resnet50", "adafocal", CIFAR | {"milestones": (149, 249)}),
        (
            "mukhoti2020-released",
            "cifar10",
            "wide_resnet_26_10",
            "brier",
            CIFAR | BRIER | {"epochs": 550, "milestones": (149, 249)},
        ),
        (
            "mukhoti2020-released",
            "tiny_imagenet",
            "resnet50_tiny",
            "brier",
            TINY | BRIER | {"learning_rate": 0.035, "milestones": (39, 59)},
        ),
        ("adafocal2022", "cifar10", "resnet50", "adafocal", CIFAR),
        ("adafocal2022", "tiny_imagenet", "resnet110_tiny", "cross_entropy", TINY),
        ("adafocal2022", "imagenet", "resnet50_imagenet", "adafocal", IMAGENET),
        ("adafocal2022", "imagenet", "densenet121_imagenet", "brier", IMAGENET),
        ("longtail", "cifar10", "resnet32", "cross_entropy", LONG_TAIL),
        ("longtail", "cifar100", "resnet32", "brier", LONG_TAIL),
        ("mukhoti2020", "letters", "text_cnn", "brier", DOCUMENTS),
        ("mukhoti2020-released", "letters", "text_cnn", "flsd_53", DOCUMENTS),
        ("adafocal2022", "letters", "text_cnn", "label_smoothing", DOCUMENTS | {"loss_reduction": "sum"}),
        ("adafocal2022", "twenty_newsgroups_bert", "bert", "label_smoothing", FINE_TUNING),
        ("mukhoti2020", "sst", "tree_lstm", "mmce", TREES),
        ("mukhoti2020-released", "sst", "tree_lstm", "label_smoothing", TREES),
        ("mukhoti2020", "sst", "mlp", "brier", TREES | {"embedding_learning_rate": None}),
    ],
    indirect=["protocol"],
)
def test_settings_of_a_cell(
    protocol: Protocol, dataset: str, model: str, loss: str, expected: dict[str, Any], documents: str
) -> None:
    assert protocol.training(dataset, model, loss) == TrainingSettings(**expected)


@pytest.mark.parametrize(
    ("protocol", "dataset", "expected"),
    [
        ("mukhoti2020", "cifar10", {0.1: 150, 0.01: 100, 0.001: 100}),
        ("mukhoti2020", "tiny_imagenet", {0.1: 40, 0.01: 20, 0.001: 40}),
        # Counted in the released loop, whose scheduler steps at the start of each epoch.
        ("mukhoti2020-released", "cifar10", {0.1: 149, 0.01: 100, 0.001: 101}),
        ("mukhoti2020-released", "tiny_imagenet", {0.1: 39, 0.01: 20, 0.001: 41}),
    ],
    indirect=["protocol"],
)
def test_epochs_at_each_learning_rate(protocol: Protocol, dataset: str, expected: dict[float, int]) -> None:
    settings = protocol.training(dataset, "resnet50", "cross_entropy")
    optimizer = torch.optim.SGD([torch.zeros(1)], settings.learning_rate)
    schedule = torch.optim.lr_scheduler.MultiStepLR(
        optimizer, list(settings.milestones), settings.milestone_factor
    )
    epochs: dict[float, int] = {}
    for _ in range(settings.epochs):
        rate = round(optimizer.param_groups[0]["lr"], 9)
        epochs[rate] = epochs.get(rate, 0) + 1
        optimizer.step()
        schedule.step()
    assert epochs == expected


CIFAR100_BY_TEXT = {"test_normalisation": "cifar10"}
CIFAR100_BY_CODE = {"test_normalisation": "imagenet"}
TINY_BY_TEXT = {"split": "held_out", "augmentation": "live"}
TINY_BY_CODE = {"split": "released", "augmentation": "frozen"}


@pytest.mark.parametrize(
    ("protocol", "dataset", "expected"),
    [
        ("mukhoti2020", "cifar100", CIFAR100_BY_TEXT),
        ("mukhoti2020-released", "cifar100", CIFAR100_BY_CODE),
        ("adafocal2022", "cifar100", CIFAR100_BY_TEXT),
        ("mukhoti2020-released", ("cifar100", CIFAR100_BY_TEXT), CIFAR100_BY_TEXT),
        ("mukhoti2020", "tiny_imagenet", TINY_BY_TEXT),
        ("mukhoti2020-released", "tiny_imagenet", TINY_BY_CODE),
        (
            "mukhoti2020-released",
            ("tiny_imagenet", {"augmentation": "live"}),
            TINY_BY_CODE | {"augmentation": "live"},
        ),
        ("mukhoti2020-released", "cifar10", {}),
        ("mukhoti2020-released", "digits", {}),
        ("mukhoti2020", "sst", {"neutral": "third_class"}),
        ("mukhoti2020", ("sst", {"neutral": "left_out"}), {"neutral": "left_out"}),
    ],
    indirect=["protocol"],
)
def test_data_sets_as_a_protocol_wants_them(
    protocol: Protocol, dataset: Selection, expected: dict[str, Any]
) -> None:
    asked = protocol.completed_dataset(dataset)
    name, given = (asked, {}) if isinstance(asked, str) else asked
    assert given == expected
    assert given.items() <= DATASETS.resolve(name, given).items()


@pytest.mark.parametrize(
    ("protocol", "dataset", "loss", "expected"),
    [
        ("mukhoti2020", "tiny_imagenet", "flsc_532", {"steps": (30, 70, 100)}),
        ("mukhoti2020", "tiny_imagenet", ("flsc_532", {"steps": (1, 2, 3)}), {"steps": (1, 2, 3)}),
        ("mukhoti2020-released", "tiny_imagenet", "flsc_531", {"steps": (30, 70, 100)}),
        ("mukhoti2020", "cifar10", "flsc_532", {}),
        ("mukhoti2020", "tiny_imagenet", "mmce", {}),
        ("mukhoti2020", "letters", "mmce", {"weight": 8.0}),
        ("mukhoti2020-released", "letters", "mmce", {"weight": 2.0}),
        ("mukhoti2020-released", "letters", ("mmce", {"weight": 4.0}), {"weight": 4.0}),
        ("mukhoti2020", "letters", "flsd_53", {"threshold": 0.2}),
        ("mukhoti2020-released", "letters", "flsd_53", {"threshold": 0.19}),
        ("mukhoti2020-released", "cifar10", "flsd_53", {}),
        ("mukhoti2020", "sst", "flsc_531", {"steps": (3, 7, 25)}),
        ("mukhoti2020", "letters", "flsc_531", {}),
    ],
    indirect=["protocol"],
)
def test_losses_as_a_protocol_wants_them(
    protocol: Protocol, dataset: str, loss: Selection, expected: dict[str, Any], documents: str
) -> None:
    asked = protocol.completed_loss(loss, dataset)
    assert ({} if isinstance(asked, str) else asked[1]) == expected


def test_the_released_code_is_the_text_with_six_switches() -> None:
    text, released = dataclasses.asdict(Mukhoti2020()), dataclasses.asdict(Mukhoti2020Released())
    assert {name for name in text if text[name] != released[name]} == {
        "drops_early",
        "cifar100_test_normalisation",
        "tiny_imagenet_split",
        "tiny_imagenet_augmentation",
        "flsd_threshold_on_documents",
        "mmce_weight_on_documents",
    }
    assert text.keys() == released.keys()
    every = {field.name for field in dataclasses.fields(Mukhoti2020)} - {"temperature_criterion"}
    # As `inspect` dedents it: from Python 3.13 on the compiler has done so already.
    documentation = inspect.getdoc(Mukhoti2020) or ""
    assert all(f"\n    {name}: " in documentation for name in every)


def test_protocols_that_agree_on_a_cell_share_its_trials() -> None:
    def key(protocol: str, **training: Any) -> str:
        return resolve("digits", "mlp", "flsd_53", 0, protocol, training).key

    assert key("mukhoti2020") == key("adafocal2022") != key("mukhoti2020-released")
    assert key("mukhoti2020-released", milestones=[150, 250]) == key("mukhoti2020")


def test_temperature_criteria() -> None:
    criteria = {name: PROTOCOLS.build(name).temperature_criterion for name in PROTOCOLS.names()}
    assert criteria == {
        "mukhoti2020": "ece",
        "mukhoti2020-released": "ece",
        "adafocal2022": "adaptive_ece",
        "longtail": "ece",
    }


def test_images_of_no_paper_are_trained_like_cifar() -> None:
    assert Mukhoti2020().training("digits", "mlp", "cross_entropy") == TrainingSettings()


def test_a_loss_that_the_protocol_fixes_keeps_its_column() -> None:
    def label(dataset: str, loss: Selection) -> str:
        model = "resnet50_tiny" if dataset == "tiny_imagenet" else "resnet50"
        return resolve(dataset, model, loss, 0).loss.label

    general = {"gammas": [5, 3, 1]}
    for dataset, steps in (("tiny_imagenet", [30, 70, 100]), ("cifar10", [100, 250, 350])):
        assert (
            label(dataset, "flsc_531") == label(dataset, ("flsc", {**general, "steps": steps})) == "flsc_531"
        )
    # Its usual steps are unusual there: the two must not be called alike.
    elsewhere = label("tiny_imagenet", ("flsc", {**general, "steps": [100, 250, 350]}))
    assert elsewhere == "flsc_531(steps=100-250-350)"
    assert label("cifar10", ("flsc", {**general, "steps": [30, 70, 100]})).startswith("flsc(")
    assert label("cifar10", ("focal", {"gamma": 1})) == "focal_1"
