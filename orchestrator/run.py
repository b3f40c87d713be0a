"""Runs what is missing of a sweep, through Ray Tune.

What is missing is read off the store before Tune sees a list; Tune's own folder is scratch, thrown away.
Running the same command again is the only recovery there is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

from rich.console import Console

from orchestrator.jobs import shipped_code
from orchestrator.outcome import Outcome
from orchestrator.placement import check as check_placement
from orchestrator.progress import Progress
from orchestrator.stop_request import StopRequest
from results import provenance
from results.store import State, Store, Survey
from sweeps.expand import Sweep
from trainables import datasets
from trainables.errors import ConfigurationError
from trainables.trial import Trial

CLIENT_ATTEMPTS = 3
"""Ray 2.60's server for ray:// starts a process for each client, which now and then crashes while it forks
(ray-project/ray#63202)."""


def to_run(trials: Iterable[Trial], survey: Survey, retry_failed: bool) -> list[Trial]:
    """The trials that are neither done nor, unless asked for, failed by their own fault."""
    wanted = {State.MISSING, State.INTERRUPTED} | ({State.FAILED} if retry_failed else set())
    return [trial for trial in trials if survey.states[trial.key] in wanted]


def check_data(trials: Iterable[Trial], root: Path) -> None:
    """Loads each data set once: what is missing or damaged would fail every trial that needs it."""
    needed = (component for trial in trials for component in (trial.dataset, *trial.score_on))
    for component in dict.fromkeys(needed):
        datasets.load(component.name, root, **dict(component.params))


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


def run_missing(
    sweep: Sweep,
    trials: list[Trial],
    store: Store,
    data_root: Path,
    console: Console,
    request: StopRequest,
    already_done: int = 0,
    address: str | None = None,
) -> Outcome:
    """Trains `trials` and waits until each is committed or recorded as failed.

    Args:
        request: Ends it early.
        address: A Ray cluster ('auto', 'ray://...'); None for a Ray of our own on this machine.

    Raises:
        DataError: A data set that is missing or damaged, before any trial has started.
        ConfigurationError: A cluster that does not answer, or that lacks what a trial asks for, likewise.
    """
    configure_ray()
    if address is None:
        check_data(trials, data_root)
    import ray

    from orchestrator.tune_driver import fit

    started_here = not ray.is_initialized()
    if started_here:
        _connect(address)
        # Ray's core has taken SIGTERM meanwhile, to abort.
        request.listen()
    scratch = Path(tempfile.mkdtemp(prefix="calibsweep-tune-"))
    try:
        waits = check_placement(sweep, trials, ray.nodes())  # type: ignore[no-untyped-call]
        if waits:
            console.print(waits, style="yellow", highlight=False, soft_wrap=True)
        if address is not None:
            # The data is where trials run, which need not be here.
            try:
                ray.get(ray.remote(num_cpus=0)(check_data).remote(trials, data_root))
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
        with Progress(trials, already_done, console) as progress:
            return fit(
                sweep, trials, store, data_root, progress, scratch, provenance.source_commit(), request
            )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if started_here:
            ray.shutdown()


def _connect(address: str | None) -> None:
    """Joins the cluster, or starts a Ray of our own."""
    import ray

    # Ray would have SIGTERM exit wherever this is at that moment; `StopRequest` is to hear it.
    with mock.patch.object(ray._private.utils, "set_sigterm_handler", lambda handler: None):
        _initialise(address)


def _initialise(address: str | None) -> None:
    import ray

    if address is None:
        # Without any, Ray would join a cluster that someone else has started on this machine.
        ray.init(address="local", log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        return
    through_client = address.startswith("ray://")
    # The machines of ray:// need not have this code: it is handed over while this connects.
    ships = shipped_code() if through_client else contextlib.nullcontext()
    with ships as folder:
        runtime_env = {"working_dir": str(folder)} if folder else None
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
