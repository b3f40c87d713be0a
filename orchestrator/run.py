"""Runs what is missing of a sweep, through Ray Tune.

What is missing is read off the store before Tune sees a list; Tune's own folder is scratch, thrown away.
Running the same command again is the only recovery there is.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from orchestrator import ray_places
from orchestrator.data_check import DataCheck, Needed, check_data
from orchestrator.outcome import Outcome
from orchestrator.placement import check as check_placement
from orchestrator.progress import Progress
from orchestrator.ray_start import configure_ray
from orchestrator.scratch import Scratch
from orchestrator.stop_request import StopRequest
from results import provenance
from results.store import State, Store, Survey
from sweeps.expand import Sweep
from trainables.trial import Trial


def to_run(trials: Iterable[Trial], survey: Survey, retry_failed: bool) -> list[Trial]:
    """The trials that are neither done nor, unless asked for, failed by their own fault."""
    wanted = {State.MISSING, State.INTERRUPTED} | ({State.FAILED} if retry_failed else set())
    return [trial for trial in trials if survey.states[trial.key] in wanted]


def _check_data_there(trials: list[Trial], root: Path) -> None:
    """Does what `check_data` does on the cluster: the data is where trials run, which need not be here."""
    import ray

    try:
        ray.get(ray.remote(num_cpus=0)(check_data).remote(Needed.by(trials), root))
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None


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
        StartError: Ray or a worker that cannot start. Later on, `Outcome.worker_error` tells of one.
    """
    configure_ray(address)
    here = DataCheck(trials, data_root, request) if address is None else None
    with here or contextlib.nullcontext():
        import ray

        # Ray's start waits for other processes most of the time, and loading Tune takes as long.
        tune = threading.Thread(
            target=importlib.import_module, args=["orchestrator.tune_driver"], daemon=True
        )
        tune.start()
        from orchestrator.servers import connected

        scratch = Scratch(None if address else ray_places.temporary_folder())
        request.undo.append(scratch.delete)
        ray_at_hand = (
            contextlib.nullcontext() if ray.is_initialized() else connected(address, scratch.folder, request)
        )
        try:
            with ray_at_hand:
                if here:
                    here.wait()
                waits = check_placement(sweep, trials, ray.nodes())  # type: ignore[no-untyped-call]
                if waits:
                    console.print(waits, style="yellow", highlight=False, soft_wrap=True)
                if not here:
                    from orchestrator.worker_check import check_workers

                    check_workers(ray.nodes(), request)  # type: ignore[no-untyped-call]
                    _check_data_there(trials, data_root)
                from orchestrator.tune_driver import fit

                commit = provenance.source_commit()
                with Progress(trials, already_done, console) as progress, request.trials():
                    return fit(
                        sweep, trials, store, data_root, progress, scratch.folder / "tune", commit, request
                    )
        finally:
            scratch.delete()
