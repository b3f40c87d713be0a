"""Which array is what, by its name or by `--names`."""

from __future__ import annotations

import re

import numpy as np
import pytest

from results.scoring.logits_input.names import Names, chosen
from trainables.errors import CalibsweepError, ConfigurationError, InputError

from .conftest import array

FOUR = "val_logits val_labels test_logits test_labels"


def taken(names: list[str], given: str = "", **options: bool) -> list[str]:
    """What is chosen of arrays of these names, each `FILE:NAME` or `NAME`, in the order of `FOUR`."""
    arrays = []
    for text in names:
        file, _, name = text.rpartition(":")
        arrays.append(array(name, np.zeros(3), file or "mine.npz"))
    pairs, _ = chosen(arrays, Names.parsed([given] if given else []), **options)
    found = {id(each): text for each, text in zip(arrays, names, strict=True)}
    return [found[id(each)] for pair in pairs.values() for each in (pair.logits, pair.labels)]


@pytest.mark.parametrize(
    ("names", "given", "expected"),
    [
        (f"{FOUR} notes", "", FOUR),
        ("testLabels valLabels testLogits valLogits", "", "valLogits valLabels testLogits testLabels"),
        ("y_val logits_val y_test logits_test", "", "logits_val y_val logits_test y_test"),
        ("dev_y dev_outputs tst_y tst_outputs", "", "dev_outputs dev_y tst_outputs tst_y"),
        ("train_logits train_labels test_logits test_labels", "", "test_logits test_labels"),
        ("logits labels", "", "logits labels"),
        ("predictions ground_truth", "", "predictions ground_truth"),
        ("y_true y_pred", "", "y_pred y_true"),
        # Beside logits, predictions are the predicted classes.
        ("logits predictions labels", "", "logits labels"),
        ("arr_1 arr_0", "", "arr_0 arr_1"),
        ("0 1", "", "0 1"),
        ("0_0 0_1 1_0 1_1", "", "0_0 0_1 1_0 1_1"),
        ("val_logits val_labels logits labels", "", "val_logits val_labels logits labels"),
        ("a b", "logits=a,labels=b", "a b"),
        ("a b c d", "val_logits=a,val_labels=b,test_logits=c,test_labels=d", "a b c d"),
        ("a,b c", "logits=a,b,labels=c", "a,b c"),
        ("logits other labels", "labels=other", "logits other"),
        ("val.pt:a val.pt:y test.pt:y test.pt:a", "logits=a", "val.pt:a val.pt:y test.pt:a test.pt:y"),
        ("1.pt:z 1.pt:y 2.pt:y 2.pt:z", "val=2,test=1.pt", "2.pt:z 2.pt:y 1.pt:z 1.pt:y"),
        ("val/a:z val/b:y test/a:y test/b:z", "", "val/a:z val/b:y test/b:z test/a:y"),
    ],
)  # fmt: skip
def test_arrays_are_recognised(names: str, given: str, expected: str) -> None:
    assert taken(names.split(), given) == expected.split()


def test_probabilities_are_preferred_on_request() -> None:
    names = ["logits", "probs", "labels"]
    assert taken(names) == ["logits", "labels"]
    assert taken(names, probabilities=True) == ["probs", "labels"]


@pytest.mark.parametrize(
    ("names", "given", "error", "message"),
    [
        ("foo bar", "", InputError, "among foo, bar. Name it with --names logits=NAME,labels=NAME"),
        ("val_logits val_labels", "", InputError, "--names test=FILE"),
        (FOUR.replace("test_labels", "test_answers"), "", InputError, "no test_labels among val_logits"),
        (
            "a_logits b_logits labels",
            "",
            InputError,
            "'a_logits' of mine.npz and 'b_logits' of mine.npz may both",
        ),
        ("one.npz:logits one.npz:y two.npz:logits two.npz:y", "", InputError, "--names val=FILE,test=FILE"),
        ("logits labels", "logits=lgits", ConfigurationError, "Did you mean 'logits'?"),
        ("logits labels", "lables=labels", ConfigurationError, "Did you mean 'labels'?"),
        ("logits labels", "logits", ConfigurationError, "KEY=NAME"),
        ("logits labels", "logits=", ConfigurationError, "KEY=NAME"),
        ("logits labels", "logits=a,logits=b", ConfigurationError, "twice"),
        ("logits labels", "test=mini.npz", ConfigurationError, "Did you mean 'mine.npz'?"),
    ],
)
def test_ambiguous_names_are_refused_with_the_available_ones(
    names: str, given: str, error: type[CalibsweepError], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        taken(names.split(), given)
