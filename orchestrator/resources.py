"""GPUs and cores for trials: who can be placed at all, and how much of a GPU a trial would have needed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from sweeps.expand import Sweep
from trainables.errors import ConfigurationError
from trainables.trial import Trial

FRACTION_STEP = 0.05
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def refuse_what_never_fits(sweep: Sweep, trials: Iterable[Trial], nodes: Iterable[Mapping[str, Any]]) -> None:
    """Refuses a sweep of which a trial fits on no node.

    For a Ray of our own, to which no node is ever added. A cluster may have an autoscaler, of which nobody
    can tell what it would add.

    Args:
        nodes: As `ray.nodes()` gives them.

    Raises:
        ConfigurationError: Names the first such trial, and what there is.
    """
    there = [node["Resources"] for node in nodes if node["Alive"]]
    for trial in trials:
        asked = {"GPU": sweep.gpus[trial.key], "CPU": sweep.run.cpus_per_trial}
        if not any(all(node.get(kind, 0) >= number for kind, number in asked.items()) for node in there):
            largest = {kind: max((node.get(kind, 0) for node in there), default=0) for kind in asked}
            raise ConfigurationError(
                f"{trial} asks for {asked['GPU']:g} GPUs and {asked['CPU']:g} cores, but this machine has "
                f"{largest['GPU']:g} and {largest['CPU']:g}: give --address of a cluster, or ask for less "
                "(run.gpus_per_trial, run.cpus_per_trial)."
            )


def fraction_that_fits(reserved: float, requested: float, total: float) -> float | None:
    """The share of a GPU, in steps of 0.05, that holds what a trial had and asked for; None if more than one.

    Args:
        reserved, requested, total: Bytes.
    """
    fraction = math.ceil((reserved + requested) / total / FRACTION_STEP - 1e-9) * FRACTION_STEP
    return round(fraction, 2) if fraction <= 1 else None


def bytes_requested(message: str) -> float:
    """The size that torch names in its message of an out-of-memory error; 0 where it names none."""
    found = re.search(r"Tried to allocate ([\d.]+) (KiB|MiB|GiB)", message)
    return float(found[1]) * UNITS[found[2]] if found else 0.0
