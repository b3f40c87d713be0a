"""Checks whether workers can run this code, and finds out why not."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.driver import own_code
from orchestrator.driver.errors import StartError
from orchestrator.driver.provided import provided
from orchestrator.driver.stop_request import StopRequest
from trainables.trial import Trial

LONGEST_START = 300.0
"""Seconds that a node has to start a process and import this code."""

POLL_SECONDS = 0.5

OF_RAY = ("raised in its creation task", "RuntimeEnvSetupError")
"""Marks in Ray's error texts of an actor that failed to start for a lasting reason."""


def trouble(code: str, components: list[tuple[str, str, str, str]]) -> str:
    """Why this process cannot run the driver's trials; '' if it can.

    Self-contained, since it is sent to a worker by value: the worker may lack this module.

    Args:
        code: Digest of the driver's own code.
        components: From `provided`, as plain tuples for the same reason.
    """
    import importlib.util
    import os

    try:
        import orchestrator.driver.ray_trainable  # noqa: F401
        import orchestrator.driver.worker  # noqa: F401
        from orchestrator.driver import own_code

        if own_code.digest() != code:
            return f"{own_code.SOURCE} differs from this command's code"

        from orchestrator.driver.provided import difference

        return difference(components)
    except (Exception, SystemExit) as error:
        folders = {}
        for floor in ("orchestrator", "results", "sweeps", "trainables"):
            spec = importlib.util.find_spec(floor)
            folders[floor] = next(iter((spec and spec.submodule_search_locations) or ()), "nowhere")
        home, *others = (os.path.split(folder) for folder in folders.values())
        strangers = [f"; {name} is {parent}/{name}" for parent, name in others if parent != home[0]]
        return f"{type(error).__name__}: {error}{''.join(strangers)}"


def check_workers(nodes: list[dict[str, Any]], trials: Iterable[Trial], request: StopRequest) -> None:
    """Asks each node of a cluster whether its workers can run these trials, before any starts there.

    Args:
        nodes: From `ray.nodes()`.
        request: Once set, stop waiting for answers.

    Raises:
        StartError: A node cannot, or does not respond.
    """
    # Pickled by value: see `trouble`.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]
    ask = ray.remote(num_cpus=0, max_retries=0)(trouble)
    components = [(each.kind, each.name, each.origin, each.digest) for each in provided(trials)]
    pending = {}
    for node in nodes:
        if node["Alive"]:
            placement = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            answer = ask.options(scheduling_strategy=placement).remote(own_code.digest(), components)
            pending[answer] = node["NodeManagerAddress"]
    end = time.monotonic() + LONGEST_START
    while pending and request.requested_at is None:
        for answer in ray.wait(list(pending), timeout=POLL_SECONDS)[0]:
            address = pending.pop(answer)
            if reason := _answer(answer):
                raise StartError(f"no worker can start on the node {address}: {reason}.")
        if time.monotonic() > end:
            late = ", ".join(pending.values())
            raise StartError(
                f"no worker has started on the node {late} in {LONGEST_START:.0f} s: see its raylet.err."
            )


def _answer(answer: Any) -> str:
    try:
        reason: str = ray.get(answer)
    except ray.exceptions.RuntimeEnvSetupError as error:
        return last_error(str(error))
    except ray.exceptions.RayError:
        # The death of a node or process meanwhile says nothing about later ones.
        return ""
    return reason


def failed_start(error: str) -> str | None:
    """Extracts a worker's own error from Ray's error text if the worker could not start.

    Returns:
        None if a process died in another way, since the next one may live.
    """
    if not any(phrase in error for phrase in OF_RAY):
        return None
    found = last_error(error)
    # A failed transfer to a worker, such as from a dead node, may succeed for the next one.
    passes = found.startswith("ray.exceptions.") and "RuntimeEnvSetupError" not in error
    return None if passes else found


def last_error(text: str) -> str:
    """The line with the last error in a text with tracebacks."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Exit|Warning)\b", line)]
    return (errors or lines)[-1].rstrip(".")
