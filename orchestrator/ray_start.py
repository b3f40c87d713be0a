"""How Ray is started on this machine, or a cluster is joined."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from pathlib import Path
from unittest import mock

from orchestrator.jobs import shipped_code
from orchestrator.lean_ray import lean
from orchestrator.outcome import STOP_SECONDS
from trainables.errors import ConfigurationError

CLIENT_ATTEMPTS = 3
"""Ray 2.60's server for ray:// starts a process for each client, which now and then crashes while it forks
(ray-project/ray#63202)."""


def configure_ray() -> None:
    """What Ray and Tune read from the environment when they are imported or started."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    # Tune's snapshot of the experiment grows with it and is never read here.
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
    # The newer of Tune's two outputs prints a box for each trial whatever `verbose` says.
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # Signals are ours to handle.
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    # How many trials wait for a place at once is our queue's to say; Tune would allow it one.
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1000")
    warnings.filterwarnings("ignore", module="ray.*")


def connect(address: str | None, folder: Path) -> None:
    """Joins the cluster, or starts a Ray of our own, which keeps its files in `folder`."""
    import ray

    with (
        # Ray would have SIGTERM exit wherever this is at that moment; `StopRequest` is to hear it.
        mock.patch.object(ray._private.utils, "set_sigterm_handler", lambda handler: None),
        # Ray would print on our stdout what its servers say of each process that dies.
        mock.patch.object(ray._private.worker, "listen_error_messages", lambda worker, stopped: None),
    ):
        _initialise(address, folder)


def _initialise(address: str | None, folder: Path) -> None:
    import ray

    if address is None:
        with lean():
            ray.init(
                # Without any, Ray would join a cluster that someone else has started on this machine.
                address="local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                include_dashboard=False,
                _temp_dir=str(folder),
                # Where its server is gone, processes that train have as long for a checkpoint as ever.
                _system_config={"gcs_rpc_server_reconnect_timeout_s": int(STOP_SECONDS) + 60},
            )
        return
    through_client = address.startswith("ray://")
    # The machines of ray:// need not have this code: it is handed over while this connects.
    ships = shipped_code() if through_client else contextlib.nullcontext()
    with ships as code:
        runtime_env = {"working_dir": str(code)} if code else None
        for _ in range(CLIENT_ATTEMPTS if through_client else 1):
            try:
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=runtime_env)
                return
            except (ConnectionError, RuntimeError) as error:
                failure = error
                if "Initialization failure" not in str(error):
                    break
    told = " ".join(str(failure).split())[:300]
    raise ConfigurationError(f"no Ray cluster answers at {address!r} as it should: {told}") from failure
