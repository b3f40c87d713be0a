"""The digits are scikit-learn's, and so is their split, though it is not imported."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from trainables import datasets
from trainables.datasets.stratified import stratified_split


@pytest.mark.parametrize(
    ("params", "fingerprint"),
    [
        ({}, "2284427697cd808d77eb5a1d620bcaf8e4ff6a607d6c342fea35971783c45e7e"),
        (
            {"training_samples": 1200, "validation_samples": 211},
            "d56bd28b759ededad23eff2dca8474d990c6b03c165baca22ba393c5ac2171aa",
        ),
    ],
)
def test_the_data_has_not_changed(params: dict[str, int], fingerprint: str) -> None:
    assert datasets.load("digits", **params).fingerprint == fingerprint


def test_images_and_labels_are_those_of_scikit_learn() -> None:
    dataset, published = datasets.load("digits"), load_digits()
    ids = []
    for part in (dataset.train, dataset.validation, dataset.test):
        expected = torch.from_numpy(published.images[part.sample_ids] / 8 - 1).float()
        assert torch.equal(part.inputs.squeeze(1), expected)
        assert part.labels.tolist() == published.target[part.sample_ids].tolist()
        ids += part.sample_ids.tolist()
    assert sorted(ids) == list(range(1797))


@given(
    st.lists(st.integers(2, 40), min_size=2, max_size=7),
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 1.0),
)
def test_the_split_is_that_of_scikit_learn(counts: list[int], seed: int, share: float) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)) * 3 + 1, counts))
    # scikit-learn refuses a part with fewer samples than there are classes.
    room = len(labels) - 2 * len(counts)
    test_size = len(counts) + round(share * room)
    expected = train_test_split(
        np.arange(len(labels)), test_size=test_size, stratify=labels, random_state=seed
    )
    found = stratified_split(labels, test_size, seed)
    assert [part.tolist() for part in found] == [part.tolist() for part in expected]
