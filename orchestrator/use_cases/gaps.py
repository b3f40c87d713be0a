"""Makes the gap matrix of a store: training loss x calibrator. Loads neither torch nor Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.use_cases.finished import finished
from orchestrator.use_cases.rescore import MissingScoresError
from orchestrator.use_cases.tables import command_of
from results.scoring.layer import filled
from results.scoring.scores import UNCALIBRATED
from results.tables.evaluations import on_test_set
from results.tables.gap_grids import Arranger, tidy_csv
from results.tables.gaps import Matrix, build, known_calibrators, needed, of_calibrator
from results.tables.origin import Origin, document, origin_of
from results.tables.rendering import render
from results.tables.table import only
from trainables import tasks
from trainables.errors import ConfigurationError


@dataclass(frozen=True)
class Gaps:
    """Attributes:
    store: Its address.
    sweep: Name of the sweep; '' for all trials.
    matrices: For each network, of the NLL and of the Brier score.
    left_out: Calibrators whose scores `store rescore` has not computed.
    damaged: Full names of damaged rows, which are omitted.
    loose_rows: Number of rows read one by one.
    made_from: The origin of their numbers.
    """

    store: str
    sweep: str
    matrices: tuple[Matrix, ...]
    left_out: tuple[str, ...]
    damaged: tuple[str, ...]
    loose_rows: int
    made_from: Origin

    def render(self, format: str, *, standalone: bool = False) -> str:
        """Renders all matrices as one text; arguments and errors as of `Tables.render`."""
        if format == "csv":
            return tidy_csv(self.matrices)
        return render([], format, standalone=standalone, sweep=self.sweep, arranged=Arranger(self.matrices))

    def document(self, format: str, *, standalone: bool = False, output: str | None = None) -> str:
        """As `Tables.document`."""
        return document(self, format, standalone, output)

    def _repr_markdown_(self) -> str:
        """For display in a notebook."""
        return self.render("md")


def gaps(store: str, sweep: str | None = None, *, overrides: Sequence[str] = ()) -> Gaps:
    """Makes the gap matrices of a store: the improvement of NLL and Brier score by each calibrator.

    It has all calibrators whose scores are in the rows or in the layer of derived scores.

    Args:
        sweep: A sweep file, or the name of a bundled one: only its trials, the missing ones marked.
        overrides: Settings of the sweep, as for `--set`: 'training.epochs=3'.

    Raises:
        ConfigurationError: A sweep or setting is unknown, no trial of classification is finished, or the
            refinement parts are missing (with the command that computes them).
        StoreError: The store does not exist, or cannot be read.
    """
    # Before the sweep is loaded, with plug-ins of its own.
    command = command_of(store, sweep, overrides=overrides, gaps=True)
    done = finished(store, sweep, overrides)
    own = only(on_test_set(done.frame), tasks.DEFAULT).reset_index(drop=True)
    if own.empty:
        raise ConfigurationError(f"no finished trial in the store {store} is for classification.")
    expected = None if done.expected is None else only(on_test_set(done.expected), tasks.DEFAULT)
    keys = set(own["key"]) if expected is None else set(own["key"]) & set(expected["key"])
    calibrators = known_calibrators()
    wanted = [*needed(), *(score for name in calibrators for score in of_calibrator(name))]
    found = filled(done.store.folder, own, wanted, keys)
    if missing := {scorer: n for scorer, n in found.missing.items() if scorer.calibrator == UNCALIBRATED}:
        raise MissingScoresError(missing)
    left_out = {scorer.calibrator for scorer in found.missing}
    rows = own[[key in keys for key in own["key"]]]
    scores = [score for score in wanted if score.calibrator not in left_out]
    there = [name for name in calibrators if name not in left_out]
    return Gaps(
        store,
        done.name,
        tuple(build(found.frame, expected, there)),
        tuple(name for name in calibrators if name in left_out),
        done.damaged,
        done.snapshot.loose,
        origin_of(store, done.name, rows, expected, scores, command),
    )
