"""When a trial whose process dies again and again has itself to blame."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from orchestrator.driver.deaths import Death

DEATHS = 3
"""So often in a row a trial's process may die, without an epoch done between, before it has failed."""

TOGETHER_SECONDS = 10.0
"""Processes of a node that die within so many seconds had the same end."""


@dataclass(frozen=True)
class _Charge:
    death: Death
    moment: float
    beside: frozenset[str]


class Blame:
    """Counts the deaths that a trial may have brought upon itself.

    Not those of a node, which may show to be dead a while after its processes are. Nor those of which a
    process leaves no sign, and which took all that ran on its node with it.

    Args:
        living_nodes: Ids of the nodes that live now.
        clock: Seconds that only grow.
    """

    def __init__(
        self, living_nodes: Callable[[], Collection[str]], clock: Callable[[], float] = time.monotonic
    ):
        self.living_nodes = living_nodes
        self.clock = clock
        self.places: dict[str, str] = {}
        self.running: set[str] = set()
        self.charges: dict[str, list[_Charge]] = defaultdict(list)
        self.died_at: dict[str, list[float]] = defaultdict(list)

    def runs(self, key: str, node: str) -> None:
        """A trial that is heard of, and the node that it runs on."""
        self.places[key] = node
        self.running.add(key)

    def ended(self, key: str) -> None:
        """A trial that runs no more, and whose process did not die."""
        self.running.discard(key)
        self.charges.pop(key, None)

    def died(self, key: str, death: Death, in_a_row: int) -> int:
        """A trial whose process died.

        Args:
            in_a_row: How often now, without an epoch done between.

        Returns:
            How many of these deaths it may have brought upon itself.
        """
        now = self.clock()
        self.running.discard(key)
        self.places[key] = death.node
        self.died_at[key].append(now)
        there = {other for other, node in self.places.items() if node == death.node} - {key}
        beside = frozenset(other for other in there if other in self.running or self._died(other, now))
        charges = self.charges[key] = [*self.charges[key], _Charge(death, now, beside)][-in_a_row:]
        living = self.living_nodes() if len(charges) >= DEATHS else ()
        return sum(self._counts(charge, living) for charge in charges)

    def _counts(self, charge: _Charge, living: Collection[str]) -> bool:
        death = charge.death
        if not death.counts or (living and death.node and death.node not in living):
            return False
        together = bool(charge.beside) and all(self._died(other, charge.moment) for other in charge.beside)
        return death.sure or not together

    def _died(self, key: str, moment: float) -> bool:
        return any(abs(died - moment) < TOGETHER_SECONDS for died in self.died_at.get(key, ()))
