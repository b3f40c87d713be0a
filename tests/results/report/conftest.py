"""The page of a few recorded trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.use_cases.report import page_of
from orchestrator.use_cases.standing import Standing
from orchestrator.use_cases.tables import built
from results.report.page import Page
from results.store.store import Store
from sweeps.expand import load

GOLDEN = Path(__file__).parents[2] / "golden"

SWEEP = """
name: few
description: Two losses and a hole.
seeds: [0, 1, 2]
training: {epochs: 10}
blocks:
  - datasets: [digits: {training_samples: 1200}]
    models: [mlp, small_cnn]
    losses: [cross_entropy, adafocal]
"""


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Of 2 networks, 2 losses and 3 seeds; one trial is missing."""
    file = tmp_path_factory.mktemp("sweep") / "few.yaml"
    file.write_text(SWEEP, encoding="utf-8")
    sweep, store = load(file), Store(str(GOLDEN / "store"))
    standing = Standing(sweep, store)
    return page_of(store, standing.snapshot, sweep, built(standing), "calibsweep report few.yaml")
