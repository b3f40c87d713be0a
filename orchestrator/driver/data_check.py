"""Checks that data sets and torchvision are available before any trial starts."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from orchestrator.driver import own_code
from orchestrator.driver.stop_request import StopRequest
from trainables import datasets, tasks
from trainables.builds import check_builds_for
from trainables.catalogue import MODELS
from trainables.errors import CalibsweepError, DataError
from trainables.registry.plugins import PLUGINS, Plugin
from trainables.trial import NATURAL, Component, Trial

if TYPE_CHECKING:
    from trainables.datasets.base import Dataset

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Needed:
    """The distinct data sets and models of trials, and the plug-ins that may define them.

    Attributes:
        pairs: A data set and a model of another library, which only says when it is built whether they fit.
        sampled: A data set and a sampler, which may need more samples than a class has.
    """

    datasets: list[Component]
    models: list[Component]
    pairs: list[tuple[Component, Component]]
    sampled: list[tuple[Component, Component]]
    plugins: tuple[Plugin, ...]

    @classmethod
    def by(cls, trials: Iterable[Trial]) -> Needed:
        trials = list(trials)
        parts = dict.fromkeys(part for trial in trials for part in (trial.dataset, *trial.evaluations))
        networks = dict.fromkeys(trial.model for trial in trials)
        of_libraries = {model for model in networks if MODELS[model.name].spec.content}
        pairs = dict.fromkeys((t.dataset, t.model) for t in trials if t.model in of_libraries)
        sampled = dict.fromkeys((t.dataset, t.sampler) for t in trials if t.sampler != NATURAL)
        return cls(list(parts), list(networks), list(pairs), list(sampled), PLUGINS.files)


def check_data(needed: Needed, root: Path) -> None:
    """Loads each data set, and torchvision if a model needs it, and builds each sampler.

    A failure would fail every such trial.

    Raises:
        DataError, ConfigurationError: The first that cannot be loaded.
    """
    PLUGINS.install(needed.plugins)
    check_builds_for(needed.models)
    for component in needed.datasets:
        dataset = datasets.load(component.name, root, **component.arguments())
        for model in (model for data, model in needed.pairs if data == component):
            from trainables.models import build_for

            build_for(dataset, model)
        for sampler in (sampler for data, sampler in needed.sampled if data == component):
            _check_sampler(sampler, dataset, tasks.name_of(component.name))


def _check_sampler(sampler: Component, dataset: Dataset, task: str) -> None:
    import torch

    from trainables import samplers

    built = samplers.of_part(sampler, dataset.train, tasks.build(task).loss_context(dataset))
    built.training_part(dataset.train, torch.Generator().manual_seed(0))


class DataCheck:
    """Runs `check_data` in a child process while this process starts Ray, since torch takes seconds to load.

    The child has its own session, so that Ctrl-C stops the sweep and not the child alone. It ends with the
    context.
    """

    def __init__(self, needed: Needed, root: Path, request: StopRequest):
        self.needs = pickle.dumps((needed, root))
        self.request = request

    def __enter__(self) -> DataCheck:
        # `-P`: import nothing from the current folder.
        path = os.pathsep.join(filter(None, [*own_code.search_path(), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orchestrator.driver.data_check"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self.request.undo.append(self.process.kill)
        assert self.process.stdin
        # If the child has died already, `wait` reports it.
        with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:
            stdin.write(self.needs)
        return self

    def wait(self) -> None:
        """Waits until all data sets are checked, or the sweep is asked to stop.

        Raises:
            DataError, ConfigurationError: From `check_data`. Also DataError if the child died.
        """
        assert self.process.stdout
        while not select.select([self.process.stdout], [], [], POLL_SECONDS)[0]:
            if self.request.requested_at is not None:
                return
        answer = self.process.stdout.read()
        if code := self.process.wait():
            raise DataError(f"the data check exited with code {code} before any trial.")
        if (error := pickle.loads(answer)) is not None:
            raise error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


def main() -> None:
    """Sends None or the error to standard output, where nothing else may be printed."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    error = None
    try:
        needs = pickle.load(sys.stdin.buffer)
    except (EOFError, pickle.UnpicklingError):
        # The parent ended before it could send anything.
        return
    try:
        check_data(*needs)
    except CalibsweepError as caught:
        error = caught
    with answers:
        pickle.dump(error, answers)


if __name__ == "__main__":
    main()
