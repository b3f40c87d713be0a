"""Logits and labels of every form become finite logits [N, K] and class numbers [N], or are refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.scoring.logits_input import checked
from trainables.errors import InputError

from .conftest import pair

LOGITS = np.array([[2.0, 0.5, -1.0], [0.0, 3.0, 1.0], [1.0, 1.5, 2.5], [0.3, 0.2, 0.1]], np.float32)
LABELS = np.array([0, 1, 2, 1])
EYE = np.eye(3)
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
NAN, INF = float("nan"), float("inf")


def at(row: int, column: int, value: float) -> np.ndarray:
    changed = LOGITS.copy()
    changed[row, column] = value
    return changed


def run(logits: object, labels: object, **options: Any) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Logits and labels as they are scored, and the codes of what is told."""
    parts, notes = checked({"test": pair(logits, labels)}, **options)
    assert parts["test"].logits.flags.writeable and parts["test"].labels.dtype == np.int64
    return parts["test"].logits, parts["test"].labels, [note.code for note in notes]


@pytest.mark.parametrize(
    ("labels", "codes"),
    [
        (LABELS, []),
        (LABELS.astype(np.uint8), []),
        (LABELS[:, None], ["labels_column"]),
        (LABELS.astype(np.float32), ["labels_floats"]),
        (EYE[LABELS], ["labels_one_hot"]),
        (EYE[LABELS].astype(bool), ["labels_one_hot"]),
    ],
)
def test_labels_are_taken_as_they_are_written(labels: np.ndarray, codes: list[str]) -> None:
    logits, numbers, message = run(LOGITS, labels)
    assert message == codes
    assert numbers.tolist() == LABELS.tolist()
    np.testing.assert_array_equal(logits, LOGITS)


@pytest.mark.parametrize("ignore", [-100, 255])
def test_samples_to_ignore_are_left_out_and_counted(ignore: int) -> None:
    labels = np.where([True, False, True, False], ignore, LABELS)
    # What is left out may hold anything.
    logits, numbers, codes = run(at(0, 1, NAN), labels, ignore=ignore)
    assert codes == ["ignored"] and numbers.tolist() == [1, 1]
    np.testing.assert_array_equal(logits, LOGITS[[1, 3]])


@pytest.mark.parametrize(
    ("logits", "dtype"),
    [
        (LOGITS.astype(np.float16), np.float32),
        (LOGITS.astype(np.float64), np.float64),
        (LOGITS.astype(np.longdouble), np.float64),
        (np.rint(8 * LOGITS).astype(np.int64), np.float64),
        (np.rint(8 * LOGITS + 20).astype(np.uint8), np.float64),
        (LOGITS.astype(">f4"), np.float32),
    ],
)
def test_any_type_of_numbers_is_taken(logits: np.ndarray, dtype: type) -> None:
    taken, _, codes = run(logits, LABELS)
    assert taken.dtype == np.dtype(dtype) and codes == []
    np.testing.assert_array_equal(taken, logits)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_logit_a_sample_is_binary(shape: tuple[int, ...]) -> None:
    one = np.array([-2.0, 0.5, 3.0, 0.0])
    logits, labels, codes = run(one.reshape(shape), np.array([False, True, True, False]))
    assert codes == ["labels_true_false", "binary"] and labels.tolist() == [0, 1, 1, 0]
    np.testing.assert_array_equal(logits, np.column_stack([np.zeros(4), one]))
    p = 1 / (1 + np.exp(-one))
    logits, _, codes = run(p.reshape(shape), labels, probabilities=True)
    assert codes == ["binary", "from_probabilities"]
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], one, atol=1e-12)


def test_probabilities_are_warned_of_or_taken() -> None:
    logits, _, codes = run(PROBABILITIES, LABELS)
    assert codes == ["looks_like_probabilities"]
    np.testing.assert_array_equal(logits, PROBABILITIES)
    logits, _, codes = run(PROBABILITIES, LABELS, probabilities=True)
    assert codes == ["from_probabilities"]
    np.testing.assert_allclose(np.exp(logits), PROBABILITIES, rtol=1e-12)
    # A class without probability is like one that is masked out.
    logits, _, codes = run(np.array([[1.0, 0.0], [0.25, 0.75]]), np.array([0, 1]), probabilities=True)
    assert codes == ["from_probabilities", "masked"]
    assert np.exp(logits / 10)[0].tolist() == [1, 0]


@pytest.mark.parametrize("probabilities", [False, True])
def test_log_probabilities_are_scored_as_they_are(probabilities: bool) -> None:
    logits, _, codes = run(np.log(PROBABILITIES), LABELS, probabilities=probabilities)
    assert codes == ["log_probabilities"]
    np.testing.assert_array_equal(logits, np.log(PROBABILITIES))


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("kept", [False, True])
def test_positions_are_flattened(axis: int, kept: bool) -> None:
    # [N, K, H, W] or [N, H, W, K], with labels [N, H, W] or one more axis of length 1.
    whole = np.random.default_rng(0).normal(size=(2, 5, 7, 3))
    labels = np.random.default_rng(1).integers(0, 3, (2, 5, 7))
    logits, numbers, codes = run(
        np.moveaxis(whole, -1, axis), np.expand_dims(labels, axis) if kept else labels, flatten=True
    )
    assert codes == (["labels_column"] if kept else []) + ["flattened"]
    np.testing.assert_array_equal(logits, whole.reshape(-1, 3))
    np.testing.assert_array_equal(numbers, labels.reshape(-1))


def test_a_binary_map_is_flattened() -> None:
    logits, _, codes = run(np.full((2, 1, 5, 7), 3), np.ones((2, 5, 7), bool), flatten=True)
    assert codes[-2:] == ["flattened", "binary"] and logits.shape == (70, 2)


@pytest.mark.parametrize(
    ("logits", "labels", "options", "message"),
    [
        (LOGITS, LABELS + 1, {}, "start from 1, so subtract 1"),
        (LOGITS, [0, 1, -100, 2], {}, "--ignore -100"),
        (LOGITS, [0, 1, 255, 2], {}, "--ignore 255"),
        (LOGITS, [0, 1, 3, 2], {}, "from 0 to 3, but with 3 columns"),
        (LOGITS, [-1, 7, 3, 2], {}, "from -1 to 7"),
        (LOGITS, [0, 1, 10**19, 2], {}, "from 0 to 10000000000000000000"),
        (LOGITS, [-100] * 4, {"ignore": -100}, "nothing to score"),
        (LOGITS, [0, 1, 0.5, 2], {}, "row 2 (from 0 on) has 0.5"),
        (LOGITS, [0, 1, NAN, 2], {}, "row 2 (from 0 on) has nan"),
        (LOGITS, PROBABILITIES, {}, "are soft"),
        (LOGITS, [[5, 3, 2], [0, 0, 10], [1, 9, 0], [0, 10, 0]], {}, "are soft"),
        (LOGITS, [[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]], {}, "multi-label"),
        (LOGITS, -LOGITS, {}, "one class number from 0 per sample"),
        (LOGITS, ["cat", "dog", "cow", "cat"], {}, "are text"),
        (LOGITS, LABELS[:3], {}, "4 samples, but 3 labels"),
        (LOGITS.T, LABELS, {}, "transposed"),
        (LABELS, LOGITS, {}, "swapped"),
        (LOGITS[:0], LABELS[:0], {}, "empty"),
        (LOGITS > 0, LABELS, {}, "booleans"),
        (LOGITS.astype(complex), LABELS, {}, "of type complex"),
        (LOGITS, np.array([{}] * 4), {}, "unpickling"),
        (LOGITS[:, 0], [-1, 1, 1, -1], {}, "write -1 as 0"),
        (LOGITS[:, 0], [1, 2, 2, 1], {}, "subtract 1"),
        (LOGITS[:, 0], [0, 2, 2, 1], {}, "predicted classes"),
        (LOGITS[:, 0], [0, 0.25, 0.5, 1], {}, "soft"),
        (at(1, 2, NAN), LABELS, {}, "row 1, column 2 (counted from 0) is NaN"),
        (at(3, 0, INF), LABELS, {}, "row 3, column 0 (counted from 0) is +inf"),
        (LOGITS * np.longdouble("1e4000"), LABELS, {}, "row 0, column 0 (counted from 0) is +inf"),
        (at(1, 1, -INF), LABELS, {}, "row 1 (counted from 0): the true class, 1"),
        (np.where(np.arange(4)[:, None] == 2, -INF, LOGITS), LABELS, {}, "row 2 (counted from 0): all"),
        (at(2, 0, NAN), [0, -100, 2, 1], {"ignore": -100}, "row 2, column 0"),
        (LOGITS, LABELS, {"probabilities": True}, "row 0, column 0 (counted from 0) is 2, which is no"),
        (PROBABILITIES / 2, LABELS, {"probabilities": True}, "row 0 (counted from 0): its"),
        (np.zeros((2, 3, 5, 7)), np.zeros((2, 5, 7)), {}, "--flatten scores each of the 70 positions"),
        (np.zeros((2, 3, 5, 7)), np.zeros((2, 5, 6)), {"flatten": True}, "[N, H, W]"),
        (np.zeros((2, 5, 5)), np.zeros((2, 5)), {"flatten": True}, "ambiguous"),
        (np.full((2, 3, 5, 7), NAN), np.zeros((2, 5, 7)), {"flatten": True}, "position [0, 0, 0], column 0"),
    ],
)  # fmt: skip
def test_unusable_values_are_refused_with_place_and_cause(
    logits: object, labels: object, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        run(logits, labels, **options)


def test_parts_of_different_networks_are_refused_before_they_are_read() -> None:
    with pytest.raises(InputError, match="3 classes, but test_logits 2"):
        checked({"val": pair(at(0, 0, NAN), LABELS), "test": pair(at(0, 0, NAN)[:, :2], LABELS)})


@given(
    data=st.data(),
    scale=st.sampled_from([1e-3, 1.0, 3e3, 1e12, 1e30]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_a_masked_class_has_probability_0_and_the_last_rank(
    data: st.DataObject, scale: float, dtype: type
) -> None:
    rows = st.lists(st.floats(-1, 1), min_size=5, max_size=5)
    logits = (scale * np.array(data.draw(st.lists(rows, min_size=3, max_size=3)))).astype(dtype)
    masked = np.array(
        data.draw(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=3, max_size=3))
    )
    masked[:, 0] = False
    taken, _, codes = run(np.where(masked, -np.inf, logits).astype(dtype), [0, 0, 0])
    assert ("masked" in codes) == masked.any()
    np.testing.assert_array_equal(taken[~masked], logits[~masked])
    assert np.isfinite(taken).all()
    for row, out in zip(taken, masked, strict=True):
        if out.any():
            assert row[out].max() < row[~out].min()
            for temperature in (0.1, 1.0, 10.0):
                assert (np.exp((row[out].astype(np.float64) - row.max()) / temperature) == 0).all()
