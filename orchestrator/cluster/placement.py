"""The resources that a trial reserves, and whether a cluster can ever provide them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.errors import ConfigurationError
from trainables.trial import Trial

GROUP_LABEL = "ray.io/node-group"
"""Ray's label for nodes started by an autoscaler or KubeRay."""

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Needs:
    """The resources that a trial reserves: a number of workers, each on one node.

    Attributes:
        cpus: CPU cores per worker.
        gpus: GPUs per worker: a fraction, 1, or 0 for a trial on the CPU.
    """

    workers: int
    cpus: float
    gpus: float

    @classmethod
    def of(cls, gpus: float, cpus: float) -> Needs:
        return cls(int(gpus), cpus, 1.0) if gpus > 1 else cls(1, cpus, gpus)

    @property
    def total_gpus(self) -> float:
        return self.workers * self.gpus

    @property
    def bundle(self) -> dict[str, float]:
        """One worker's reservation, in Ray's terms."""
        return {"CPU": self.cpus, "GPU": self.gpus}

    def __str__(self) -> str:
        each = " each" if self.workers > 1 else ""
        cpus = f"{self.cpus:g} CPU core{'' if self.cpus == 1 else 's'}{each}"
        if not self.gpus:
            return cpus
        return f"{self.total_gpus:g} GPU{'s' if self.total_gpus > 1 else ''} with {cpus}"

    def fitting(self, node: Mapping[str, float]) -> int:
        """The number of such workers that fit on an empty node."""
        required = {name: value for name, value in self.bundle.items() if value}
        return int(min(node.get(name, 0.0) / value + TOLERANCE for name, value in required.items()))


def at_once(needs: Needs, nodes: Sequence[Mapping[str, float]]) -> int:
    """The number of trials of this size that fit in parallel, and at least 1.

    Args:
        nodes: The resources of each node.
    """
    return max(1, sum(map(needs.fitting, nodes)) // needs.workers)


def check(
    trials: Iterable[Trial], needs_of: Callable[[Trial], Needs], nodes: Sequence[Mapping[str, Any]]
) -> str | None:
    """Refuses trials that would wait forever.

    Assumes that nothing else runs on the cluster. Refuses nothing on a cluster that can grow, since its final
    size is unknown here.

    Args:
        needs_of: Returns the resources that a trial reserves.
        nodes: From `ray.nodes()`.

    Returns:
        A line to show if trials wait for the cluster to grow; None if all fit.

    Raises:
        ConfigurationError: A trial fits nowhere. The message names its cell and the available resources.
    """
    alive = [node for node in nodes if node["Alive"]]
    resources = [node["Resources"] for node in alive]
    # Report the largest first.
    for trial in sorted(trials, key=lambda trial: needs_of(trial).total_gpus, reverse=True):
        needs = needs_of(trial)
        if sum(map(needs.fitting, resources)) >= needs.workers:
            continue
        cell = f"{trial.dataset.label} / {trial.model.label} / {trial.loss.label}"
        if any(GROUP_LABEL in (node.get("Labels") or {}) for node in alive):
            return f"{cell} needs {needs}: it waits until the cluster grows."
        raise ConfigurationError(f"{cell} needs {needs}, but Ray has only {_described(resources)}.")
    return None


def _described(nodes: Sequence[Mapping[str, float]]) -> str:
    def amount(node: Mapping[str, float]) -> str:
        gpus, cpus = node.get("GPU", 0.0), node.get("CPU", 0.0)
        gpu = f"{gpus:g} GPU{'' if gpus == 1 else 's'}" if gpus else "no GPU"
        return f"{gpu} and {cpus:g} CPU core{'' if cpus == 1 else 's'}"

    largest = max(nodes, key=lambda node: (node.get("GPU", 0.0), node.get("CPU", 0.0)), default={})
    if len(nodes) == 1:
        return f"one node, with {amount(largest)}"
    total = {name: sum(node.get(name, 0.0) for node in nodes) for name in ("GPU", "CPU")}
    return f"{amount(total)} on {len(nodes)} nodes, the largest with {amount(largest)}"
