"""Tables and scores of real trials that were recorded once, regenerated from what was stored of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.scoring.scores import temperature_by
from results.store.store import Store
from results.store.survey import State
from results.tables import table as tables
from results.tables.evidence import predictions_in
from sweeps.expand import Sweep, expected_frame, load

from .conftest import scores_that_differ

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    return load(GOLDEN / "store.yaml")


@pytest.fixture(scope="module")
def store() -> Store:
    return Store(str(GOLDEN / "store"))


@pytest.mark.parametrize(
    ("format", "suffix"), {"md": "md", "latex": "tex", "html": "html", "csv": "csv"}.items()
)
def test_tables_are_those_expected(store: Store, sweep: Sweep, format: str, suffix: str) -> None:
    built = tables.build(
        store.trials(),
        expected_frame(sweep.trials),
        temperature_by(sweep.temperature_criterion),
        predictions=predictions_in(store, store.trials()),
    )
    expected = (GOLDEN / f"store.{suffix}").read_text(encoding="utf-8")
    assert tables.render(built, format) == expected


def test_every_recorded_trial_is_still_a_trial_of_its_sweep(store: Store, sweep: Sweep) -> None:
    # Were a key's making to change, all that anyone has stored would count for nothing.
    survey = store.survey(sweep.trials)
    assert not survey.damaged and not survey.leftover
    assert survey.count(State.DONE) == 29
    (hole,) = [trial for trial in sweep.trials if survey.states[trial.key] == State.MISSING]
    assert str(hole) == "digits(training_samples=1200) / small_cnn / adafocal / seed 2"


def test_every_recorded_score_follows_from_the_recorded_logits(store: Store) -> None:
    rows = [{str(name): value for name, value in row.items()} for row in store.trials().to_dict("records")]
    assert {row["key"]: scores_that_differ(store, row) for row in rows} == {row["key"]: {} for row in rows}
    altered = {**rows[0], "test_ece": rows[0]["test_ece"] + 1e-4}
    assert list(scores_that_differ(store, altered)) == ["test_ece"]
