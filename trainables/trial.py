"""What one trial is: frozen data, and a key that digests all that changes its numbers and nothing else."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trainables.catalogue import DATASETS, LOSSES, MODELS, PROTOCOLS
from trainables.errors import ConfigurationError
from trainables.registry import Entry, Registry, closest
from trainables.values import coerced

Params = Mapping[str, Any]
Asked = str | tuple[str, Params]
"""A component as a person asks for it: a name, or a name with parameters."""

MOST = 10_000_000
"""Epochs, or samples of a batch: what is more is a slip of the hand."""

DEFAULT_PROTOCOL = "mukhoti2020"

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
    def resolve(cls, registry: Registry, asked: Asked) -> Component:
        name, given = (asked, {}) if isinstance(asked, str) else asked
        entry = registry[name]
        params = registry.resolve(name, given)
        label = registry.label(entry.component, params)
        return cls(entry.component, tuple(sorted(params.items())), entry.version, label)

    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "params": dict(self.params), "version": self.version}


@dataclass(frozen=True)
class Trial:
    """One training of one model on one data set with one loss and one seed.

    Two trials with equal `key` have equal numbers on the same kind of machine. The protocol is in the key
    through what it resolves to: two protocols that agree on a cell share its trials.

    Attributes:
        score_on: Data sets that the trained network is to be scored on besides, each once, sorted. They
            change none of the trial's numbers, so they are no part of what it is.
    """

    dataset: Component
    model: Component
    loss: Component
    training: TrainingSettings
    seed: int
    protocol: str = field(compare=False)
    score_on: tuple[Component, ...] = field(default=(), compare=False)

    def identity(self) -> dict[str, Any]:
        """Everything that changes this trial's numbers, as plain data."""
        return {
            "dataset": self.dataset.identity(),
            "model": self.model.identity(),
            "loss": self.loss.identity(),
            "training": self.training.identity(),
            "seed": self.seed,
        }

    @functools.cached_property
    def key(self) -> str:
        return digest(self.identity())[:KEY_LENGTH]

    @functools.cached_property
    def variant(self) -> str:
        """Digest of how it is trained: trials of one cell and seed that differ only here are variants."""
        training = self.training.identity()
        versions = [self.dataset.version, self.model.version, self.loss.version]
        return digest({"training": training, "versions": versions})[:KEY_LENGTH]

    def __str__(self) -> str:
        return f"{self.dataset.label} / {self.model.label} / {self.loss.label} / seed {self.seed}"


def canonical_json(value: Any) -> str:
    """One text for equal values: sorted keys, no spaces, shortest round-trip floats, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 (hexadecimal) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def resolve(
    dataset: Asked,
    model: Asked,
    loss: Asked,
    seed: int,
    protocol: str = DEFAULT_PROTOCOL,
    training: Mapping[str, Any] | None = None,
    score_on: Iterable[Asked] = (),
) -> Trial:
    """The trial that a person asks for, with names checked and every setting filled in.

    Args:
        training: Settings that differ from what the protocol says for this cell.
        score_on: Data sets out of distribution to score the trained network on.

    Raises:
        ConfigurationError: A name, parameter or combination that does not exist, with the nearest right one.
    """
    return of_cell(resolve_cell(protocol, dataset, model, loss), seed, protocol, training, score_on)


def of_cell(
    cell: tuple[Component, Component, Component],
    seed: int,
    protocol: str,
    training: Mapping[str, Any] | None = None,
    score_on: Iterable[Asked] = (),
) -> Trial:
    """What `resolve` does, from the cell that `resolve_cell` gave for this protocol."""
    data, network, criterion = cell
    _refuse_impossible(data, network)
    rules = PROTOCOLS.build(protocol)
    settings = rules.training(data.name, network.name, criterion.label).override(training or {})
    if settings.embedding_learning_rate is not None and not MODELS[network.name].facts.get("tuned_embedding"):
        raise ConfigurationError(
            f"training.embedding_learning_rate is given, but model {network.label!r} tunes no embedding."
        )
    checked_seed(seed)
    others = in_order(Component.resolve(DATASETS, asked) for asked in score_on)
    for other in others:
        _refuse_to_score(other, data)
    return Trial(data, network, criterion, settings, seed, protocol, others)


def checked_seed(seed: int) -> int:
    """Raises ConfigurationError for what the store and torch's generators cannot hold."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ConfigurationError(f"a seed is a whole number from 0 to 2^63 - 1, not {seed!r}.")
    return seed


def in_order(components: Iterable[Component]) -> tuple[Component, ...]:
    """Each once, in an order that does not depend on that in which they were asked for."""
    return tuple(sorted(set(components), key=lambda component: canonical_json(component.identity())))


def _refuse_to_score(other: Component, trained_on: Component) -> None:
    facts, own = DATASETS[other.name].facts, DATASETS[trained_on.name].facts
    if not facts.get("evaluation_only"):
        fitting = ", ".join(name for name in DATASETS.names() if DATASETS[name].facts.get("evaluation_only"))
        raise ConfigurationError(
            f"score_on: data set {other.label!r} is one to train on; there to be scored are {fitting}."
        )
    for fact in ("input", "image_size", "channels"):
        if facts.get(fact) != own.get(fact):
            raise ConfigurationError(
                f"score_on: {other.label!r} has {fact} {facts.get(fact)}, but a network trained on "
                f"{trained_on.label!r} takes {own.get(fact)}."
            )


def resolve_cell(
    protocol: str, dataset: Asked, model: Asked, loss: Asked
) -> tuple[Component, Component, Component]:
    """Data set, model and loss as a protocol fixes them."""
    rules = PROTOCOLS.build(protocol)
    data = Component.resolve(DATASETS, rules.asked_dataset(dataset))
    network = Component.resolve(MODELS, model)
    criterion = Component.resolve(LOSSES, rules.asked_loss(loss, data.name))
    return data, network, dataclasses.replace(criterion, label=_loss_label(criterion, data.name))


def _loss_label(loss: Component, dataset: str) -> str:
    """The name under which the default protocol has this loss on this data set, if there is one.

    FLSc on Tiny-ImageNet has steps of its own, yet belongs in the column of FLSc.
    """
    for name, params in _names_there(LOSSES[loss.name], dataset):
        if params == loss.params:
            return name
        if loss.label == name:
            # What the name means elsewhere must not be taken for what it means here.
            unusual = {k: v for k, v in loss.params if (k, v) not in params}
            return LOSSES.described(name, unusual)
    return loss.label


@functools.cache
def _names_there(loss: Entry, dataset: str) -> tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]:
    """Each name that a loss has by itself, with the parameters that the default protocol gives it there."""
    usual = PROTOCOLS.build(DEFAULT_PROTOCOL)
    found = []
    for name in (name for name in LOSSES.names() if LOSSES[name].component == loss.component):
        try:
            found.append((name, Component.resolve(LOSSES, usual.asked_loss(name, dataset)).params))
        except ConfigurationError:
            continue  # needs a value, so it is no loss by its name alone
    return tuple(found)


def _refuse_impossible(dataset: Component, model: Component) -> None:
    data, network = DATASETS[dataset.name].facts, MODELS[model.name].facts
    if data.get("evaluation_only"):
        raise ConfigurationError(
            f"data set {dataset.label!r} is there to be scored only: it has no training part."
        )
    offered, wanted = data.get("input"), network.get("input")
    if offered and wanted and offered != wanted:
        raise ConfigurationError(
            f"model {model.label!r} takes {wanted} input, but data set {dataset.label!r} has {offered} input."
        )
    size, accepted = data.get("image_size"), network.get("image_sizes")
    if size and accepted and size not in accepted:
        raise ConfigurationError(
            f"model {model.label!r} takes images of {' or '.join(map(str, accepted))} pixels a side, "
            f"but those of data set {dataset.label!r} have {size}."
        )
