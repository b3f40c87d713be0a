"""Every use of Ray's private parts, patches included. No other module uses any.

Each function says why the public interface does not suffice. They are valid for Ray `VERSION`: for another
one run tests/orchestrator/test_ray_private.py, then the slow tests of the folder. Nothing of Ray is loaded
before a function is called.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

VERSION = "2.60.0"
"""The tested release of Ray."""

JOB_LOGGERS = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
"""Ray's loggers for uploaded packages, and for the end of a job's output."""

IN_THIS_PROCESS: dict[str, Any] = {"_remote": False}
"""Options of `tune.run`, which through ray:// would else run on the cluster, away from our signals."""

NAMESPACE = b"calibsweep"


# Starting a Ray of our own.


def init_options(temporary: Path, object_store: Path, reconnect_seconds: float) -> dict[str, Any]:
    """Options of `ray.init` for a local Ray: the folders of its files, and how long workers outlive it.

    Args:
        temporary: Its folder for sockets and logs.
        object_store: The folder of its object store.
        reconnect_seconds: How long workers stay once its servers are gone.
    """
    return {
        "_temp_dir": str(temporary),
        "_plasma_directory": str(object_store),
        "_system_config": {
            # Else `ray.init` waits for the first workers, ignoring signals, even if they have died.
            "prestart_worker_first_driver": False,
            "gcs_rpc_server_reconnect_timeout_s": int(reconnect_seconds) + 60,
            "raylet_death_check_interval_milliseconds": int(1000 * reconnect_seconds),
        },
    }


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """Inside this context, `ray.init` starts no dashboard, autoscaler or log monitor, and a smaller agent.

    Together they take as long to start as the rest of Ray. It has no public option to omit them: even with
    `include_dashboard=False` it starts the dashboard's process and waits for it.
    """
    from ray._private import parameter, services, utils

    with contextlib.ExitStack() as stack:
        for target, name, replacement in (
            (services, "start_api_server", lambda *_, **__: (None, None)),
            # Makes each node's agent skip the parts that report to a dashboard.
            (utils, "get_dashboard_dependency_error", lambda: ImportError("the dashboard is off")),
            (
                parameter,
                "RayParams",
                functools.partial(parameter.RayParams, no_monitor=True, include_log_monitor=False),  # type: ignore[arg-type]
            ),
        ):
            stack.enter_context(mock.patch.object(target, name, replacement))
        yield


@contextlib.contextmanager
def servers_started_by(start: Callable[..., Any]) -> Iterator[None]:
    """Inside this context, `ray.init` starts its servers with `start`, called like `subprocess.Popen`.

    Ray has no option for the session or the signals of its servers.
    """
    from ray._private import services

    with mock.patch.object(services, "ConsolePopen", start):
        yield


@contextlib.contextmanager
def signals_and_output_left_alone() -> Iterator[None]:
    """Inside this context, `ray.init` handles no SIGTERM and prints no messages of its servers.

    Its handler exits at an arbitrary point of the process, and the messages go to stdout, one for each
    process that dies.
    """
    from ray._private import utils, worker

    with (
        mock.patch.object(utils, "set_sigterm_handler", lambda handler: None),
        mock.patch.object(worker, "listen_error_messages", lambda worker, stopped: None),
    ):
        yield


def job_config(search_path: Sequence[str]) -> Any:
    """A JobConfig that gives workers this search path, and neither the current folder nor the script's.

    Ray puts both before everything else in a worker's path.
    """
    from ray.job_config import JobConfig

    class OwnPath(JobConfig):
        def __init__(self) -> None:
            super().__init__(_py_driver_sys_path=list(search_path))

        def _runtime_env_has_working_dir(self) -> bool:
            # Ray sends both folders where this says no.
            return True

    return OwnPath()


# Asking a cluster.


def through_client() -> bool:
    """Whether the connection uses ray://, so this machine is not a node of the cluster."""
    import ray.util.client

    connected: bool = ray.util.client.ray.is_connected()  # type: ignore[no-untyped-call]
    return connected


def draining_nodes() -> set[str]:
    """Ids of the draining nodes. Ray has no public call; its own Train library asks in this way."""
    from ray._private import state

    return set(state.state.get_draining_nodes())


def put_word(name: str, word: bytes) -> None:
    """Stores a word in the cluster's head. Ray has no public key-value store."""
    from ray.experimental import internal_kv

    internal_kv._internal_kv_put(name, word, namespace=NAMESPACE)


def has_word(name: str) -> bool:
    from ray.experimental import internal_kv

    return bool(internal_kv._internal_kv_exists(name, namespace=NAMESPACE))


def delete_word(name: str) -> None:
    from ray.experimental import internal_kv

    internal_kv._internal_kv_del(name, namespace=NAMESPACE)


def actor_id(handle: Any) -> str:
    """The hexadecimal id of an actor, from its handle."""
    found: str = handle._actor_id.hex()
    return found


def actor_end(actor: str) -> tuple[str, int, bool] | str:
    """How an actor ended. Call it within the cluster. The public state API needs a dashboard.

    Returns:
        The id of its node, its process id and whether its node died; the actor's state while it is not dead.
    """
    from ray._private import state

    found: dict[str, Any] = state.actors(actor)
    if found["State"] != "DEAD":
        return str(found["State"])
    context = found["DeathCause"].actor_died_error_context
    return found["Address"]["NodeID"], found["Pid"], context.reason == type(context).NODE_DIED


def logs_folder() -> Path:
    """The folder with the output of this node's workers."""
    from ray._private import worker

    node: Any = worker._global_node
    return Path(node.get_logs_dir_path())


def is_own_exit(error: SystemExit) -> bool:
    """Whether this is the exception with which Ray ends a worker process."""
    return hasattr(error, "ray_terminate_msg")


# Tune.


@contextlib.contextmanager
def session_folder(scratch: Path) -> Iterator[None]:
    """Inside this context, Tune keeps the files of its session on this machine.

    Otherwise it asks this machine's node for a folder, but with ray:// this machine is not a node.
    """
    from ray.train._internal import storage

    with mock.patch.object(storage, "_get_ray_train_session_dir", lambda: str(scratch)):
        yield


@contextlib.contextmanager
def actors_ended_unless(reusable: Callable[[dict[str, Any]], bool]) -> Iterator[None]:
    """Inside this context, Tune reuses an actor for the next trial only if the last result allows it.

    Tune has no public option for that: if `reset_config` returns False, the next trial fails.
    """
    from ray.tune.execution.tune_controller import TuneController

    keep = TuneController._maybe_cache_trial_actor

    def keep_if_reusable(controller: TuneController, trial: Any) -> bool:
        return reusable(trial.last_result) and keep(controller, trial)

    with mock.patch.object(TuneController, "_maybe_cache_trial_actor", keep_if_reusable):
        yield


@contextlib.contextmanager
def idle_actors_kept(most: Callable[[], int]) -> Iterator[None]:
    """Inside this context, Tune keeps so many idle actors although no trial waits for them.

    Otherwise it keeps one: each process that ends a trial before the next is chosen would be started again,
    which takes seconds. Tune has no public option for that.
    """
    from ray.tune.execution import tune_controller

    class Keeping(tune_controller._ObjectCache):  # type: ignore[name-defined, misc]
        def cache_object(self, key: Any, obj: Any) -> bool:
            if self._num_cached_objects >= most():
                return bool(super().cache_object(key, obj))
            self._cached_objects[key].append(obj)
            self._num_cached_objects += 1
            return True

        def flush_cached_objects(self, force_all: bool = False) -> Iterator[Any]:
            if force_all or self._num_cached_objects > most():
                yield from super().flush_cached_objects(force_all)

    with mock.patch.object(tune_controller, "_ObjectCache", Keeping):
        yield


@contextlib.contextmanager
def no_cleanup_when(ended: Callable[[], bool]) -> Iterator[None]:
    """Inside this context, Tune ends without waiting for its actors if `ended` then returns True.

    Otherwise it waits up to fifteen seconds for actors that are just starting.
    """
    from ray.tune.execution.tune_controller import TuneController

    cleanup = TuneController._cleanup_trials

    def clean(controller: TuneController) -> None:
        if not ended():
            cleanup(controller)  # type: ignore[no-untyped-call]

    with mock.patch.object(TuneController, "_cleanup_trials", clean):
        yield


@contextlib.contextmanager
def errors_of_trials(as_actor_error: Callable[[Exception, str], Exception]) -> Iterator[dict[str, Exception]]:
    """The error that Tune saw when the process of a trial ended, by Tune's id of the trial.

    Tune does not pass them to its callbacks. Also, it takes only a `RayActorError` for the end of an actor:
    any other error, as when the memory monitor killed the actor, would end the whole sweep.

    Args:
        as_actor_error: Makes a `RayActorError` of another error and the id of the actor ('' if unknown).
    """
    from ray.air.execution._internal.actor_manager import RayActorManager
    from ray.exceptions import RayActorError, RayError, RayTaskError
    from ray.tune.experiment import Trial

    seen: dict[str, Exception] = {}
    handle: Any = Trial.handle_error
    fail: Any = RayActorManager._actor_task_failed
    first_result: Any = Trial._get_default_result_or_future

    def noted(trial: Any, error: Exception | None = None) -> None:
        if error is not None:
            seen[trial.trial_id] = error
        handle(trial, error)

    def understood(manager: Any, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, RayError) and not isinstance(exception, RayActorError | RayTaskError):
            live = manager._live_actors_to_ray_actors_resources.get(tracked_actor_task._tracked_actor)
            exception = as_actor_error(exception, actor_id(live[0]) if live else "")
        fail(manager, tracked_actor_task, exception)

    def result_or_none(trial: Any) -> dict[str, Any] | None:
        try:
            result: dict[str, Any] | None = first_result(trial)
            return result
        except RayError:
            trial._default_result_or_future = None
            return None

    with (
        mock.patch.object(Trial, "handle_error", noted),
        mock.patch.object(Trial, "_get_default_result_or_future", result_or_none),
        mock.patch.object(RayActorManager, "_actor_task_failed", understood),
    ):
        yield seen
