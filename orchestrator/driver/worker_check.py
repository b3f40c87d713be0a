"""Whether workers can run this code at all, and why not."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.driver import own_code
from orchestrator.driver.errors import StartError
from orchestrator.driver.stop_request import StopRequest

LONGEST_START = 300.0
"""Seconds in which a node must have started a process that has imported this code."""

POLL_SECONDS = 0.5

OF_RAY = ("raised in its creation task", "RuntimeEnvSetupError")
"""By which Ray's text of an error tells that an actor never came to be, for a reason that stays."""


def trouble(expected: str) -> str:
    """What keeps the process that this is called in from running the code of that digest; '' if nothing does.

    It goes to a worker by value, since the worker may have no such module: so it holds all that it needs.
    """
    import importlib.util
    import os

    try:
        import orchestrator.driver.ray_trainable  # noqa: F401
        from orchestrator.driver import own_code

        if own_code.digest() == expected:
            return ""
        return f"{own_code.SOURCE} holds other code than this command's"
    except (Exception, SystemExit) as error:
        folders = {}
        for floor in ("orchestrator", "results", "sweeps", "trainables"):
            spec = importlib.util.find_spec(floor)
            folders[floor] = next(iter((spec and spec.submodule_search_locations) or ()), "nowhere")
        home, *others = (os.path.split(folder) for folder in folders.values())
        strangers = [f"; {name} is {parent}/{name}" for parent, name in others if parent != home[0]]
        return f"{type(error).__name__}: {error}{''.join(strangers)}"


def check_workers(nodes: list[dict[str, Any]], request: StopRequest) -> None:
    """Asks each node of a cluster whether its workers have what they need, before a trial goes there.

    Args:
        nodes: As `ray.nodes()` tells them.
        request: Once it has come, no answer is waited for any longer.

    Raises:
        StartError: The first node that answers otherwise, or not at all.
    """
    # By value: see `trouble`.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]
    ask = ray.remote(num_cpus=0, max_retries=0)(trouble)
    asked = {}
    for node in nodes:
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            answer = ask.options(scheduling_strategy=there).remote(own_code.digest())
            asked[answer] = node["NodeManagerAddress"]
    end = time.monotonic() + LONGEST_START
    while asked and request.asked is None:
        for answer in ray.wait(list(asked), timeout=POLL_SECONDS)[0]:
            address = asked.pop(answer)
            if told := _answer(answer):
                raise StartError(f"no worker can start on the node {address}: {told}.")
        if time.monotonic() > end:
            late = ", ".join(asked.values())
            raise StartError(
                f"no worker has started on the node {late} in {LONGEST_START:.0f} s: see its raylet.err."
            )


def _answer(answer: Any) -> str:
    try:
        told: str = ray.get(answer)
    except ray.exceptions.RuntimeEnvSetupError as error:
        return last_error(str(error))
    except ray.exceptions.RayError:
        # A node that died meanwhile, or a process of it, says nothing of those to come.
        return ""
    return told


def failed_start(error: str) -> str | None:
    """The worker's own error, where Ray's text of an error tells of a worker that could not start.

    Returns:
        None where a process died otherwise: another one may live.
    """
    if not any(phrase in error for phrase in OF_RAY):
        return None
    found = last_error(error)
    # What Ray could not bring to the worker, as from a node that died, it may bring to the next.
    passes = found.startswith("ray.exceptions.") and "RuntimeEnvSetupError" not in error
    return None if passes else found


def last_error(text: str) -> str:
    """The line of the last error in a text with tracebacks."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Exit|Warning)\b", line)]
    return (errors or lines)[-1].rstrip(".")
