"""Provenance of a number: commit, versions, hardware, and the source of each component."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from results.store import code, processor
from trainables import source, tasks
from trainables.catalogue import DATASETS, LOSSES, MODELS, SAMPLERS, TASKS
from trainables.registry import Entry
from trainables.trial import Trial

PACKAGES = ("calibsweep", "torch", "numpy", "scikit-learn", "ray", "pyarrow")


COMMIT_VARIABLE = "CALIBSWEEP_SOURCE_COMMIT"
"""Names the commit of a source tree that was sent to a cluster, where it has no repository."""


@functools.cache
def source_commit() -> str:
    """Commit of this code, with '-dirty' if it had uncommitted changes; '' if unknown.

    A source tree asks git. An installed package has it in its version, or is of the version's tag: 'v1.2.0'.
    """
    if given := os.environ.get(COMMIT_VARIABLE):
        return given
    folder = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, check=True, timeout=30)
        # Paths, in this system's encoding.
        return os.fsdecode(done.stdout).strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() == folder:
            return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        pass
    return installed_commit(folder)


def installed_commit(folder: Path) -> str:
    """Commit, or tag, in the version of the installed package; '' unless its code is that in `folder`."""
    try:
        package = importlib.metadata.distribution("calibsweep")
    except importlib.metadata.PackageNotFoundError:
        return ""
    # Only if this code was installed with that version, and not copied to another place.
    if Path(str(package.locate_file("results"))).resolve() != folder / "results":
        return ""
    if not any(file.parts[0] == "results" for file in package.files or ()):
        return ""
    public, _, local = package.version.partition("+")
    if found := re.fullmatch(r"g([0-9a-f]+)(\.d\d+)?", local):
        return found[1] + ("-dirty" if found[2] else "")
    return "" if local or "dev" in public else f"v{public}"


@functools.cache
def machine() -> dict[str, str]:
    """Versions and hardware of this process's machine."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[f"version_{package.replace('-', '_')}"] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "host": socket.gethostname(),
        "processor": processor.name(),
        "system": f"{platform.system()} {platform.release()}",
        "version_python": sys.version.split()[0],
        **versions,
    }


def sources(trial: Trial) -> dict[str, str]:
    """Digests of a trial's code: SHA-256 of each component's file, and of all our code that it depends on.

    `code_training` covers the training code, with the trial's task and sampler.
    """
    dataset, model, loss = DATASETS[trial.dataset.name], MODELS[trial.model.name], LOSSES[trial.loss.name]
    task, sampler = TASKS[tasks.name_of(trial.dataset.name)], SAMPLERS[trial.sampler.name]
    return dict(_sources(dataset, model, loss, task, sampler))


@functools.cache
def _sources(
    dataset: Entry[Any], model: Entry[Any], loss: Entry[Any], task: Entry[Any], sampler: Entry[Any]
) -> dict[str, str]:
    entries = {"dataset": dataset, "model": model, "loss": loss}
    training = (source.TRAINING, task.module, sampler.module)
    return {
        **{f"source_{kind}": entry.source_digest for kind, entry in entries.items()},
        **{f"code_{kind}": source.digest(entry.module) for kind, entry in entries.items()},
        "code_training": source.digest(*training),
    }


def of_trial(trial: Trial, commit: str, computed: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """The provenance stored with a trial's scores.

    Args:
        commit: From the driver, since a worker may have no git.
        computed: Numbers computed by the current code, by kind (`trainables.computed`).
    """
    numbers = {f"numbers_{kind}": code.as_text(values) for kind, values in computed.items() if values}
    return {"source_commit": commit, **machine(), **sources(trial), **numbers}
