"""What one trial is: frozen data, and a key that digests all that changes its numbers and nothing else."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trainables.errors import ConfigurationError
from trainables.registry import Registry, closest
from trainables.values import coerced

Params = Mapping[str, Any]
Asked = str | tuple[str, Params]
"""A component as a person asks for it: a name, or a name with parameters."""

MOST = 10_000_000
"""Epochs, or samples of a batch: what is more is a slip of the hand."""

KEY_LENGTH = 20
"""Hexadecimal digits of a trial's key: 80 bits, no collision among any number of trials one could run."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained: one cell of a protocol, after everything is resolved.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Samples of one step. The last, smaller batch is kept unless `drop_last`.
        drop_last: Whether the last batch of an epoch is left out where it is smaller than the others.
        optimizer: What takes the steps.
        learning_rate: Of the optimizer, at the start.
        momentum: Of SGD; Adam and AdaGrad have none.
        weight_decay: L2 penalty on the weights, as torch's optimisers add it to the gradient.
        milestones: The learning rate is multiplied by `milestone_factor` after each of these epochs.
        milestone_factor: What the learning rate is multiplied by.
        gradient_clip_norm: Total L2 norm to which the gradient is clipped at each step; None for no clipping.
        loss_reduction: Whether a loss is summed or averaged over the labels of a batch, or, where samples
            have several labels each, summed over them and averaged over the samples. With clipping this
            matters: a summed loss is nearly always clipped, an averaged one rarely (docs/protocol.md, 4).
        reported_epoch: The epoch whose logits are the trial's result.
        precision: Arithmetic of the forward pass; weights are always float32. float32 is that of IEEE on a
            GPU too: TensorFloat-32, which torch allows in convolutions, is turned off.
        embedding_learning_rate: Where embeddings are trained apart from the rest, by plain SGD without weight
            decay, the rate of that; None where `optimizer` trains them like the rest.
        compile: Whether training runs through torch.compile: the same mathematics with fewer, larger kernels,
            whose rounding is another.
    """

    epochs: int = 350
    batch_size: int = 128
    drop_last: bool = False
    optimizer: Literal["sgd", "adam", "adagrad"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    milestones: tuple[int, ...] = (150, 250)
    milestone_factor: float = 0.1
    gradient_clip_norm: float | None = 2.0
    loss_reduction: Literal["sum", "mean", "mean_over_samples"] = "sum"
    reported_epoch: Literal["last", "best_validation_accuracy"] = "last"
    precision: Literal["float32", "bfloat16"] = "float32"
    embedding_learning_rate: float | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        # Settings are in the trial's key: 1 and 1.0, or a list and a tuple, must not make two of one trial.
        for name in _annotations():
            object.__setattr__(self, name, self.checked(name, getattr(self, name)))
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"training.{name} must be at least 1, not {getattr(self, name)}.")
        for name in ("learning_rate", "milestone_factor", "gradient_clip_norm", "embedding_learning_rate"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ConfigurationError(f"training.{name} must be positive, not {getattr(self, name)}.")
        for name in ("momentum", "weight_decay"):
            if getattr(self, name) < 0:
                raise ConfigurationError(
                    f"training.{name} must not be negative, but is {getattr(self, name)}."
                )
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ConfigurationError(f"training.milestones must be increasing, not {list(self.milestones)}.")
        if self.milestones and not 0 < self.milestones[0] <= self.milestones[-1] <= self.epochs:
            raise ConfigurationError(
                f"training.milestones {list(self.milestones)} do not lie within {self.epochs} epochs: "
                "give milestones that do, or leave them out and they scale with the epochs."
            )

    def identity(self) -> dict[str, Any]:
        """The settings as a trial's key digests them.

        What was added after trials had been stored is left out where it has its default, so that their keys
        stay as they are.
        """
        settings = {name: getattr(self, name) for name in _annotations()}
        for name in ("embedding_learning_rate", "compile"):
            if settings[name] == TrainingSettings.__dataclass_fields__[name].default:
                del settings[name]
        return settings

    def override(self, changes: Mapping[str, Any]) -> TrainingSettings:
        """These settings with some changed by name. Milestones scale with `epochs` unless given themselves.

        Raises ConfigurationError for an unknown name or a value of the wrong type.
        """
        if not changes:
            return self
        checked = {name: TrainingSettings.checked(name, value) for name, value in changes.items()}
        if "epochs" in checked and "milestones" not in checked and checked["epochs"] >= 1:
            scaled = (round(milestone * checked["epochs"] / self.epochs) for milestone in self.milestones)
            # In very short runs milestones fall together or to zero: each epoch can have one drop at most.
            checked["milestones"] = tuple(sorted({milestone for milestone in scaled if milestone >= 1}))
        return dataclasses.replace(self, **checked)

    @staticmethod
    def checked(name: str, value: Any) -> Any:
        """`value` as the setting `name` holds it.

        Raises ConfigurationError for an unknown name or a value of the wrong type.
        """
        annotations = _annotations()
        if name not in annotations:
            raise ConfigurationError(f"training has no setting {name!r}.{closest(name, annotations)}")
        setting = coerced(value, annotations[name], f"training.{name}")
        if name in ("epochs", "batch_size") and setting > MOST:
            raise ConfigurationError(f"training.{name} must be at most {MOST}, not {setting}.")
        return setting


@functools.cache
def _annotations() -> dict[str, str]:
    return {setting.name: str(setting.type) for setting in dataclasses.fields(TrainingSettings)}


@dataclass(frozen=True)
class Component:
    """A data set, model or loss with every parameter resolved. `label` is how tables call it."""

    name: str
    params: tuple[tuple[str, Any], ...]
    version: int
    label: str = field(compare=False)

    @classmethod
    def resolve(cls, registry: Registry[Any], asked: Asked) -> Component:
        name, given = (asked, {}) if isinstance(asked, str) else asked
        entry = registry[name]
        params = registry.resolve(name, given)
        label = registry.label(entry.component, params)
        return cls(entry.component, tuple(sorted(params.items())), entry.version, label)

    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "params": dict(self.params), "version": self.version}


NATURAL = Component("natural", (), 1, "natural")
"""The sampler of a trial that asks for no other."""


@dataclass(frozen=True)
class Trial:
    """One training of one model on one data set with one loss and one seed.

    Two trials with equal `key` have equal numbers on the same kind of machine. The protocol is in the key
    through what it resolves to: two protocols that agree on a cell share its trials.

    Attributes:
        score_on: Data sets that the trained network is to be scored on besides, each once, sorted. They
            change none of the trial's numbers, so they are no part of what it is.
        sampler: Chooses the samples of each epoch, and their order.
    """

    dataset: Component
    model: Component
    loss: Component
    training: TrainingSettings
    seed: int
    protocol: str = field(compare=False)
    score_on: tuple[Component, ...] = field(default=(), compare=False)
    sampler: Component = NATURAL

    def identity(self) -> dict[str, Any]:
        """Everything that changes this trial's numbers, as plain data."""
        return {
            "dataset": self.dataset.identity(),
            "model": self.model.identity(),
            "loss": self.loss.identity(),
            "training": self.training.identity(),
            "seed": self.seed,
            **self._unusual(),
        }

    def _unusual(self) -> dict[str, Any]:
        """What was added after trials had been stored, where it is not the default: their keys stay."""
        return {} if self.sampler == NATURAL else {"sampler": self.sampler.identity()}

    @functools.cached_property
    def key(self) -> str:
        return digest(self.identity())[:KEY_LENGTH]

    @functools.cached_property
    def variant(self) -> str:
        """Digest of how it is trained: trials of one cell and seed that differ only here are variants."""
        training = self.training.identity()
        versions = [self.dataset.version, self.model.version, self.loss.version]
        return digest({"training": training, "versions": versions, **self._unusual()})[:KEY_LENGTH]

    def __str__(self) -> str:
        sampler = "" if self.sampler == NATURAL else f" / {self.sampler.label}"
        return f"{self.dataset.label} / {self.model.label} / {self.loss.label}{sampler} / seed {self.seed}"


def canonical_json(value: Any) -> str:
    """One text for equal values: sorted keys, no spaces, shortest round-trip floats, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 (hexadecimal) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
