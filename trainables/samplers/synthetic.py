"""Base class of the samplers of imbalanced-learn that make new samples. Not a component itself."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.samplers.base import Sampler
from trainables.samplers.by_class import checked

if TYPE_CHECKING:
    from trainables.datasets.base import Split

EXTRA = "imbalanced"


class Synthetic(Sampler):
    """Every sample of the training part once, and synthetic ones, which are made once for a trial.

    The inputs of samples must be the numbers that the network takes: tables and the digits, not files, texts
    or images of 8 bits. Losses get the class counts without the synthetic samples.

    Args:
        samples: Size of the training part.
        neighbours: Samples of the same class between which new ones lie.

    Attributes:
        name: Of the sampler, for messages.
    """

    name: str

    def __init__(self, samples: int, neighbours: int):
        if neighbours < 1:
            raise ConfigurationError(f"{self.name}: neighbours must be at least 1, but is {neighbours}.")
        self.samples = samples
        self.neighbours = neighbours

    @abstractmethod
    def resampler(self, seed: int) -> Any:
        """The resampler of imbalanced-learn."""

    def training_part(self, part: Split, generator: torch.Generator) -> Split:
        seed = int(torch.randint(2**31, (), generator=generator))
        new, labels = self._made(part, seed)
        ids = part.sample_ids
        made = dataclasses.replace(
            part,
            inputs=torch.cat([part.inputs, new.to(part.inputs)]),
            labels=torch.cat([part.labels, labels.to(part.labels)]),
            sample_ids=torch.cat([ids, ids.max() + 1 + torch.arange(len(labels)).to(ids)]),
        )
        self.samples = len(made)
        return made

    def epoch(self, generator: torch.Generator) -> Tensor:
        return torch.randperm(self.samples, generator=generator)

    def checked_labels(self, labels: Tensor) -> Tensor:
        """The labels, if each class that gets new samples has enough of its own.

        Raises:
            ConfigurationError: One has not, or the labels are not classes.
        """
        classes, counts = torch.unique(checked(labels, self.name), return_counts=True)
        few = (counts < counts.max()) & (counts <= self.neighbours)
        if bool(few.any()):
            rarest = int(classes[few][counts[few].argmin()])
            raise ConfigurationError(
                f"{self.name}: class {rarest} has {int(counts[few].min())} training samples, but neighbours: "
                f"{self.neighbours} needs {self.neighbours + 1}."
            )
        return labels

    def installed_resampler(self, seed: int) -> Any:
        """The resampler.

        Raises:
            ConfigurationError: imbalanced-learn is not installed.
        """
        try:
            return self.resampler(seed)
        except ImportError as error:
            raise ConfigurationError(
                f"{self.name} needs a package that is not installed ({str(error).rstrip('.')}): "
                f"pip install 'calibsweep[{EXTRA}]'."
            ) from error

    def _made(self, part: Split, seed: int) -> tuple[Tensor, Tensor]:
        """Inputs [M, ...] and labels [M] of the new samples."""
        from trainables.datasets.base import Split

        inputs = part.inputs
        plain = type(part).batch is Split.batch and isinstance(inputs, Tensor) and inputs.is_floating_point()
        if not plain:
            raise ConfigurationError(f"{self.name} needs samples that are vectors of numbers, as in a table.")
        labels = self.checked_labels(part.labels).cpu()
        resampler = self.installed_resampler(seed)
        try:
            every, every_label = resampler.fit_resample(inputs.flatten(1).cpu().numpy(), labels.numpy())
        except (ValueError, RuntimeError) as error:
            raise ConfigurationError(
                f"{self.name} makes no samples: {' '.join(str(error).split())}"
            ) from error
        new = torch.from_numpy(every[len(part) :]).reshape(-1, *inputs.shape[1:])
        return new, torch.from_numpy(every_label[len(part) :])
