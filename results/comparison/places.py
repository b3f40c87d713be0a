"""Our names for the printed ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from results.scoring.scores import UNCALIBRATED
from results.tables import names
from trainables.trial import NATURAL, Selection

FACTORS = (10, 50, 100)
"""Factors of the long-tailed forms of CIFAR in print."""

LONG_TAILED = {
    f"{data}-LT ({factor})": (name, {"imbalance": "exponential", "factor": float(factor)})
    for data, name in (("CIFAR-10", "cifar10"), ("CIFAR-100", "cifar100"))
    for factor in FACTORS
}
"""Data set and parameters of long-tailed forms in print."""

PLACES = {
    **{
        (dataset, model): (data, network)
        for dataset, data in (("CIFAR-10", "cifar10"), ("CIFAR-100", "cifar100"))
        for model, network in (
            ("ResNet-50", "resnet50"),
            ("ResNet-110", "resnet110"),
            ("Wide-ResNet-26-10", "wide_resnet_26_10"),
            ("DenseNet-121", "densenet121"),
        )
    },
    ("Tiny-ImageNet", "ResNet-50"): ("tiny_imagenet", "resnet50_tiny"),
    ("Tiny-ImageNet", "ResNet-110"): ("tiny_imagenet", "resnet110_tiny"),
    ("ImageNet", "ResNet-50"): ("imagenet", "resnet50_imagenet"),
    ("ImageNet", "ResNet-110"): ("imagenet", "resnet110_imagenet"),
    ("ImageNet", "DenseNet-121"): ("imagenet", "densenet121_imagenet"),
    ("20 Newsgroups", "Global Pooling CNN"): ("twenty_newsgroups", "text_cnn"),
    ("20 Newsgroups", "BERT"): ("twenty_newsgroups_bert", "bert"),
    ("SST Binary", "Tree-LSTM"): ("sst", "tree_lstm"),
    **{(printed, "ResNet-32"): (name, "resnet32") for printed, (name, _) in LONG_TAILED.items()},
}
"""Data set and network in print, and in `calibsweep`. The papers' translation has no counterpart."""

LOSSES = {**{printed: name for name, printed in names.LOSSES.items()}, "LS": "label_smoothing"}
"""AdaFocal's 'LS' is Mukhoti et al.'s LS-0.05."""


@dataclass(frozen=True)
class Method:
    """How the networks of a printed column are trained, with settings that differ from the protocol's.

    Attributes:
        calibrator: The one that belongs to the method, beside temperature scaling.
    """

    loss: Selection
    sampler: str = NATURAL.name
    calibrator: str = UNCALIBRATED
    training: dict[str, Any] = field(default_factory=dict)


METHODS = {
    **{printed: Method(name) for printed, name in LOSSES.items()},
    "cross-entropy": Method("cross_entropy"),
    "class-weighted cross-entropy": Method("weighted_cross_entropy"),
    "square-root-weighted cross-entropy": Method("square_root_weighted_cross_entropy"),
    "class-balanced cross-entropy": Method("class_balanced_cross_entropy"),
    "class-balanced focal": Method(("class_balanced_sigmoid_focal", {"gamma": 1.0})),
    "label smoothing": Method(("label_smoothing", {"smoothing": 0.1})),
    "LDAM": Method(("ldam_drw", {"reweight_from": 1.0})),
    "DRW with LDAM": Method("ldam_drw"),
    "balanced softmax": Method("balanced_softmax"),
    "logit adjustment as loss": Method("logit_adjustment"),
    "logit adjustment after training": Method("cross_entropy", calibrator="prior_correction"),
    "class-balanced sampling": Method("cross_entropy", "class_balanced"),
    "square-root sampling": Method("cross_entropy", "square_root"),
    "progressively balanced sampling": Method("cross_entropy", "progressively_balanced"),
    "mixup": Method("cross_entropy", training={"mixup": 1.0}),
}
"""The methods in print. Those of long-tailed CIFAR have the parameters of the released configurations; the
focal loss there, a sigmoid per class without alpha, has no counterpart."""

METRICS = {
    "ECE": "ece",
    "AdaECE": "adaptive_ece",
    "ECE_EM": "adaptive_ece",
    "NLL": "nll",
    "MCE": "mce",
    "Error": "error",
    "Top-1": "top_1_accuracy",
    "Top-5": "top_5_accuracy",
    "S99_share": "confident_share",
    "S99_accuracy": "confident_accuracy",
    "Balanced accuracy": "top_1_accuracy",
}
"""ECE_EM is the equal-mass ECE, AdaECE by another name. The balanced accuracy is on balanced test sets."""

PROTOCOLS = ("mukhoti2020", "mukhoti2020-released", "adafocal2022")
"""A loss with the parameters of one of these is the published one: a paper's text and code differ. For papers
with another protocol only that one counts."""

TITLES = {
    "S99_share": "|S99|/|S|",
    "S99_accuracy": "Accuracy in S99",
    "Balanced accuracy": "Balanced accuracy",
}
"""Printed names of metrics, if they are not those of the published data."""

REMARKS = {
    (
        "SST Binary",
        "Tree-LSTM",
    ): "The paper removes the neutral class after the softmax, we "
    "before it: except for the error, scores are not quite the same quantity (docs/protocol.md, section 3).",
}
"""Differences in the definition of a score that no setting shows."""
