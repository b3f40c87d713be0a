"""Class counts of the training part are kept with each trial, and scores that need them follow."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from orchestrator.use_cases.rescore import rescore
from results.scoring import layer
from results.scoring.class_counts import class_counts
from results.scoring.commit import commit_result
from results.scoring.layer import Scorer
from results.store.address import Address
from results.store.store import Store
from trainables import datasets
from trainables.resolve import resolve
from trainables.training.run import run_trial

from .conftest import CLASSES, commit, inspected, result_of, trial_of


def test_a_trial_keeps_the_class_counts_of_its_training_part(store: Store) -> None:
    trial = resolve("digits", "mlp", "brier", 0, training={"epochs": 1})
    assert commit_result(store, run_trial(trial, device=torch.device("cpu")), {"host": "here"})
    labels = datasets.load("digits", **trial.dataset.arguments()).train.labels
    expected = np.unique(labels, return_counts=True)[1]
    assert class_counts(store.predictions(Address.of(trial))) == tuple(expected)
    assert len(set(expected)) > 1 and not inspected(store).findings


def test_scores_by_group_follow_from_a_store_and_older_trials_have_none(store: Store) -> None:
    commit(store, older := trial_of(1))
    result = result_of(newer := trial_of(2))
    counts = tuple(range(15, 15 + 3 * CLASSES, 3))
    assert commit_result(store, dataclasses.replace(result, class_counts=counts), {"host": "here"})
    found = rescore(store.uri, ["error_few", "balanced_error"])
    # Of the older trial, on both of its parts.
    assert (found.undefined, found.without_class_counts, found.failed) == (2, 1, {})
    few = torch.tensor(counts) < 20
    logits, labels = result.test.logits, result.test.labels
    wrong = logits.argmax(dim=1) != labels
    kept = layer.read(store.folder, Scorer("error_few"))
    values = {key: value for (key, _, evaluation), value in kept.items() if evaluation == "test"}
    assert values[newer.key] == pytest.approx(float(wrong[few[labels]].double().mean()))
    assert math.isnan(values[older.key])
    # Nothing is computed again, and what needs no counts is there.
    again = rescore(store.uri, ["error_few", "balanced_error"])
    assert (again.scores, again.without_class_counts) == (0, 0)
