"""Finds out why a trial's process ended, from Ray and from the process's stderr on its node."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from dataclasses import dataclass

import ray
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.driver import last_words, ray_private
from orchestrator.driver.last_words import LastWords
from results.store.store import FailureClass

ANSWER_SECONDS = 15.0
"""How long a node has to return a process's stderr. All other trials wait meanwhile."""

FATE_SECONDS = 30.0
"""How long Ray may take to declare an actor dead. It notices the death of a process at once, and that of a
node after five failed health checks, three seconds apart."""

STDERR_BYTES = 200_000
"""Bytes read from the end of a worker's stderr. The stacks of a process with many threads take about ten
thousand."""

USED = re.compile(r"Memory usage \d+B exceeded threshold of \d+B \([0-9.]+% of (\d+)B limit\)")
ENDED = re.compile(r"Actor\((\w+)\).*?pid=(\d+), actual memory used=([0-9.]+)GB")
GREATEST = re.compile(r"^(\d+)\t([0-9.]+)\tray::", re.MULTILINE)
"""Report of Ray's memory monitor: memory of the node, killed processes, and the largest processes."""

GIB = 2**30


@dataclass(frozen=True)
class Death:
    """How a trial's process ended.

    Attributes:
        message: The cause, in one line.
        traceback: The last lines of its stderr, or Ray's message.
        node: Id of its node; '' if unknown.
        counts: Possibly the trial's own fault. False if its node died, or another trial used up the memory.
        sure: Certainly the trial's own fault: a signal of its own, or its own exit.
        failure_class: The trial's failure class after too many such deaths.
        at_once: The first such death fails the trial.
        by_code: The code is at fault, so after a change of the code the trial starts from scratch.
    """

    message: str
    traceback: str = ""
    node: str = ""
    counts: bool = False
    sure: bool = False
    failure_class: FailureClass = "crashed"
    at_once: bool = False
    by_code: bool = False


class DeathError(RuntimeError):
    """One of several workers of a trial died."""

    def __init__(self, death: Death):
        super().__init__(death)
        self.death = death


class _ActorEndedError(RayActorError):
    """The death of an actor, as a class that Tune handles."""

    def __init__(self, cause: Exception, actor: str):
        super().__init__(actor, str(cause))
        self.cause = cause
        self.actor = actor

    def __reduce__(self) -> tuple[type[_ActorEndedError], tuple[Exception, str]]:
        return _ActorEndedError, (self.cause, self.actor)


def errors_of_trials() -> contextlib.AbstractContextManager[dict[str, Exception]]:
    """As `ray_private.errors_of_trials`, in a form that `autopsy` reads."""
    return ray_private.errors_of_trials(_ActorEndedError)


def autopsy(error: BaseException | None, actor: str = "") -> Death:
    """Determines the cause of a death from Ray's error.

    Args:
        error: Ray's error for the call to the process.
        actor: Hexadecimal id of the process's actor, for errors that lack it.
    """
    if isinstance(error, _ActorEndedError):
        return autopsy(error.cause, error.actor)
    if isinstance(error, RayTaskError):
        cause = getattr(error, "cause", None)
        if isinstance(cause, DeathError):
            return cause.death
        message = _line(f"{type(cause or error).__name__}: {cause or error}")
        return Death(message, _end_of(str(error)), counts=True, sure=True)
    if isinstance(error, OutOfMemoryError):
        return out_of_memory(str(error), actor)
    if isinstance(error, ActorDiedError | ActorUnavailableError):
        # ActorUnavailableError: Ray itself has not noticed the death yet.
        with contextlib.suppress(Exception):
            return _of_actor(error.actor_id or actor, str(error))
        # Neither Ray nor the node answers.
        return Death("its process or node is unreachable", _end_of(str(error)))
    return Death("its process or node died", _end_of(str(error or "")))


def out_of_memory(text: str, actor: str) -> Death:
    """Classifies the death of an actor that Ray's memory monitor killed, by the monitor's report.

    The monitor kills the processes that started last, which need not include the one that uses the memory.
    """
    limit = USED.search(text)
    ended = {found[1]: (found[2], float(found[3])) for found in ENDED.finditer(text)}
    processes = {found[1]: float(found[2]) for found in GREATEST.finditer(text)}
    processes |= dict(ended.values())
    # Without the contents of the object store and the links to Ray's documentation.
    report = re.sub(r"Object store memory usage:.*?(?=Ray killed )", "", text, flags=re.DOTALL)
    report = report.partition("Refer to the documentation")[0].rstrip()
    node = re.search(r"\bID: (\w+)", text)
    where = node[1] if node else ""
    own = ended[actor][1] if actor in ended else None
    has = f" of a node with {int(limit[1]) / GIB:.1f} GiB" if limit else ""
    if ended and (own is None or own < max(processes.values())):
        message = f"its process was killed: another process used up the memory{has}"
        return Death(message, report, where)
    took = "" if own is None else f" with {own:.1f} GiB{has}"
    message = f"its process was killed: out of memory, and it used the most{took}"
    return Death(message, report, where, counts=True, sure=True, failure_class="out of memory")


def ended_process(words: LastWords, node: str, ray_message: str) -> Death:
    """Classifies the death of a process on a living node, by its last words."""
    if words.limit:
        kind, _, number = words.limit.partition(" ")
        if kind == "hours":
            message = f"not finished after {number} hours (run.hours_per_trial)"
            return Death(message, words.lines, node, True, True, "timed out", at_once=True)
        message = f"stalled: no batch for {float(number):.3g} minutes (run.stalled_minutes)"
        return Death(message, words.lines, node, counts=True, sure=True)
    if words.terminated or "SIGTERM" in ray_message:
        return Death("its process was terminated (SIGTERM)", words.lines, node, counts=True)
    exit_code = re.search(r"exits with an exit code (\d+)", ray_message)
    if words.exit_code is not None or exit_code:
        code = words.exit_code if words.exit_code is not None else int(exit_code[1])  # type: ignore[index]
        sure = words.exit_code is not None
        message = f"its process exited with code {code}"
        return Death(message, words.lines, node, counts=True, sure=sure, by_code=sure)
    if words.signal:
        about = signal.strsignal(getattr(signal, words.signal, 0)) if hasattr(signal, words.signal) else None
        message = f"its process died of {words.signal}" + (f" ({about})" if about else "")
        return Death(message, words.lines, node, counts=True, sure=True, by_code=True)
    message = "its process was killed (SIGKILL, perhaps out of memory), or exited without a trace"
    return Death(message, words.lines, node, counts=True)


def living_nodes() -> set[str]:
    """Ids of the cluster's living nodes."""
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]


def _of_actor(actor: str, ray_message: str) -> Death:
    through_client = ray_private.through_client()
    if through_client:
        look = ray.remote(num_cpus=0)(_fate).remote(actor)
        node, process, node_died = ray.get(look, timeout=FATE_SECONDS + ANSWER_SECONDS)
    else:
        node, process, node_died = _fate(actor)
    if node_died or node not in living_nodes():
        return Death("its node died", _end_of(ray_message))
    try:
        if not through_client and node == ray.get_runtime_context().get_node_id():
            words = _words_of(process)
        else:
            there = NodeAffinitySchedulingStrategy(node, soft=False)
            ask = ray.remote(num_cpus=0, max_retries=0)(_words_of).options(scheduling_strategy=there)
            words = ray.get(ask.remote(process), timeout=ANSWER_SECONDS)
    except Exception:
        return _of_silent_node(node, ray_message)
    return ended_process(words, node, ray_message)


def _of_silent_node(node: str, ray_message: str) -> Death:
    """Waits for Ray to declare the node dead, which it may do long after its processes."""
    end = time.monotonic() + FATE_SECONDS
    while node in living_nodes():
        if time.monotonic() > end:
            return Death("its process died, and its node does not respond", _end_of(ray_message), node)
        time.sleep(0.5)
    return Death("its node died", _end_of(ray_message))


def _fate(actor: str) -> tuple[str, int, bool]:
    """The node and process of an actor that died, and whether its node did. Asked within the cluster."""
    end = time.monotonic() + FATE_SECONDS
    while isinstance(found := ray_private.actor_end(actor), str):
        if time.monotonic() > end:
            raise TimeoutError(f"Ray reports the actor {actor} as {found}")
        time.sleep(0.1)
    return found


def _words_of(process: int) -> LastWords:
    """What a worker process has left on its stderr. Asked on its node."""
    text = ""
    for path in ray_private.logs_folder().glob(f"worker-*-{process}.err"):
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - STDERR_BYTES))
            text += file.read().decode("utf-8", "backslashreplace")
    return last_words.read(text)


def _end_of(text: str) -> str:
    return "\n".join(text.splitlines()[-last_words.LINES :])


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
