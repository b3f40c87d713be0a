"""Mukhoti et al. (NeurIPS 2020) as their released code has it, also where the paper says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainables.protocols.mukhoti2020 import Mukhoti2020
from trainables.registry import register


@register("mukhoti2020-released")
@dataclass(frozen=True)
class Mukhoti2020Released(Mukhoti2020):
    """The released code, with what it does against the paper's text.

    What the attributes mean, and the evidence, is told in `Mukhoti2020`.
    """

    drops_early: int = 1
    cifar100_test_normalisation: Literal["cifar10", "imagenet"] = "imagenet"
    tiny_imagenet_split: Literal["held_out", "released"] = "released"
    tiny_imagenet_augmentation: Literal["live", "frozen"] = "frozen"
    flsd_threshold_on_documents: float = 0.19
    mmce_weight_on_documents: float = 2.0
