"""The released code of Mukhoti et al. (NeurIPS 2020), even where it contradicts the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainables.protocols.mukhoti2020 import Mukhoti2020
from trainables.registry import register


@register("mukhoti2020-released")
@dataclass(frozen=True)
class Mukhoti2020Released(Mukhoti2020):
    """The released code, including its contradictions to the paper's text.

    `Mukhoti2020` documents the attributes and the evidence.
    """

    drops_early: int = 1
    cifar100_test_normalisation: Literal["cifar10", "imagenet"] = "imagenet"
    tiny_imagenet_split: Literal["held_out", "released"] = "released"
    tiny_imagenet_augmentation: Literal["live", "frozen"] = "frozen"
    flsd_threshold_on_documents: float = 0.19
    mmce_weight_on_documents: float = 2.0
