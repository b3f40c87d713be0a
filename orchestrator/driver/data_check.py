"""Whether data and torchvision are there, before any trial would fail for want of them."""

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

from orchestrator.driver import own_code
from orchestrator.driver.stop_request import StopRequest
from trainables import datasets
from trainables.builds import check_builds_for
from trainables.errors import CalibsweepError, DataError
from trainables.registry.plugins import PLUGINS, Plugin
from trainables.trial import Component, Trial

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Needed:
    """The data sets and models of trials, each once, and the plug-ins that may have them."""

    datasets: list[Component]
    models: list[Component]
    plugins: tuple[Plugin, ...]

    @classmethod
    def by(cls, trials: Iterable[Trial]) -> Needed:
        trials = list(trials)
        parts = dict.fromkeys(part for trial in trials for part in (trial.dataset, *trial.score_on))
        return cls(list(parts), list(dict.fromkeys(trial.model for trial in trials)), PLUGINS.files)


def check_data(needed: Needed, root: Path) -> None:
    """Loads each data set once: what is missing or damaged would fail every trial that needs it.

    Likewise torchvision, where a model needs it.

    Raises:
        DataError, ConfigurationError: The first that cannot be loaded.
    """
    PLUGINS.install(needed.plugins)
    check_builds_for(needed.models)
    for component in needed.datasets:
        datasets.load(component.name, root, **dict(component.params))


class DataCheck:
    """Does `check_data` in a process of its own, while this one starts Ray: torch takes seconds to load.

    It is in a session of its own, so that Ctrl-C stops the sweep and not this alone, and ends with the block.
    """

    def __init__(self, trials: Iterable[Trial], root: Path, request: StopRequest):
        self.asked_for = pickle.dumps((Needed.by(trials), root))
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
        # One that has died already is told of by `wait`.
        with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:
            stdin.write(self.asked_for)
        return self

    def wait(self) -> None:
        """Returns once all data sets were found whole, or the sweep is asked to stop.

        Raises:
            DataError, ConfigurationError: What `check_data` raises; DataError also where its process died.
        """
        assert self.process.stdout
        while not select.select([self.process.stdout], [], [], POLL_SECONDS)[0]:
            if self.request.asked is not None:
                return
        answer = self.process.stdout.read()
        if code := self.process.wait():
            raise DataError(f"the process that looks at the data ended with {code}, before any trial.")
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
    """Answers on the standard output, where nothing else may be printed, with None or the error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    error = None
    try:
        asked_for = pickle.load(sys.stdin.buffer)
    except (EOFError, pickle.UnpicklingError):
        # Whoever started this has ended before it could ask.
        return
    try:
        check_data(*asked_for)
    except CalibsweepError as caught:
        error = caught
    with answers:
        pickle.dump(error, answers)


if __name__ == "__main__":
    main()
