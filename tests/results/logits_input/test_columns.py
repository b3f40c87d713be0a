"""Which columns of a table are labels and logits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from results.scoring.logits_input.columns import Kind, columns
from results.scoring.logits_input.names import Names
from trainables.errors import CalibsweepError, ConfigurationError, InputError

KINDS: dict[str, Kind] = {"#": "list", "$": "text", "%": "other"}


def found(names: str, given: str = "", probabilities: bool = False) -> tuple[str, list[str], str | None]:
    """The columns of a table with these; # at the end marks a column of lists, $ one of text."""
    kinds: dict[str, Kind] = {name.rstrip("#$%"): KINDS.get(name[-1], "number") for name in names.split()}
    parsed = Names.parsed([given] if given else [])
    chosen = columns(kinds, parsed, Path("mine.csv"), probabilities=probabilities)
    return chosen.labels, list(chosen.logits), chosen.split


@pytest.mark.parametrize(
    ("names", "given", "label", "logits"),
    [
        ("label logit_0 logit_1 logit_2", "", "label", "logit_0 logit_1 logit_2"),
        ("id z10 z9 z8 z7 z6 z5 z4 z3 z2 z1 z0 y", "", "y", "z0 z1 z2 z3 z4 z5 z6 z7 z8 z9 z10"),
        ("0 1 2 target", "", "target", "0 1 2"),
        ("class class1 class2 class3", "", "class", "class1 class2 class3"),
        ("true_label logit_0 logit_1 prob_0 prob_1", "", "true_label", "logit_0 logit_1"),
        ("label top1 top5 logit_0 logit_1", "", "label", "logit_0 logit_1"),
        ("Unnamed:0 cat dog cow label pred confidence", "", "label", "cat dog cow"),
        ("label logit", "", "label", "logit"),
        ("sample_id label logits#", "", "label", "logits"),
        ("label embedding# logits#", "", "label", "logits"),
        ("species a0 a1 b0 b1", "labels=species,logits=b", "species", "b0 b1"),
        ("species$ cat dog", "labels=species", "species", "cat dog"),
        ("label zcat zdog other", "logits=z", "label", "zcat zdog"),
        ("label a0 a1 b", "logits=b", "label", "b"),
    ],
)  # fmt: skip
def test_columns_are_recognised(names: str, given: str, label: str, logits: str) -> None:
    assert found(names, given) == (label, logits.split(), None)


def test_a_column_assigns_rows_to_parts() -> None:
    assert found("split$ label z0 z1") == ("label", ["z0", "z1"], "split")


def test_probabilities_are_preferred_on_request() -> None:
    assert found("label logit_0 logit_1 prob_0 prob_1", probabilities=True)[1] == ["prob_0", "prob_1"]


@pytest.mark.parametrize(
    ("names", "given", "error", "message"),
    [
        ("a b c", "", InputError, "no column of labels among a, b, c"),
        ("label target z0 z1", "", InputError, "'label' and 'target' may be the label"),
        ("label id", "", InputError, "no columns of logits"),
        ("label a0 a1 b0 b1", "", InputError, "--names logits=PREFIX"),
        ("label z0 z2 z3", "", InputError, "z1 is missing"),
        ("label z2 z3", "", InputError, "z1 is missing"),
        ("lable z0 z1", "labels=lable2", ConfigurationError, "Did you mean 'lable'?"),
        ("label logit_0 logit_1", "logits=lgit", ConfigurationError, "Did you mean 'logit_1'?"),
    ],
)
def test_ambiguous_columns_are_refused_with_the_candidates(
    names: str, given: str, error: type[CalibsweepError], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        found(names, given)
