"""A trial as frozen data, with a key that digests everything that changes its numbers, and nothing else."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trainables import content
from trainables.errors import ConfigurationError, DataError
from trainables.registry import Registry, closest
from trainables.values import coerced

Params = Mapping[str, Any]
Selection = str | tuple[str, Params]
"""A requested component: a name, or a name with parameters."""

MOST = 10_000_000
"""Most epochs, or samples in a batch: more must be a typing error."""

KEY_LENGTH = 20
"""Hexadecimal digits of a trial's key: 80 bits, so no collision in any feasible number of trials."""

EVALUATION_LENGTH = 10
"""Hexadecimal digits that distinguish the evaluations of a trial."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained: one cell of a protocol, fully resolved.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Samples per step. The last, smaller batch is kept unless `drop_last`.
        drop_last: Whether to drop the last batch of an epoch if it is smaller than the others.
        optimizer: The optimizer.
        learning_rate: Initial learning rate of the optimizer.
        momentum: Momentum of SGD; Adam and AdaGrad have none.
        weight_decay: L2 penalty on the weights, which torch's optimisers add to the gradient.
        milestones: Epochs after each of which the learning rate is multiplied by `milestone_factor`.
        milestone_factor: The factor of the learning rate at each milestone.
        gradient_clip_norm: Total L2 norm to which the gradient is clipped at each step; None for no clipping.
        loss_reduction: Whether a loss is summed or averaged over the labels of a batch, or, if samples have
            several labels each, summed over them and averaged over the samples. With clipping this matters: a
            summed loss is nearly always clipped, an averaged one rarely (docs/protocol.md, 4).
        reported_epoch: The epoch whose logits are the trial's result.
        precision: Arithmetic of the forward pass; weights are always float32. float32 is IEEE float32 on a
            GPU too: TensorFloat-32, which torch allows in convolutions, is turned off.
        embedding_learning_rate: Learning rate of embeddings if they are trained separately, by plain SGD
            without weight decay; None if `optimizer` trains them like the rest.
        compile: Whether training uses torch.compile: the same mathematics in fewer, larger kernels, with
            different rounding.
        memory_format: Order in which convolutions read images in float32, with different rounding: for speed
            on CPUs (docs/performance.md). In bfloat16, GPUs always use channels_last.
        schedule: Decay of the learning rate: at the milestones, or along a half cosine from epoch to epoch,
            from `learning_rate` after the warm-up to 0 after the last epoch.
        warmup_epochs: Epochs in which the learning rate rises linearly, step by step, to that of the
            schedule.
        mixup: alpha of the distribution Beta(alpha, alpha) from which the share of a sample and its partner
            in a mixed sample is drawn, once for each batch; 0 for no mixup.
        ema_decay: Factor of the exponential moving average of the weights in each step; the averaged network
            is evaluated and stored. None for no average.
        swa_start: Share of the epochs after which stochastic weight averaging (SWA) starts: the mean of the
            weights after each further epoch is evaluated and stored. None for no average.
        swa_learning_rate: Constant learning rate of the averaged epochs; None for that of the schedule.
        sam: rho of sharpness-aware minimisation (SAM): distance in weight space at which the gradient of each
            step is taken; 0 for the usual gradient.
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
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    schedule: Literal["steps", "cosine"] = "steps"
    warmup_epochs: int = 0
    mixup: float = 0.0
    ema_decay: float | None = None
    swa_start: float | None = None
    swa_learning_rate: float | None = None
    sam: float = 0.0

    def __post_init__(self) -> None:
        # Settings are part of the key: 1 and 1.0, or a list and a tuple, must not give two trials.
        for name in _annotations():
            object.__setattr__(self, name, self.checked(name, getattr(self, name)))
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"training.{name} must be at least 1, not {getattr(self, name)}.")
        for name in POSITIVE:
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ConfigurationError(f"training.{name} must be positive, not {getattr(self, name)}.")
        for name in ("momentum", "weight_decay", "warmup_epochs", "mixup", "sam"):
            if getattr(self, name) < 0:
                raise ConfigurationError(
                    f"training.{name} must not be negative, but is {getattr(self, name)}."
                )
        for name in ("ema_decay", "swa_start"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ConfigurationError(f"training.{name} must be at least 0 and below 1, not {value}.")
        if self.ema_decay is not None and self.swa_start is not None:
            raise ConfigurationError("training.ema_decay and training.swa_start exclude each other.")
        if self.swa_learning_rate is not None and self.swa_start is None:
            raise ConfigurationError("training.swa_learning_rate needs training.swa_start.")
        if self.warmup_epochs >= self.epochs:
            raise ConfigurationError(
                f"training.warmup_epochs must be below training.epochs ({self.epochs}), not "
                f"{self.warmup_epochs}."
            )
        if self.schedule == "cosine":
            # Without effect, so they must not give several trials.
            object.__setattr__(self, "milestones", ())
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ConfigurationError(f"training.milestones must be increasing, not {list(self.milestones)}.")
        if self.milestones and not 0 < self.milestones[0] <= self.milestones[-1] <= self.epochs:
            raise ConfigurationError(
                f"training.milestones must lie from 1 to training.epochs ({self.epochs}), not "
                f"{list(self.milestones)}: correct or omit them, since the defaults scale with the epochs."
            )

    def identity(self) -> dict[str, Any]:
        """The settings as digested by a trial's key.

        `ADDED` settings are omitted at their default, so that stored keys stay valid.
        """
        settings = {name: getattr(self, name) for name in _annotations()}
        return {name: value for name, value in settings.items() if ADDED.get(name, ...) != value}

    @property
    def averages(self) -> bool:
        """Whether an average of the weights is evaluated and stored."""
        return self.ema_decay is not None or self.swa_start is not None

    def override(self, changes: Mapping[str, Any]) -> TrainingSettings:
        """These settings with some changes by name. Milestones scale with `epochs` unless they are given too.

        Raises ConfigurationError for an unknown name or a value of the wrong type.
        """
        if not changes:
            return self
        checked = {name: TrainingSettings.checked(name, value) for name, value in changes.items()}
        if checked.get("milestones") and checked.get("schedule", self.schedule) == "cosine":
            raise ConfigurationError("training.milestones has no effect with training.schedule: cosine.")
        if "epochs" in checked and "milestones" not in checked and checked["epochs"] >= 1:
            scaled = (round(milestone * checked["epochs"] / self.epochs) for milestone in self.milestones)
            # In very short runs milestones may coincide or become zero: each epoch has at most one drop.
            checked["milestones"] = tuple(sorted({milestone for milestone in scaled if milestone >= 1}))
        return dataclasses.replace(self, **checked)

    @staticmethod
    def checked(name: str, value: Any) -> Any:
        """Checks and normalises a value of the setting `name`.

        Raises ConfigurationError for an unknown name or a value of the wrong type.
        """
        annotations = _annotations()
        if name not in annotations:
            raise ConfigurationError(f"training has no setting {name!r}.{closest(name, annotations)}")
        setting = coerced(value, annotations[name], f"training.{name}")
        if name in ("epochs", "batch_size") and setting > MOST:
            raise ConfigurationError(f"training.{name} must be at most {MOST}, not {setting}.")
        return setting


POSITIVE = (
    *("learning_rate", "milestone_factor", "gradient_clip_norm", "embedding_learning_rate"),
    "swa_learning_rate",
)
"""Settings that must be positive if they are given."""

METHODS = ("schedule", "warmup_epochs", "mixup", "ema_decay", "swa_start", "swa_learning_rate", "sam")
"""Settings that are off by default, and named where they are on."""

ADDED: Mapping[str, Any] = {
    name: TrainingSettings.__dataclass_fields__[name].default
    for name in ("embedding_learning_rate", "compile", "memory_format", *METHODS)
}
"""Settings added after trials had been stored, with their defaults."""


@functools.cache
def _annotations() -> dict[str, str]:
    return {setting.name: str(setting.type) for setting in dataclasses.fields(TrainingSettings)}


@dataclass(frozen=True)
class Component:
    """A data set, model or loss with every parameter resolved.

    Attributes:
        params: Its parameters; of files of the user's own, a digest instead of the path.
        label: Its name in tables.
        files: These files; None if it has none, or if only their digest was given.
    """

    name: str
    params: tuple[tuple[str, Any], ...]
    version: int
    label: str = field(compare=False)
    files: content.Files | None = field(default=None, compare=False)

    @classmethod
    def resolve(cls, registry: Registry[Any], selection: Selection) -> Component:
        name, given = (selection, {}) if isinstance(selection, str) else selection
        entry = registry[name]
        identified, files = content.identified(entry, given)
        params = registry.resolve(name, identified)
        label = registry.label(entry.component, params)
        return cls(entry.component, tuple(sorted(params.items())), entry.version, label, files)

    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "params": dict(self.params), "version": self.version}

    def arguments(self) -> dict[str, Any]:
        """The parameters for building it: of files of the user's own, their path.

        Raises:
            DataError: The files are unknown here, or do not have the planned content.
        """
        params = dict(self.params)
        if self.files:
            params[self.files.parameter] = self.files.checked(params[self.files.parameter])
        for name, value in params.items():
            if isinstance(value, str) and value.startswith(content.PREFIX):
                raise DataError(
                    f"{self.label}: only the digest of its files is given: give their path as {name}."
                )
        return params


NATURAL = Component("natural", (), 1, "natural")
"""The default sampler of a trial."""


@dataclass(frozen=True)
class Trial:
    """One training of one model on one data set with one loss and one seed.

    Two trials with equal `key` have equal numbers on the same kind of machine. The key contains the resolved
    settings instead of the protocol: two protocols that agree on a cell share its trials.

    Attributes:
        evaluations: Further data sets on which the trained network is evaluated, after the test set, without
            duplicates, sorted. They do not change its numbers, so they are not part of its identity.
        sampler: Chooses the samples of each epoch, and their order.
    """

    dataset: Component
    model: Component
    loss: Component
    training: TrainingSettings
    seed: int
    protocol: str = field(compare=False)
    evaluations: tuple[Component, ...] = field(default=(), compare=False)
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
        """Entries added after trials had been stored, unless they are the default: stored keys stay valid."""
        return {} if self.sampler == NATURAL else {"sampler": self.sampler.identity()}

    @functools.cached_property
    def key(self) -> str:
        return digest(self.identity())[:KEY_LENGTH]

    def key_on(self, evaluation: Component | None) -> str:
        """Key of the evaluation on a data set; the trial's own key for the test set (None)."""
        if evaluation is None:
            return self.key
        return f"{self.key}-{digest(evaluation.identity())[:EVALUATION_LENGTH]}"

    @functools.cached_property
    def variant(self) -> str:
        """Digest of the training method: trials of one cell and seed that differ only here are variants."""
        training = self.training.identity()
        versions = [self.dataset.version, self.model.version, self.loss.version]
        return digest({"training": training, "versions": versions, **self._unusual()})[:KEY_LENGTH]

    def __str__(self) -> str:
        parts = [self.dataset.label, self.model.label, self.loss.label]
        if self.sampler != NATURAL:
            parts.append(self.sampler.label)
        training = self.training.identity()
        parts += [f"{name}={training[name]}" for name in METHODS if name in training]
        return " / ".join([*parts, f"seed {self.seed}"])


def canonical_json(value: Any) -> str:
    """One text for equal values: sorted keys, no spaces, shortest round-trip floats, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 (hexadecimal) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
