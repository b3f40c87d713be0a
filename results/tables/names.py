"""Printed names of data sets, models and losses, and their order in tables.

A label without an entry is printed unchanged, after those with one, in alphabetical order: a new component
needs no edit here. Labels in foreign rows may be any text, which is made visible.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from trainables.texts import visible
from trainables.trial import NATURAL

DATASETS = {
    "digits": "Digits",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "tiny_imagenet": "Tiny-ImageNet",
    "imagenet": "ImageNet",
    "twenty_newsgroups": "20 Newsgroups",
    "twenty_newsgroups_bert": "20 Newsgroups",
    "sst": "SST Binary",
    "svhn": "SVHN",
    "cifar10_c": "CIFAR-10-C",
    "image_folder": "Image folder",
    "text_table": "Text table",
    "text_table_bert": "Text table",
    "table": "Table",
    "breast_cancer": "Breast cancer",
    "wine": "Wine",
}

MODELS = {
    "mlp": "MLP",
    "logistic_regression": "Logistic Regression",
    "small_cnn": "Small CNN",
    "resnet32": "ResNet-32",
    "resnet50": "ResNet-50",
    "resnet50_tiny": "ResNet-50",
    "resnet110": "ResNet-110",
    "wide_resnet_26_10": "Wide-ResNet-26-10",
    "densenet121": "DenseNet-121",
    "text_cnn": "Global Pooling CNN",
    "tree_lstm": "Tree-LSTM",
    "bert": "BERT",
}

LOSSES = {
    "cross_entropy": "Cross-Entropy",
    "brier": "Brier Loss",
    "mmce": "MMCE",
    "label_smoothing": "LS-0.05",
    "focal_1": "FL-1",
    "focal_2": "FL-2",
    "focal_3": "FL-3",
    "flsc_531": "FLSc-531",
    "flsc_532": "FLSc-532",
    "flsd_53": "FLSD-53",
    "flsd_532": "FLSD-532",
    "adafocal": "AdaFocal",
    "inverse_focal": "Inverse Focal",
    "dual_focal": "Dual Focal",
    "focal_gra": "FL-GRA",
    "bsce_gra": "BSCE-GRA",
    "mbls": "MbLS",
    "focal_mdca": "FL+MDCA",
    "confidence_penalty": "Confidence Penalty",
    "acls": "ACLS",
    "cpc": "CPC",
    "sb_ece": "SB-ECE",
    "esd": "ESD",
    "cals_alm": "CALS-ALM",
    "weighted_cross_entropy": "Weighted CE",
    "square_root_weighted_cross_entropy": "Square-Root-Weighted CE",
    "alpha_focal": "Alpha-Balanced FL",
    "class_balanced_cross_entropy": "CB-CE",
    "class_balanced_focal": "CB-FL",
    "class_balanced_sigmoid_focal": "CB-FL (sigmoid)",
    "sigmoid_focal": "FL (sigmoid)",
    "ldam_drw": "LDAM-DRW",
    "balanced_softmax": "Balanced Softmax",
    "logit_adjustment": "Logit Adjustment",
}


LONG_TAILED = re.compile(
    r"(\w+)\((?:([^()]+),)?imbalance=(\w+),factor=([^,()]+)(,validation_form=balanced)?\)"
)


def dataset(label: str) -> str:
    """'CIFAR-10-LT (exponential, 100)' of 'cifar10(imbalance=exponential,factor=100)'.

    Other parameters follow the form.
    """
    if found := LONG_TAILED.fullmatch(label):
        name, others, form, factor, balanced = found.groups()
        known = DATASETS.get(name) or name
        told = [form, factor, balanced and "balanced validation", others and visible(others)]
        return f"{known}-LT ({', '.join(filter(None, told))})"
    return DATASETS.get(label) or visible(label)


def model(label: str) -> str:
    return MODELS.get(label) or visible(label)


AND = " + "
"""Between a loss and a sampler. No name of a component has spaces."""


def method(loss: str, sampler: str) -> str:
    """'cross_entropy + smote' of a loss and a sampler; the loss alone for samples as they come."""
    return loss if sampler == NATURAL.name else f"{loss}{AND}{sampler}"


def loss(label: str) -> str:
    """'Cross-Entropy + smote' of 'cross_entropy + smote'."""
    name, *sampler = label.split(AND)
    return AND.join([LOSSES.get(name) or visible(name), *map(visible, sampler)])


def short(labels: Iterable[str], name: Callable[[str], str]) -> dict[str, str]:
    """Printed names of data sets or models, without parameters where they distinguish nothing.

    'sst(vectors=glove.6B.50d,words=22329)' is 'SST Binary', unless another of the labels is one too. The
    long-tailed form is always told.

    Args:
        name: `dataset` or `model`.
    """
    labels = list(dict.fromkeys(labels))
    plain = {label: name(label.partition("(")[0]) for label in labels}
    known = {*DATASETS.values(), *MODELS.values()}
    times = Counter(plain.values())
    return {
        label: plain[label]
        if plain[label] in known and times[plain[label]] == 1 and "imbalance=" not in label
        else name(label)
        for label in labels
    }


def networks(places: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
    """Titles such as 'SST Binary, Tree-LSTM' of networks: data set, model and settings of each."""
    places = list(dict.fromkeys(places))
    datasets = short((place[0] for place in places), dataset)
    models = short((place[1] for place in places), model)
    return {
        place: ", ".join(filter(None, (datasets[place[0]], models[place[1]], visible(place[2]))))
        for place in places
    }


def notes(labels: Iterable[str], name: Callable[[str], str]) -> list[str]:
    """The labels behind the names of `short`, where they have parameters that these omit."""
    return [
        f"{shown}: {visible(label)}."
        for label, shown in short(labels, name).items()
        if "(" in label and "(" not in shown
    ]


def rank(labels: dict[str, str], label: str) -> tuple[int, str]:
    """Sorts labels in the order of one of the mappings above, then unknown ones alphabetically."""
    return (list(labels).index(label) if label in labels else len(labels), label)
