"""Resolves names to a trial: checked, with every setting filled in."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

from trainables.catalogue import DATASETS, LOSSES, MODELS, PROTOCOLS, SAMPLERS, TASKS
from trainables.errors import ConfigurationError
from trainables.registry import Entry
from trainables.trial import NATURAL, Component, Selection, TrainingSettings, Trial, canonical_json

DEFAULT_PROTOCOL = "mukhoti2020"


def resolve(
    dataset: Selection,
    model: Selection,
    loss: Selection,
    seed: int,
    protocol: str = DEFAULT_PROTOCOL,
    training: Mapping[str, Any] | None = None,
    evaluations: Iterable[Selection] = (),
    sampler: Selection = NATURAL.name,
) -> Trial:
    """The requested trial, with names checked and every setting filled in.

    Args:
        training: Settings that override the protocol's for this cell.
        evaluations: Further data sets on which the trained network is evaluated, after the test set.
        sampler: Chooses the samples of each epoch, and their order.

    Raises:
        ConfigurationError: A name, parameter or combination does not exist; the message names the nearest
            valid one.
    """
    cell = resolve_cell(protocol, dataset, model, loss)
    return of_cell(cell, seed, protocol, training, evaluations, sampler)


def of_cell(
    cell: tuple[Component, Component, Component],
    seed: int,
    protocol: str,
    training: Mapping[str, Any] | None = None,
    evaluations: Iterable[Selection] = (),
    sampler: Selection = NATURAL.name,
) -> Trial:
    """Like `resolve`, from the cell that `resolve_cell` returned for this protocol."""
    data, network, criterion = cell
    _refuse_impossible(data, network, criterion)
    rules = PROTOCOLS.build(protocol)
    settings = rules.training(data.name, network.name, criterion.label).override(training or {})
    if settings.embedding_learning_rate is not None and not MODELS[network.name].spec.tuned_embedding:
        raise ConfigurationError(
            f"training.embedding_learning_rate is set, but {network.label!r} has no trainable embedding."
        )
    if settings.mixup and not DATASETS[data.name].spec.is_vector:
        raise ConfigurationError(
            f"training.mixup is set, but data set {data.label!r} has {DATASETS[data.name].spec.input} input, "
            "which cannot be mixed: it needs images or tables."
        )
    checked_seed(seed)
    others = in_order(Component.resolve(DATASETS, selection) for selection in evaluations)
    for other in others:
        _refuse_to_evaluate(other, data)
    order = Component.resolve(SAMPLERS, sampler)
    _refuse_beside_features(order, settings)
    return Trial(data, network, criterion, settings, seed, protocol, others, order)


def _refuse_beside_features(sampler: Component, settings: TrainingSettings) -> None:
    """Features are neither mixed as inputs are, nor those of averaged weights."""
    if not SAMPLERS[sampler.name].spec.on_features:
        return
    for name in ("mixup", "ema_decay", "swa_start"):
        if getattr(settings, name) not in (None, 0):
            raise ConfigurationError(
                f"training.{name} is set, but sampler {sampler.label!r} trains the last layer on features."
            )


def checked_seed(seed: int) -> int:
    """Raises ConfigurationError for a seed that the store or torch's generators cannot hold."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ConfigurationError(f"a seed must be a whole number from 0 to 2^63 - 1, not {seed!r}.")
    return seed


def in_order(components: Iterable[Component]) -> tuple[Component, ...]:
    """Removes duplicates and sorts, so that the result does not depend on the given order."""
    return tuple(sorted(set(components), key=lambda component: canonical_json(component.identity())))


def _refuse_to_evaluate(other: Component, trained_on: Component) -> None:
    spec, own = DATASETS[other.name].spec, DATASETS[trained_on.name].spec
    if not TASKS[own.task].spec.other_evaluations:
        raise ConfigurationError(
            f"evaluations: networks of the task {own.task!r} are evaluated only on their own test set."
        )
    if spec.has_training_part:
        fitting = ", ".join(name for name in DATASETS.names() if not DATASETS[name].spec.has_training_part)
        raise ConfigurationError(
            f"evaluations: data set {other.label!r} is for training; evaluations accept {fitting}."
        )
    sizes = _image_size(other), _image_size(trained_on)
    for entry, has, takes in (
        ("input", spec.input, own.input),
        ("image_size", *sizes),
        ("channels", spec.channels, own.channels),
    ):
        if has != takes:
            raise ConfigurationError(
                f"evaluations: {other.label!r} has {entry} {has}, but a network trained on "
                f"{trained_on.label!r} takes {takes}."
            )


def resolve_cell(
    protocol: str, dataset: Selection, model: Selection, loss: Selection
) -> tuple[Component, Component, Component]:
    """Data set, model and loss, with the parameters that a protocol fixes."""
    rules = PROTOCOLS.build(protocol)
    data = Component.resolve(DATASETS, rules.completed_dataset(dataset))
    network = Component.resolve(MODELS, model)
    criterion = Component.resolve(LOSSES, rules.completed_loss(loss, data.name))
    return data, network, dataclasses.replace(criterion, label=_loss_label(criterion, data.name))


def _loss_label(loss: Component, dataset: str) -> str:
    """The name of this loss on this data set in the default protocol, if it has one.

    FLSc on Tiny-ImageNet has its own steps, yet belongs in the column of FLSc.
    """
    for name, params in _names_for(LOSSES[loss.name], dataset):
        if params == loss.params:
            return name
        if loss.label == name:
            # Elsewhere the name means other parameters, so show those that differ.
            unusual = {k: v for k, v in loss.params if (k, v) not in params}
            return LOSSES.described(name, unusual)
    return loss.label


@functools.cache
def _names_for(loss: Entry[Any], dataset: str) -> tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]:
    """Each name of a loss without required parameters, and those that the default protocol sets there."""
    usual = PROTOCOLS.build(DEFAULT_PROTOCOL)
    found = []
    for name in (name for name in LOSSES.names() if LOSSES[name].component == loss.component):
        try:
            found.append((name, Component.resolve(LOSSES, usual.completed_loss(name, dataset)).params))
        except ConfigurationError:
            continue  # needs a value, so it is no loss by its name alone
    return tuple(found)


def _image_size(dataset: Component) -> int | None:
    """Side length in pixels; None if it is not fixed."""
    spec = DATASETS[dataset.name].spec
    size: int | None = dict(dataset.params)[spec.size_from] if spec.size_from else spec.image_size
    return size


def _refuse_impossible(dataset: Component, model: Component, loss: Component) -> None:
    data, network, criterion = DATASETS[dataset.name].spec, MODELS[model.name].spec, LOSSES[loss.name].spec
    if criterion.task != data.task:
        raise ConfigurationError(
            f"loss {loss.label!r} is for the task {criterion.task!r}, but data set {dataset.label!r} is for "
            f"{data.task!r}."
        )
    if not data.has_training_part:
        raise ConfigurationError(
            f"data set {dataset.label!r} has no training part: it is only for `evaluations` in a sweep file."
        )
    offered, taken = data.input, (network.input,) if isinstance(network.input, str) else network.input
    if offered and offered not in taken and "" not in taken:
        raise ConfigurationError(
            f"model {model.label!r} takes {' or '.join(taken)} input, but data set {dataset.label!r} has "
            f"{offered} input."
        )
    size, accepted = _image_size(dataset), network.image_sizes
    if size and accepted and size not in accepted:
        raise ConfigurationError(
            f"model {model.label!r} takes images of {' or '.join(map(str, accepted))} pixels a side, "
            f"but those of data set {dataset.label!r} have {size}."
        )
