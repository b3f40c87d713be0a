"""Runs trials with Ray Tune.

The store alone says which trials are missing; Tune's own folder is scratch and is deleted. To recover, run
the same command again. There is no other recovery.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from pathlib import Path

from orchestrator.cluster.placement import at_once
from orchestrator.cluster.placement import check as check_placement
from orchestrator.driver import ray_places
from orchestrator.driver.assignment import Assignment
from orchestrator.driver.data_check import DataCheck, Needed, check_data
from orchestrator.driver.outcome import Outcome
from orchestrator.driver.progress import Progress
from orchestrator.driver.ray_start import configure_ray
from orchestrator.driver.scratch import Scratch
from orchestrator.driver.stop_request import StopRequest


def _check_data_there(needed: Needed, root: Path) -> None:
    """Runs `check_data` on the cluster, where the trials and their data are."""
    import ray

    try:
        ray.get(ray.remote(num_cpus=0)(check_data).remote(needed, root))
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None


def run_trials(
    assignment: Assignment, progress: Progress, request: StopRequest, address: str | None = None
) -> Outcome:
    """Trains the trials of a source, and waits until each is committed or recorded as failed.

    Args:
        progress: Progress of these trials, shown while they run.
        request: Ends the run early.
        address: A Ray cluster ('auto', 'ray://...'); None to start Ray on this machine.

    Raises:
        DataError: A data set is missing or damaged. Raised before any trial starts.
        ConfigurationError: The cluster does not respond, or lacks resources that a trial needs. Raised
            before any trial starts.
        StartError: Ray or a worker cannot start. Later, `Outcome.worker_error` reports this instead.
    """
    configure_ray(address)
    source, data_root = assignment.source, assignment.data_root
    trials = source.representatives()
    needed, first = Needed.by(trials), source.needs(trials[0])
    here = DataCheck(needed, data_root, request) if address is None else None
    if address is None:
        progress.at_once = at_once(first, [{"CPU": len(os.sched_getaffinity(0))}])
    data = f"loading {', '.join(component.label for component in needed.datasets)}"
    ray_ = "starting Ray" if address is None else f"joining the Ray cluster at {address}"
    assignment.store.folder.wait_out_outages(progress.note)
    with progress, here or contextlib.nullcontext():
        progress.doing(f"{ray_}, {data}" if here else ray_)
        import ray

        # Load Tune meanwhile: Ray's start mostly waits for other processes, and both take equally long.
        tune = threading.Thread(
            target=importlib.import_module, args=["orchestrator.driver.tune_driver"], daemon=True
        )
        tune.start()
        from orchestrator.driver.servers import connected

        scratch = Scratch(None if address else ray_places.temporary_folder())
        request.undo.append(scratch.delete)
        ray_at_hand = (
            contextlib.nullcontext() if ray.is_initialized() else connected(address, scratch.folder, request)
        )
        try:
            with ray_at_hand:
                if here:
                    progress.doing(data)
                    here.wait()
                nodes = ray.nodes()  # type: ignore[no-untyped-call]
                if waits := check_placement(trials, source.needs, nodes):
                    progress.note(waits)
                progress.at_once = at_once(first, [node["Resources"] for node in nodes if node["Alive"]])
                if not here:
                    from orchestrator.driver.worker_check import check_workers

                    progress.doing("checking that each node can run this code")
                    check_workers(nodes, trials, request)
                    progress.doing(f"{data} on the cluster")
                    _check_data_there(needed, data_root)
                progress.doing("starting the first processes")
                from orchestrator.driver.tune_driver import fit

                with request.trials():
                    return fit(assignment, progress, scratch.folder / "tune", request)
        finally:
            scratch.delete()
