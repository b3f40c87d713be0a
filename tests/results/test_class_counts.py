"""Class counts of the training part are kept with each trial, and scores that need them follow from a store."""

from __future__ import annotations

import numpy as np
import torch

from results.scoring.class_counts import class_counts
from results.scoring.commit import commit_result
from results.store.address import Address
from results.store.store import Store
from trainables import datasets
from trainables.resolve import resolve
from trainables.training.run import run_trial

from .conftest import commit, inspected, trial_of


def test_a_trial_keeps_the_class_counts_of_its_training_part(store: Store) -> None:
    trial = resolve("digits", "mlp", "brier", 0, training={"epochs": 1})
    assert commit_result(store, run_trial(trial, device=torch.device("cpu")), {"host": "here"})
    labels = datasets.load("digits", **trial.dataset.arguments()).train.labels
    expected = np.unique(labels, return_counts=True)[1]
    assert class_counts(store.predictions(Address.of(trial))) == tuple(expected)
    assert len(set(expected)) > 1 and not inspected(store).findings


def test_predictions_of_older_versions_have_no_class_counts(store: Store) -> None:
    commit(store, trial := trial_of())
    assert class_counts(store.predictions(Address.of(trial))) is None
