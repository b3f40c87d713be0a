"""Decides when repeated deaths of a trial's process are the trial's own fault."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from orchestrator.driver.deaths import Death

DEATHS = 3
"""A trial fails after this many deaths in a row without a completed epoch in between."""

TOGETHER_SECONDS = 10.0
"""Deaths on one node within this many seconds have a common cause."""


@dataclass(frozen=True)
class _Charge:
    death: Death
    moment: float
    beside: frozenset[str]


class Blame:
    """Counts the deaths that may be a trial's own fault.

    Deaths with their node do not count; Ray may notice the death of a node later than that of its processes.
    Deaths without a trace that took everything else on the node with them do not count either.

    Args:
        living_nodes: Returns the ids of the living nodes.
        clock: Monotonic clock, in seconds.
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
        """Notes the node on which a trial runs."""
        self.places[key] = node
        self.running.add(key)

    def ended(self, key: str) -> None:
        """Notes that a trial ended without the death of its process."""
        self.running.discard(key)
        self.charges.pop(key, None)

    def died(self, key: str, death: Death, in_a_row: int) -> int:
        """Notes the death of a trial's process.

        Args:
            key: The trial.
            death: Its cause.
            in_a_row: Number of its deaths since its last completed epoch.

        Returns:
            How many of these may be its own fault.
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
