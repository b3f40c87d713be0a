"""Writes a file of one's own to start from: a loss, a data set or a sweep, which runs as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

from sweeps.bundled import bundled_paths
from trainables.catalogue import DATASETS, LOSSES
from trainables.errors import ConfigurationError
from trainables.shell import quoted
from trainables.texts import why_no_name

Kind = Literal["loss", "dataset", "sweep"]

LOSS = '''"""A loss of my own."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register


@register("$name")
class $type(Loss):
    """-log p_y + epsilon (1 - p_y): replace this by your own formula and its source.

    Here: Leng et al., 'PolyLoss' (ICLR 2022), Poly-1.

    Args:
        epsilon: Weight of the added term.
    """

    def __init__(self, epsilon: float = 1.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if epsilon < -1:
            raise ConfigurationError(f"$name: epsilon must be at least -1, but is {epsilon}.")
        self.epsilon = epsilon

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each sample, [N], from logits [N, K] and labels int64 [N]."""
        log_probability = torch.log_softmax(logits, dim=1).gather(1, labels[:, None]).squeeze(1)
        return -log_probability + self.epsilon * (1 - log_probability.exp())
'''

DATASET = '''"""A data set of my own."""

from __future__ import annotations

from pathlib import Path

import torch

from trainables.datasets.base import Dataset, Split
from trainables.registry import register

CLASSES, SIDE = 3, 8


@register("$name", spec={"input": "image", "channels": 1, "image_size": 8, "classes": 3})
class $type(Dataset):
    """Noisy images with one bright column per class: replace this by your own data.

    Args:
        root: The folder of the data sets (`--data`), for files of your own.
        noise: Standard deviation of the noise.
    """

    def __init__(self, root: Path, noise: float = 1.0):
        # The data are fixed: they must not depend on the seed of a trial.
        generator = torch.Generator().manual_seed(0)

        def part(number: int, first: int) -> Split:
            labels = torch.arange(number) % CLASSES
            images = noise * torch.randn(number, 1, SIDE, SIDE, generator=generator)
            images[torch.arange(number), 0, :, 2 * labels] += 1
            # Each sample has a number of its own.
            return Split(images, labels, first + torch.arange(number))

        train, validation, test = part(300, 0), part(120, 300), part(240, 420)
        super().__init__(train, validation, test, num_classes=CLASSES, input_shape=(1, SIDE, SIDE))
'''

SWEEP = """\
name: $name
description: A sweep of my own.

# Training follows this protocol (`calibsweep list protocols`), with these changes
# (`calibsweep list settings`).
protocol: mukhoti2020
training: {epochs: 20}
seeds: [0, 1]

# Every data set, with every model and every loss. To use your own pictures or texts, see docs/own-data.md:
#   datasets: [{image_folder: {path: pictures, size: 64}}]
blocks:
  - datasets: [digits]
    models: [mlp]
    losses:
      - cross_entropy
      - brier
      - focal_3

run: {cpus_per_trial: 1, gpus_per_trial: 0}
"""

TEMPLATES: dict[Kind, tuple[str, str]] = {
    "loss": (LOSS, ".py"),
    "dataset": (DATASET, ".py"),
    "sweep": (SWEEP, ".yaml"),
}


@dataclass(frozen=True)
class NewFile:
    """Attributes:
    path: The file.
    next: The command to type next.
    """

    path: Path
    next: str


def new(kind: Kind, name: str, folder: Path | str = ".") -> NewFile:
    """Writes `<name>.py` or `<name>.yaml` into a folder.

    Raises:
        ConfigurationError: The name is invalid or taken, or the file exists or cannot be written.
    """
    if why := why_no_name(name):
        raise ConfigurationError(f"a name {why}")
    taken = {"loss": LOSSES.entries, "dataset": DATASETS.entries, "sweep": bundled_paths()}[kind]
    if name in taken:
        noun = "data set" if kind == "dataset" else kind
        raise ConfigurationError(f"there is a {noun} {name!r} already: choose another name.")
    template, ending = TEMPLATES[kind]
    path = Path(folder) / f"{name}{ending}"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(Template(template).substitute(name=name, type=_type_name(name)))
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already: choose another name.") from None
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}.") from error
    return NewFile(path, quoted("calibsweep", *_next(kind, name, str(path))))


def _next(kind: Kind, name: str, path: str) -> list[str]:
    if kind == "loss":
        return ["check-loss", path]
    if kind == "sweep":
        return ["run", path]
    cell = ["--dataset", name, "--model", "small_cnn", "--loss", "cross_entropy"]
    return ["trial", "--plugin", path, *cell, "--set", "training.epochs=5"]


def _type_name(name: str) -> str:
    """'my_loss-2' is MyLoss2."""
    words = re.split(r"[^A-Za-z0-9]+", name)
    found = "".join(word[:1].upper() + word[1:] for word in words)
    return found if found[0].isalpha() else f"Own{found}"
