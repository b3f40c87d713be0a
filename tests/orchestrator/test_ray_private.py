"""Ray's private parts: used in one file, as they are in the release that it names."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.tune.execution import tune_controller

from orchestrator.driver import ray_private

from .conftest import REPOSITORY

PARTS = {
    "ray._private.services": {"start_api_server": None, "ConsolePopen": None},
    "ray._private.utils": {
        "get_dashboard_dependency_error": "()",
        "set_sigterm_handler": "(sigterm_handler)",
    },
    "ray._private.parameter": {"RayParams": None},
    "ray._private.worker": {
        "listen_error_messages": "(worker, threads_stopped)",
        "_global_node": None,
        "Worker": None,
    },
    "ray._private.state": {"state.get_draining_nodes": "()", "actors": None},
    "ray.job_config": {
        "JobConfig": None,
        "JobConfig._runtime_env_has_working_dir": "(self)",
    },
    "ray.experimental.internal_kv": {
        "_internal_kv_put": None,
        "_internal_kv_exists": None,
        "_internal_kv_del": None,
    },
    "ray.train._internal.storage": {"_get_ray_train_session_dir": "()"},
    "ray.tune.execution.tune_controller": {
        "TuneController._maybe_cache_trial_actor": "(self, trial)",
        "TuneController._cleanup_trials": "(self)",
        "_ObjectCache.cache_object": "(self, key, obj)",
        "_ObjectCache.flush_cached_objects": "(self, force_all)",
    },
    "ray.tune.experiment": {
        "Trial.handle_error": "(self, exc)",
        "Trial._get_default_result_or_future": "(self)",
    },
    "ray.air.execution._internal.actor_manager": {
        "RayActorManager._actor_task_failed": "(self, tracked_actor_task, exception)"
    },
}
"""The names that the file uses or replaces, with the parameters of those that are called by position."""


def part(module: str, name: str) -> Any:
    found: Any = importlib.import_module(module)
    for each in name.split("."):
        found = getattr(found, each)
    return found


def test_the_installed_ray_is_the_release_that_the_private_parts_hold_for() -> None:
    assert ray.__version__ == ray_private.VERSION
    for module, names in PARTS.items():
        for name, parameters in names.items():
            found = part(module, name)
            if parameters is not None:
                assert f"({', '.join(inspect.signature(found).parameters)})" == parameters, f"{module}.{name}"


def test_replaced_functions_are_restored(tmp_path: Path) -> None:
    names = [(module, name) for module in PARTS for name in PARTS[module] if name[:6] != "state."]
    before = [part(*each) for each in names]
    with contextlib.ExitStack() as stack:
        for patch in (
            ray_private.lean(),
            ray_private.servers_started_by(subprocess.Popen),
            ray_private.signals_and_output_left_alone(),
            ray_private.session_folder(tmp_path),
            ray_private.actors_ended_unless(lambda last: True),
            ray_private.idle_actors_kept(lambda: 0),
            ray_private.no_cleanup_when(lambda: False),
            ray_private.errors_of_trials(lambda error, actor: error),
        ):
            stack.enter_context(patch)
        assert sum(part(*each) is not then for each, then in zip(names, before, strict=True)) == 14
    assert all(part(*each) is then for each, then in zip(names, before, strict=True))


def test_idle_actors_are_kept_while_trials_may_come() -> None:
    coming = 3
    with ray_private.idle_actors_kept(lambda: coming):
        cache = tune_controller._ObjectCache(may_keep_one=True)
    kept = [cache.cache_object("needs", actor) for actor in range(4)]
    assert kept == [True, True, True, False] and not list(cache.flush_cached_objects())
    assert cache.pop_cached_object("needs") == 0
    # The last trials have been chosen: what is idle then ends, but for the one that Tune itself keeps.
    coming = 0
    assert list(cache.flush_cached_objects()) == [1, 2]
    cache.cache_object("needs", 4)
    assert list(cache.flush_cached_objects(force_all=True)) == [4]


def private_parts(path: Path) -> set[str]:
    """Private modules of Ray that a file imports or names in a text, and private names asked of a `ray`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom():
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            case ast.Attribute():
                names = [ast.unparse(node)]
            case ast.Constant(value=str(text)) if " " not in text:
                names = [text]
            case ast.Call(func=ast.Attribute() as function) if ast.unparse(function) in (
                "ray.init",
                "tune.run",
            ):
                names = [f"ray.{keyword.arg}" for keyword in node.keywords]
        for name in names:
            first, *rest = name.split(".")
            if first in ("ray", "tune") and any(part.startswith("_") for part in rest):
                found.add(name)
            if "_actor_id" in rest or "_internal_kv" in name:
                found.add(name)
    return found


def test_no_other_file_uses_a_private_part() -> None:
    files = [*(REPOSITORY / "orchestrator").rglob("*.py"), *(REPOSITORY / "benchmarks").rglob("*.py")]
    used = {path.relative_to(REPOSITORY).as_posix(): private_parts(path) for path in files}
    assert used.pop("orchestrator/driver/ray_private.py")
    assert {path: parts for path, parts in used.items() if parts} == {}


STARTED = """
import psutil, ray
from pathlib import Path
from typing import Any
from tempfile import TemporaryDirectory
from orchestrator.driver.ray_start import configure_ray, connect

configure_ray()
with TemporaryDirectory() as folder:
    connect(None, Path(folder))
    assert ray.get(ray.remote(lambda: 7).remote()) == 7
    for process in psutil.Process().children(recursive=True):
        print(" ".join(process.cmdline()))
    ray.shutdown()
"""


@pytest.mark.slow
def test_our_own_ray_starts_only_the_programs_that_run_trials() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for needed in ("gcs_server", "raylet"):
        assert needed in done.stdout
    for left_out in ("dashboard/dashboard.py", "monitor.py"):
        assert left_out not in done.stdout
