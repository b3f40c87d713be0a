"""The optimiser of a trial, which may combine several."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from trainables.trial import TrainingSettings

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)


def uncompiled(kind: type[Kind]) -> type[Kind]:
    """An optimiser that never loads torch's compiler, which takes seconds in each process.

    torch's own methods load it on their first call, only to be excluded from compilation. Nothing here
    compiles an optimiser.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), {**plain, "step": step})


SGD = uncompiled(torch.optim.SGD)
Adam = uncompiled(torch.optim.Adam)
Adagrad = uncompiled(torch.optim.Adagrad)


@uncompiled
class ChainedOptimizer(torch.optim.Optimizer):
    """Optimisers of different parameters that step together. Schedules and checkpoints see one optimiser."""

    def __init__(self, *members: torch.optim.Optimizer):
        # The groups are shared with the members, so a schedule that sets them here sets the members'.
        super().__init__([group for member in members for group in member.param_groups], {})
        self.members = members

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for member in self.members:
            member.step()

    def state_dict(self) -> dict[str, Any]:
        return {"members": [member.state_dict() for member in self.members]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for member, state in zip(self.members, state_dict["members"], strict=True):
            member.load_state_dict(state)
        # Loading replaces the groups of a member.
        self.param_groups = [group for member in self.members for group in member.param_groups]


def optimizer(settings: TrainingSettings, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser that the settings describe."""
    if settings.embedding_learning_rate is None:
        return _optimizer_of(settings, list(model.parameters()))
    embeddings = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    apart = {id(parameter) for embedding in embeddings for parameter in embedding.parameters()}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in apart]
    tuned = [parameter for parameter in model.parameters() if id(parameter) in apart]
    return ChainedOptimizer(_optimizer_of(settings, rest), SGD(tuned, settings.embedding_learning_rate))


def _optimizer_of(settings: TrainingSettings, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    # One kernel for all parameters. On a CPU, None keeps torch's default, and its rounding.
    fused = True if parameters[0].is_cuda else None
    match settings.optimizer:
        case "sgd":
            return SGD(parameters, rate, settings.momentum, weight_decay=decay, fused=fused)
        case "adam":
            return Adam(parameters, rate, weight_decay=decay, fused=fused)
        case "adagrad":
            return Adagrad(parameters, rate, weight_decay=decay)
