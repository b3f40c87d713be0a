"""A source that knows no trial ahead: it makes each from the results of those before."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cluster.placement import Needs
from orchestrator.driver.assignment import Assignment
from orchestrator.driver.progress import Progress
from orchestrator.driver.reports import Done, Failed, Pruned
from orchestrator.driver.run import run_trials
from orchestrator.driver.stop_request import StopRequest
from results.store.store import Store
from results.terminal import Terminal
from sweeps.spec import Run
from trainables.resolve import resolve
from trainables.trial import Trial

REPOSITORY = Path(__file__).resolve().parents[2]
FIRST, ROUNDS = (0.05, 0.0001), 2
"""The learning rates of the first round, and the number of rounds after it."""


def trial_of(learning_rate: float) -> Trial:
    digits = ("digits", {"training_samples": 75, "validation_samples": 60})
    training = {"epochs": 1, "milestones": [], "learning_rate": learning_rate}
    return resolve(digits, "mlp", "brier", 0, training=training)


class Search:
    """Tries rates above and below the one with the least validation error so far, round after round."""

    def __init__(self) -> None:
        self.open = [trial_of(rate) for rate in FIRST]
        self.rounds: list[dict[float, float]] = [{}]
        self.out = 0

    def representatives(self) -> list[Trial]:
        return [trial_of(1.0)]

    def needs(self, trial: Trial) -> Needs:
        return Needs.of(0, 1)

    def next(self) -> Trial | None:
        self.out += bool(self.open)
        return self.open.pop() if self.open else None

    def limits(self, trial: Trial) -> None:
        return None

    def settled(self, trial: Trial, result: Done | Failed | Pruned) -> None:
        assert isinstance(result, Done), result
        self.rounds[-1][trial.training.learning_rate] = result.latest.curves["validation_error"]
        self.out -= 1
        if not self.out and len(self.rounds) <= ROUNDS:
            best = least({rate: error for each in self.rounds for rate, error in each.items()})
            self.open = [trial_of(rate) for rate in around(best, len(self.rounds))]
            self.rounds.append({})


def around(rate: float, round: int) -> set[float]:
    """Another factor in each round, so that no trial comes twice."""
    return {rate * (1 + round), rate / (1 + round)}


def least(errors: dict[float, float]) -> float:
    return min(errors, key=errors.__getitem__)


def main(folder: Path) -> None:
    source = Search()
    progress = Progress([], 0, Terminal(file=io.StringIO()))
    assignment = Assignment("search", source, Run(cpus_per_trial=1), Store(str(folder / "store")), folder)
    outcome = run_trials(assignment, progress, StopRequest())
    said = {"rounds": [list(each.items()) for each in source.rounds], "outcome": vars(outcome)}
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")


@pytest.mark.slow
def test_a_search_runs_to_its_end_without_a_list_of_its_trials(tmp_path: Path) -> None:
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, __file__, str(tmp_path)], cwd=tmp_path, env=variables, check=True)
    said = json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))
    rounds = [dict(each) for each in said["rounds"]]
    number = sum(map(len, rounds))
    assert said["outcome"] == {
        **{"done": number, "failed": 0, "left": 0},
        **{"store_error": None, "worker_error": None},
    }
    # By the committed results, each round follows from those before.
    expected, known = set(FIRST), {}
    rows = Store(str(tmp_path / "store")).trials().set_index("key")
    for round, found in enumerate(rounds, start=1):
        assert set(found) == expected
        committed = {rate: rows.loc[trial_of(rate).key, "validation_error"] for rate in found}
        assert committed == pytest.approx(found)
        known |= committed
        expected = around(least(known), round)
    assert len(rows) == number == len(FIRST) + 2 * ROUNDS


if __name__ == "__main__":
    main(Path(sys.argv[1]))
