"""The long-tailed form: published totals, disjoint parts, one training part for both validation parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sweeps.fields import selected
from trainables import datasets
from trainables.catalogue import DATASETS
from trainables.datasets.base import Dataset, Split
from trainables.datasets.long_tail import in_form
from trainables.errors import ConfigurationError
from trainables.imbalance import class_sizes, largest_of, part_sizes
from trainables.operations import flops_per_epoch
from trainables.resolve import resolve
from trainables.trial import Component

CIFAR_10_LT = {200: 11_203, 100: 12_406, 50: 13_996, 10: 20_431}
FORM = {"imbalance": "exponential", "factor": 7.0, "validation_form": "longtail"}


def made(counts: list[int], validation: int, *, held_out: bool = True) -> Dataset:
    """Classes of these sizes, of which the last samples of a shuffled order are for validation."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))

    def part(ids: torch.Tensor) -> Split:
        return Split(torch.stack([ids, labels[ids]], dim=1).float(), labels[ids], ids)

    parts = part(order[validation:]), part(order[:validation]), part(order[:5])
    dataset = Dataset(*parts, num_classes=len(counts), input_shape=(2,))
    dataset.held_out = held_out
    return dataset


def counts_of(part: Split, classes: int) -> list[int]:
    return torch.bincount(part.labels, minlength=classes).tolist()


@pytest.mark.parametrize(("factor", "total"), CIFAR_10_LT.items())
def test_published_totals(factor: int, total: int) -> None:
    sizes = class_sizes("exponential", factor, 5000, 10)
    assert sum(sizes) == total
    assert sizes[0] == 5000 and sizes[-1] == 5000 // factor
    assert largest_of("exponential", factor, [5000] * 10) == 5000


def test_step_halves_the_classes() -> None:
    assert class_sizes("step", 8, 41, 5) == [41, 41, 5, 5, 5]


@pytest.mark.parametrize("form", ["exponential", "step"])
@pytest.mark.parametrize("available", [[59, 71, 48], [212, 357], [9, 300, 2, 7]])
def test_the_largest_number_that_each_class_can_give(form: str, available: list[int]) -> None:
    for factor in (1.0, 2.5, 3.0, 10.0):
        found = largest_of(form, factor, available)

        def fits(largest: int, factor: float = factor) -> bool:
            sizes = class_sizes(form, factor, largest, len(available))
            return all(size <= number for size, number in zip(sizes, available, strict=True))

        assert fits(found) and not fits(found + 1), factor


def test_parts_of_the_two_forms() -> None:
    counts = [70, 90, 63, 70]
    before = made(counts, validation=61)
    pool = {int(i) for i in torch.cat([before.train.sample_ids, before.validation.sample_ids])}
    found = {}
    for form in ("longtail", "balanced"):
        data = in_form(made(counts, validation=61), "data set 'made'", {**FORM, "validation_form": form})
        train, validation = (set(part.sample_ids.tolist()) for part in (data.train, data.validation))
        assert not train & validation and train | validation <= pool
        for part in (data.train, data.validation):
            assert part.sample_ids.tolist() == sorted(part.sample_ids.tolist())
            assert torch.equal(part.inputs[:, 0].long(), part.sample_ids)
            assert torch.equal(part.inputs[:, 1].long(), part.labels)
        assert torch.equal(data.test.sample_ids, before.test.sample_ids)
        found[form] = data
    tail, even = found["longtail"], found["balanced"]
    assert torch.equal(tail.train.sample_ids, even.train.sample_ids)
    # n_max is 70: 70, 36, 19 and 10 samples, of which 61 / 293 are for validation.
    assert counts_of(tail.train, 4) == [55, 29, 15, 8]
    assert counts_of(tail.validation, 4) == [15, 7, 4, 2]
    assert counts_of(even.validation, 4) == [15] * 4


def test_a_validation_part_of_its_own_stays_or_has_the_form() -> None:
    own = made([40, 40, 40], validation=60, held_out=False)
    first = own.validation.sample_ids
    kept = in_form(own, "", {**FORM, "factor": 4.0, "validation_form": "balanced"})
    assert torch.equal(kept.validation.sample_ids, first)
    sizes = counts_of(kept.train, 3)
    assert sizes[0] // sizes[2] == 4 and sizes[0] > sizes[1] > sizes[2]
    tail = in_form(made([40, 40, 40], 60, held_out=False), "", {**FORM, "factor": 4.0})
    assert torch.equal(tail.train.sample_ids, kept.train.sample_ids)
    sizes = counts_of(tail.validation, 3)
    assert sizes[0] > sizes[1] > sizes[2] > 0 and set(tail.validation.sample_ids.tolist()) < set(
        first.tolist()
    )


def test_the_choice_depends_on_the_seed_of_the_data_alone() -> None:
    def ids(seed: int, factor: float) -> set[int]:
        data = in_form(made([50, 50, 50], 30), "", {**FORM, "factor": factor, "split_seed": seed})
        return {*data.train.sample_ids.tolist(), *data.validation.sample_ids.tolist()}

    torch.manual_seed(5)
    assert ids(1, 5.0) == ids(1, 5.0) < ids(1, 2.0)
    assert ids(1, 5.0) != ids(2, 5.0)


def test_keys_and_labels() -> None:
    plain = resolve("digits", "mlp", "cross_entropy", 0)
    assert dict(plain.dataset.params) == {"training_samples": 300, "validation_samples": 300}
    off = resolve(("digits", {"imbalance": ""}), "mlp", "cross_entropy", 0)
    assert off.key == plain.key and off.dataset == plain.dataset
    on = Component.resolve(DATASETS, ("digits", {"imbalance": "exponential", "factor": 10}))
    assert dict(on.params) == {**dict(plain.dataset.params), **FORM, "factor": 10.0}
    assert on.label == "digits(imbalance=exponential,factor=10)"
    even = Component.resolve(
        DATASETS, ("digits", {"imbalance": "step", "factor": 3, "validation_form": "balanced"})
    )
    assert even.label == "digits(imbalance=step,factor=3,validation_form=balanced)"
    several = selected(DATASETS, {"cifar10": {"imbalance": "exponential", "factor": [10, 50]}})
    assert [params["factor"] for _, params in several] == [10, 50]


def test_loading_agrees_with_the_sizes_told_in_advance() -> None:
    form = {"imbalance": "exponential", "factor": 5.0}
    data = datasets.load("digits", **form)
    assert counts_of(data.train, 10)[0] > 4 * counts_of(data.train, 10)[9] > 0
    assert len(data.test) == 1197
    told = part_sizes((300, 300, 1197), 10, {**form, "validation_form": "longtail"})
    assert told[2] == 1197
    tail, plain = (flops_per_epoch(resolve(data, "mlp", "brier", 0)) for data in (("digits", form), "digits"))
    assert tail and plain and tail / plain == (3 * told[0] + told[1] + told[2]) / (3 * 300 + 300 + 1197)
    # The classes of digits are not of one size.
    assert abs(len(data.train) - told[0]) <= 0.05 * told[0]


@pytest.mark.parametrize(
    ("dataset", "params", "named"),
    [
        ("digits", {"imbalance": "exponential", "factor": 0.5}, "factor must be at least 1"),
        ("digits", {"imbalance": "exponential"}, "needs a value for 'factor'"),
        ("digits", {"factor": 10}, "factor needs imbalance"),
        ("digits", {"imbalance": "exponental", "factor": 10}, "'exponential'"),
        ("digits", {"imbalanse": "step"}, "Did you mean 'imbalance'"),
        ("sst", {"imbalance": "step", "factor": 10}, "no parameter 'imbalance'"),
        ("svhn", {"imbalance": "step", "factor": 10}, "no parameter 'imbalance'"),
    ],
)
def test_refused_before_loading(dataset: str, params: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Component.resolve(DATASETS, (dataset, params))
    (line,) = refused.value.lines
    assert f"data set {dataset!r}" in line and named in line


@pytest.mark.parametrize(
    ("counts", "factor", "named"),
    [
        ([9, 9, 9], 9.0, "leaves 1 samples of class 2"),
        ([9, 9, 9], 100.0, "leaves 0 samples of class 1"),
        ([9, 0, 9], 1.0, "none of class 1"),
        ([2, 1, 1, 1, 0, 0, 0], 1.0, "7 classes and 5 samples"),
    ],
)
def test_refused_by_the_data(counts: list[int], factor: float, named: str) -> None:
    form = "step" if factor == 100 else "exponential"
    with pytest.raises(ConfigurationError) as refused:
        in_form(made(counts, 2), "data set 'made'", {**FORM, "imbalance": form, "factor": factor})
    (line,) = refused.value.lines
    assert line.startswith("data set 'made': ") and named in line


def test_a_balanced_validation_part_needs_samples_of_each_class() -> None:
    form = {**FORM, "validation_form": "balanced"}
    data = in_form(made([14, 15, 9], 3), "", form | {"factor": 14.0})
    assert counts_of(data.train, 3)[2] == 1 and counts_of(data.validation, 3) == [1, 1, 1]
    with pytest.raises(
        ConfigurationError, match="'made': validation_form: balanced needs a sample of class 2"
    ):
        in_form(made([14, 15, 1], 3), "data set 'made'", form | {"factor": 14.0})


@pytest.mark.slow
def test_cifar_10_lt(real: Callable[[str], Path]) -> None:
    data = datasets.load("cifar10", real("cifar10"), imbalance="exponential", factor=100)
    assert len(data.train) + len(data.validation) == CIFAR_10_LT[100]
    assert counts_of(data.train, 10)[::9] == [4500, 45] and counts_of(data.validation, 10)[::9] == [500, 5]
    assert len(data.test) == 10_000
    told = part_sizes(
        (45_000, 5000, 10_000),
        10,
        {"imbalance": "exponential", "factor": 100.0, "validation_form": "longtail"},
    )
    assert told == (len(data.train), len(data.validation), 10_000)
