"""Starts Ray on this machine, or joins a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import sys
import warnings
from pathlib import Path
from typing import Any

from orchestrator.cluster.jobs import shipped_code
from orchestrator.driver import own_code, ray_places, ray_private
from orchestrator.driver.errors import StartError
from orchestrator.driver.stop_request import STOP_SECONDS
from trainables.errors import ConfigurationError

ANSWER_SECONDS = 10.0
"""How long a cluster has to respond. Ray itself tries for half a minute, even if nothing listens."""

CLIENT_ATTEMPTS = 3
"""Ray 2.60's server for ray:// starts a process for each client, which occasionally crashes while it forks
(ray-project/ray#63202)."""

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Keeps Python from importing modules from the current folder, however it is started."""

LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"

THIS_MACHINE = {
    # Despite its name it applies everywhere. With 0, Ray listens on 127.0.0.1.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "GLOO_SOCKET_IFNAME": LOOPBACK,
    "NCCL_SOCKET_IFNAME": LOOPBACK,
}
"""Makes all of Ray's processes listen where no other machine can reach them."""


def configure_ray(address: str | None = None) -> None:
    """Sets the environment that Ray and Tune read on import and start.

    Args:
        address: As for `connect`.
    """
    if address is None:
        os.environ.update(THIS_MACHINE)
    # For all child processes.
    os.environ.update(SAFE_PATH)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    # Make snapshots rare: Tune's snapshot of the experiment grows with it, and is never read here.
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
    # The newer of Tune's two outputs prints a box for each trial whatever `verbose` says.
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # We handle signals.
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    # Our queue limits the number of waiting trials. Tune's own limit would be one.
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1000")
    # Otherwise, after a lost connection, the next call to Ray would join another cluster, or wait for one.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    warnings.filterwarnings("ignore", module="ray.*")


def connect(address: str | None, folder: Path) -> None:
    """Joins the cluster, or starts a local Ray with its files in `folder`."""
    # `StopRequest` handles SIGTERM.
    with ray_private.signals_and_output_left_alone():
        _initialise(address, folder)


def _initialise(address: str | None, folder: Path) -> None:
    import ray

    quietly: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # Otherwise Ray writes a token to the home folder, which may be read-only.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        try:
            with ray_private.lean():
                ray.init(
                    # Without an address, Ray would join a cluster that someone else started on this machine.
                    address="local",
                    include_dashboard=False,
                    job_config=ray_private.job_config(own_code.search_path()),
                    object_store_memory=ray_places.STORE_BYTES,
                    # If the servers are lost, training processes have the usual time for a checkpoint.
                    **ray_private.init_options(folder, ray_places.memory(folder), STOP_SECONDS),
                    **quietly,
                )
        except Exception as error:
            message = " ".join(str(error).split())[:300]
            raise StartError(f"Ray cannot start on this machine: {message}") from error
        return
    _check_answers(address)
    through_client = address.startswith("ray://")
    # With ray:// the cluster's machines need not have this code: ship it with the connection.
    ships = shipped_code() if through_client else contextlib.nullcontext()
    with ships as code:
        sent: dict[str, Any] = {"job_config": ray_private.job_config(own_code.search_path())}
        if code:
            sent = {"runtime_env": {"working_dir": str(code), "env_vars": SAFE_PATH}}
        for _ in range(CLIENT_ATTEMPTS if through_client else 1):
            try:
                ray.init(address, **quietly, **sent)
                return
            except (ConnectionError, RuntimeError) as error:
                failure = error
                if "Initialization failure" not in str(error):
                    break
    reason = " ".join(str(failure).split())[:300]
    raise ConfigurationError(f"cannot connect to a Ray cluster at {address!r}: {reason}") from failure


def _check_answers(address: str) -> None:
    """Raises ConfigurationError if nothing listens at a host and port."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"cannot connect to a Ray cluster at {address!r}: {error}") from error
