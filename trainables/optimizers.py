"""Several optimisers as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class Together(torch.optim.Optimizer):
    """Optimisers of different parameters that step at once, as one to a schedule and to a checkpoint."""

    def __init__(self, *members: torch.optim.Optimizer):
        # The groups are the members' own, so what a schedule sets in them is what the members use.
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
        # Loading gives a member new groups.
        self.param_groups = [group for member in self.members for group in member.param_groups]
