"""Published numbers beside ours: verdicts against scipy and enumeration, and a reason for each without."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results.comparison.ours import Ours
from results.comparison.places import LONG_TAILED, LOSSES, METHODS, METRICS, PLACES
from results.comparison.rendering import by_place, notes, outcome_of, render
from results.comparison.verdicts import Outcome, Reason, Row, Verdict, compare, counts, score_of
from results.scoring.scores import known_metrics
from results.tables.published import PAPERS, published
from sweeps.expand import expected_frame, load
from trainables.errors import ConfigurationError
from trainables.resolve import resolve
from trainables.trial import Selection, Trial, canonical_json

PAPER, PLACE = "mukhoti2020", ("CIFAR-10", "ResNet-110")
SEEDS = (3, 1, 4, 5)


def trials_of(
    loss: Selection, protocol: str = PAPER, seeds: Sequence[int] = SEEDS, **settings: float
) -> list[Trial]:
    return [resolve("cifar10", "resnet110", loss, seed, protocol, training=settings) for seed in seeds]


def frame_of(trials: Sequence[Trial], **scores: Sequence[float]) -> pd.DataFrame:
    frame = pd.DataFrame({"identity": [canonical_json(trial.identity()) for trial in trials], **scores})
    return frame.assign(key=[trial.key for trial in trials])


def found(rows: Sequence[Row], loss: str, metric: str, scaling: str, table: int | None = None) -> Verdict:
    (number,) = (
        number
        for row in rows
        for number in row.numbers
        if (number.dataset, number.model) == PLACE
        and (number.loss, number.metric, number.scaling) == (loss, metric, scaling)
        and (number.table == table if table else not number.repeats)
    )
    return number


def test_a_single_run_is_judged_by_the_prediction_interval_of_our_seeds() -> None:
    # Table 1 has 4.41 for cross-entropy before scaling.
    ours = [0.031, 0.0402, 0.0445, 0.0368]
    number = found(
        compare(published(), frame_of(trials_of("cross_entropy"), test_ece=ours)),
        "Cross-Entropy",
        "ECE",
        "before",
    )
    percent = 100 * np.array(ours)
    half = stats.t.ppf(0.975, 3) * percent.std(ddof=1) * math.sqrt(1 + 1 / 4)
    assert (number.published, number.seeds, number.table) == (4.41, 4, 1)
    assert (number.low, number.high) == pytest.approx((percent.mean() - half, percent.mean() + half))
    assert number.width == pytest.approx(2 * half)
    statistic = (4.41 - percent.mean()) / (half / stats.t.ppf(0.975, 3))
    assert number.p_value == pytest.approx(2 * stats.t.sf(abs(statistic), 3))
    assert number.outcome is Outcome.AGREES and number.differences == ()


def test_a_mean_of_five_is_judged_by_the_interval_of_such_a_mean_at_the_papers_own_temperature() -> None:
    ours = [0.031, 0.0402, 0.0445, 0.0368]
    frame = frame_of(
        trials_of("cross_entropy", "adafocal2022"),
        test_adaptive_ece_after_adaptive_ece=ours,
        test_adaptive_ece_after_ece=[0.9] * 4,
    )
    number = found(compare(published(), frame), "Cross-Entropy", "ECE_EM", "after")
    percent = 100 * np.array(ours)
    half = stats.t.ppf(0.975, 3) * percent.std(ddof=1) * math.sqrt(1 / 5 + 1 / 4)
    assert number.high - number.mean == pytest.approx(half)
    assert number.outcome is Outcome.DIFFERS and number.published < number.low


def test_an_interval_ends_where_scores_end() -> None:
    frame = frame_of(trials_of("cross_entropy"), test_mce=[0.05, 0.99, 0.4, 0.7], test_nll=[0.1, 2.9, 0.3, 4])
    rows = compare(published(), frame)
    mce, nll = (found(rows, "Cross-Entropy", metric, "before") for metric in ("MCE", "NLL"))
    assert (mce.low, mce.high, nll.low) == (0, 100, 0) and nll.high > 100


def test_agreement_by_chance_is_that_of_all_ways_to_deal_the_published_numbers() -> None:
    losses = ["cross_entropy", "focal_1", "flsd_53", "brier", "mmce"]
    values = {loss: np.random.default_rng(place).normal(0.05, 0.002, 4) for place, loss in enumerate(losses)}
    trials = [trial for loss in losses for trial in trials_of(loss)]
    rows = compare(published(), frame_of(trials, test_error=np.concatenate([*values.values()])))
    (row,) = (row for row in rows if row.comparable)
    assert (row.tables, row.metric, len(row.comparable)) == ((4, 7), "Error", 5)
    judged = row.comparable
    dealt = [
        sum(each.low <= value <= each.high for each, value in zip(judged, order, strict=True))
        for order in itertools.permutations([each.published for each in judged])
    ]
    assert row.chance is not None and 0 < row.chance.by_chance < 5
    assert row.chance.by_chance == pytest.approx(np.mean(dealt))
    assert row.chance.p_value == pytest.approx(np.mean(np.array(dealt) >= row.chance.agreeing), abs=0.02)
    ours = [each.mean for each in judged]
    theirs = [each.published for each in judged]
    assert row.rank_correlation == pytest.approx(stats.spearmanr(ours, theirs).statistic)
    assert row.width == pytest.approx(np.median([each.width for each in judged]))


def test_a_number_of_two_tables_counts_once() -> None:
    rows = compare(published(), frame_of(trials_of("flsd_53"), test_error=[0.05, 0.052, 0.049, 0.06]))
    first, again = (found(rows, "FLSD-53", "Error", "none", table) for table in (4, 7))
    assert (first.repeats, again.repeats) == (0, 4) and first.outcome is again.outcome
    total = counts(rows)
    assert (total.numbers, total.repeats, total.agree + total.differ) == (1522, 75, 1)
    assert total.not_comparable == sum(total.reasons.values()) == 1522 - 75 - 1
    seventh = counts(
        compare(published(("mukhoti2020/7",)), frame_of(trials_of("flsd_53"), test_error=[0.05] * 4))
    )
    assert (seventh.numbers, seventh.repeats, seventh.agree + seventh.differ) == (77, 0, 1)


def test_each_number_that_is_not_comparable_has_its_reason() -> None:
    planned = [*trials_of("cross_entropy"), *trials_of("focal_3"), *trials_of("mmce"), *trials_of("brier")]
    done = [*planned[:4], *planned[4:7], planned[12]]
    nan = math.nan
    error = [0.05, 0.051, nan, 0.049, *[0.05] * 3, 0.05]
    mce = [0.2, 0.3, 0.4, 0.5, *[0.1] * 3, 0.1]
    frame = frame_of(done, test_error=error, test_mce_after_ece=mce)
    in_sweep, in_store = compare(published(), frame, expected_frame(planned)), compare(published(), frame)

    def reason(rows: Sequence[Row], loss: str, metric: str, scaling: str = "none") -> Reason | None:
        return found(rows, loss, metric, scaling).reason

    assert reason(in_sweep, "Cross-Entropy", "Error") is Reason.NO_SCORE
    assert reason(in_sweep, "Cross-Entropy", "NLL", "before") is Reason.NO_SCORE
    assert reason(in_sweep, "Cross-Entropy", "MCE", "after") is None
    assert reason(in_sweep, "FL-3", "Error") is Reason.SEEDS_MISSING
    assert found(in_sweep, "FL-3", "Error", "none").detail == "5"
    assert reason(in_sweep, "FL-3", "MCE", "after") is Reason.DOUBTED
    assert reason(in_sweep, "MMCE", "Error") is Reason.NOT_TRAINED
    assert reason(in_sweep, "FLSD-53", "Error") is Reason.NOT_PLANNED
    assert reason(in_sweep, "Focal Loss (variant not named)", "S99_share", "before") is Reason.UNKNOWN_LOSS
    assert reason(in_store, "Brier Loss", "Error") is Reason.ONE_SEED
    assert reason(in_store, "FL-3", "Error") is None
    assert reason(in_store, "FLSD-53", "Error") is Reason.NOT_TRAINED
    others = {(n.dataset, n.model, n.loss, n.metric): n.reason for row in in_store for n in row.numbers}
    assert others["WMT14 En-De", "Transformer", "FL-1", "BLEU"] is Reason.UNKNOWN_NETWORK
    assert others["CIFAR-10", "Wide-ResNet-26-10", "FL-1", "Error"] is Reason.UNREADABLE


def test_the_training_closest_to_the_papers_is_compared_and_its_differences_are_named() -> None:
    short, shorter = (trials_of("mmce", epochs=epochs) for epochs in (40, 30))
    usual, batch = trials_of("mmce"), trials_of("mmce", epochs=40, batch_size=64)
    score = [0.05, 0.052, 0.049, 0.06]

    def mmce(*groups: list[Trial]) -> Verdict:
        trials = [trial for group in groups for trial in group]
        values = [value + 0.1 * place for place, _ in enumerate(groups) for value in score]
        rows = compare(published(("mukhoti2020/4",)), frame_of(trials, test_error=values))
        return found(rows, "MMCE", "Error", "none")

    assert mmce(batch, usual).mean == pytest.approx(5.275 + 10) and mmce(batch, usual).differences == ()
    assert mmce(short, batch).mean == pytest.approx(5.275)
    assert mmce(short).differences == ("epochs 40, not 350",)
    assert mmce(short, shorter).reason is Reason.AMBIGUOUS
    assert mmce(trials_of(("mmce", {"weight": 3}))).reason is Reason.NOT_TRAINED


def test_every_place_loss_and_metric_is_one_of_ours() -> None:
    for (_, _), (dataset, model) in PLACES.items():
        for paper in PAPERS.values():
            for loss in LOSSES.values():
                resolve(dataset, model, loss, 0, paper.protocol)
    assert {*METRICS.values()} <= {*known_metrics()}
    unknown = published()[["dataset", "model"]].drop_duplicates().apply(tuple, axis=1)
    assert {*unknown} - {*PLACES} == {("WMT14 En-De", "Transformer")}
    assert score_of("adafocal2022", "ECE_EM", "after").column == "test_adaptive_ece_after_adaptive_ece"


def test_formats_show_every_number_and_no_markup_of_a_foreign_store() -> None:
    trials = trials_of("cross_entropy")
    frame = frame_of(trials, test_error=[0.05, 0.052, 0.049, 0.06])
    frame["identity"] = frame["identity"].str.replace('"precision":"float32"', '"precision":"=<b>|x"')
    assert frame["identity"].str.contains("<b>").all()
    rows = compare(published(), frame)
    lines = [*csv.DictReader(io.StringIO(render(rows, "csv")))]
    assert len(lines) == 1522
    judged = [line for line in lines if line["outcome"] != "not_comparable"]
    assert [(line["table"], line["loss"]) for line in judged] == [("4", "Cross-Entropy")]
    markdown = render(rows, "md")
    assert "<b>" not in markdown.replace("\\<b\\>", "") and r"\|x" in markdown
    page = render(rows, "html")
    assert "<b>" not in page and "=&lt;b&gt;|x" in page and "http" not in page
    assert page.count("<details>") == sum(row.trained for row in rows)
    (paper, place, there), _ = by_place(rows)
    assert (paper, place) == (PAPER, PLACE)
    assert any("precision =<b>|x, not float32" in note for note in notes(there))
    assert outcome_of(found(rows, "FL-1", "Error", "none")) == "not comparable: no finished trial"
    with pytest.raises(ConfigurationError, match="Did you mean 'csv'"):
        render(rows, "cvs")


def test_long_tailed_numbers_are_set_beside_trials_of_their_form_and_method() -> None:
    def trials(loss: str, factor: float, **chosen: Any) -> list[Trial]:
        data = ("cifar10", {"imbalance": "exponential", "factor": factor, **chosen.pop("data", {})})
        return [resolve(data, "resnet32", loss, seed, "longtail", **chosen) for seed in SEEDS]

    def numbers(*groups: list[Trial], paper: str = "bagoftricks2021") -> dict[tuple[str, str], Verdict]:
        every = [trial for group in groups for trial in group]
        errors = np.resize([0.23, 0.24, 0.22, 0.235], len(every))
        accuracies = {
            "test_top_1_accuracy": 1 - errors,
            "test_top_1_accuracy_after_prior_correction": 1.01 - errors,
        }
        frame = frame_of(every, test_error=errors, **accuracies)
        rows = compare(published(), frame)
        return {(n.dataset, n.loss): n for row in rows if row.paper == paper for n in row.numbers}

    here, elsewhere = "CIFAR-10-LT (100)", "CIFAR-10-LT (50)"
    found = numbers(trials("balanced_softmax", 100), trials("cross_entropy", 100, training={"mixup": 1}))
    softmax = found[here, "balanced softmax"]
    # 22.46 beside a mean of 23.1.
    assert (softmax.outcome, softmax.seeds) == (Outcome.AGREES, len(SEEDS))
    assert len(softmax.differences) == 1 and "epoch" in softmax.differences[0]
    assert found[here, "mixup"].seeds == len(SEEDS)
    for place in (
        (here, "cross-entropy"),
        (here, "class-balanced sampling"),
        (elsewhere, "balanced softmax"),
    ):
        assert found[place].reason is Reason.NOT_TRAINED
    assert found[here, "focal"].reason is Reason.UNKNOWN_LOSS
    balanced = {"validation_form": "balanced"}
    sampled = trials("cross_entropy", 50, sampler="class_balanced", data=balanced)
    found = numbers(sampled)
    assert found[elsewhere, "class-balanced sampling"].differences[0].startswith("validation_form balanced")
    adjusted = numbers(trials("logit_adjustment", 100), paper="menon2021")
    assert adjusted[here, "logit adjustment as loss"].mean == pytest.approx(76.875)
    assert adjusted[here, "cross-entropy"].reason is Reason.NOT_TRAINED
    usual = numbers(trials("cross_entropy", 100), paper="menon2021")
    means = [usual[here, name].mean for name in ("cross-entropy", "logit adjustment after training")]
    assert means == pytest.approx([76.875, 77.875])


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_long_tailed_sweeps_have_each_published_method_as_published(name: str) -> None:
    sweep = load(f"{name}_lt")
    assert len({trial.key for trial in sweep.trials}) == 285
    ours = Ours(frame_of([]), expected_frame(sweep.trials))
    places = {printed for printed, (data, _) in LONG_TAILED.items() if data == name}
    numbers = published()
    numbers = numbers[numbers["dataset"].isin(places)]
    cells = numbers[["paper", "dataset", "model", "loss"]].drop_duplicates()
    of_ours = [cell for cell in cells.itertuples(index=False) if cell.loss in METHODS]
    for cell in of_ours:
        ((trained, differences),) = ours.closest(*cell)
        assert (trained.planned, differences) == ((0, 1, 2, 3, 4), ())
    assert {*cells["loss"]} - {*METHODS} == {*("focal", "DRW with class-balanced focal", "MiSLAS")}
