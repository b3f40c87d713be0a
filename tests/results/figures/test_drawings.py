"""The numbers in each figure, compared with the store's own or computed another way."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from matplotlib.patches import Rectangle
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from results.figures import arithmetic, kinds
from results.figures.data import Cell, Part, Results, Trial
from results.figures.errors import NothingToDrawError
from trainables.calibration import ece, reliability_bins
from trainables.calibrators.grid import TEMPERATURES
from trainables.calibrators.temperature import criterion_curves
from trainables.datasets import load as load_dataset

from .conftest import GOLDEN, altered, drawn, lines, only, pictures


def tensors(part: Part) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(part.logits).double(), torch.from_numpy(part.labels)


def heights(bars: list[Rectangle]) -> list[float]:
    return [bar.get_height() for bar in bars]


@pytest.mark.parametrize("column", [0, 1])
def test_a_reliability_diagram_shows_the_bins(cell: Cell, column: int) -> None:
    figure = drawn("reliability", Results([cell]))
    trial = cell.one_seed(None)[0]
    logits, labels = tensors(trial.parts["test"])
    temperature = trial.scores["temperature_ece"] if column else 1
    expected = reliability_bins(torch.softmax(logits / temperature, dim=1), labels)
    filled = expected.counts > 0
    diagram, histogram = figure.axes[column], figure.axes[2 + column]
    accuracy, gap = diagram.containers[0], diagram.containers[1]
    np.testing.assert_allclose(heights(accuracy), expected.accuracies[filled], atol=1e-9)
    np.testing.assert_allclose(
        np.add(heights(accuracy), heights(gap)), expected.confidences[filled], atol=1e-9
    )
    np.testing.assert_allclose(heights(histogram.containers[0]), 100 * expected.counts / len(labels))
    ece = trial.scores["test_ece_after_ece" if column else "test_ece"]
    assert f"{100 * ece:.2f}%" in diagram.get_title(loc="left")


def test_reliability_by_class_shows_each_class_against_the_others(cell: Cell) -> None:
    figure = drawn("reliability_by_class", Results([cell]))
    trial = cell.one_seed(None)[0]
    test = trial.parts["test"]
    logits, labels = tensors(test)
    classes = logits.shape[1]
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert len(panels) == classes == 10
    for scaled, number in ((logits, 3), (logits / trial.scores["temperature_ece"], 7)):
        probabilities = torch.softmax(scaled, dim=1)[:, number]
        own = torch.stack([probabilities, torch.zeros_like(probabilities)], dim=1)
        # As the confidence of a network that always predicts this class.
        bins = [(15 * probabilities).ceil().long().clamp(1, 15) == bin for bin in range(1, 16)]
        expected = [float((labels[chosen] == number).double().mean()) for chosen in bins if chosen.any()]
        gaps = [
            abs(float(((labels == number).double() - own[:, 0])[chosen].sum())) / len(labels)
            for chosen in bins
        ]
        panel = panels[number]
        if scaled is logits:
            np.testing.assert_allclose(heights(panel.containers[0]), expected, atol=1e-9)
            assert f"ECE {100 * sum(gaps):.2f}" in panel.get_title(loc="left")
        else:
            np.testing.assert_allclose(panel.lines[-1].get_ydata(), expected, atol=1e-9)
            assert f"{100 * sum(gaps):.2f}%" in panel.get_title(loc="left")
    # Of many classes, those with the most and the fewest training samples.
    many = dataclasses.replace(
        test,
        logits=np.repeat(test.logits, 2, axis=1),
        class_counts=tuple(100 - 7 * (number % 9) - number for number in range(20)),
    )
    given = dataclasses.replace(trial, read=None, given={"test": many})
    figure = drawn("reliability_by_class", Results([dataclasses.replace(cell, trials=(given,))]))
    shown = [
        axes.get_title(loc="left").split()[1].rstrip(",")
        for axes in figure.axes
        if axes.get_title(loc="left")
    ]
    order = sorted(range(20), key=lambda number: -(many.class_counts or ())[number])
    assert [*map(int, shown)] == sorted([*order[:6], *order[-6:]])


def test_the_band_of_a_bin_is_binomial() -> None:
    # Four bins with equal confidences each: then the number of hits is binomial.
    sizes, levels = {3: 40, 7: 71, 11: 12, 13: 350}, {3: 0.25, 7: 0.5, 11: 0.77, 13: 0.9}
    confidences = np.concatenate([np.full(n, levels[bin]) for bin, n in sizes.items()])
    found = arithmetic.binned(confidences, np.zeros(len(confidences), dtype=np.int64))
    from scipy.stats import binom

    for bin, samples in sizes.items():
        low, high = binom.ppf(arithmetic.BAND, samples, levels[bin])
        # A thousand draws place a quantile up to about a tenth of a standard deviation off.
        off = 1 + 0.15 * np.sqrt(samples * levels[bin] * (1 - levels[bin]))
        assert abs(found.lower[bin] * samples - low) <= off
        assert abs(found.upper[bin] * samples - high) <= off
    assert np.isnan(found.lower).sum() == 15 - len(sizes)


def test_recorded_bins_have_floor_and_band_of_their_counts() -> None:
    # Equal confidences within each bin, as above: then draws of single samples know no more.
    sizes, levels = {3: 40, 7: 71, 11: 12, 13: 350}, {3: 0.25, 7: 0.5, 11: 0.77, 13: 0.9}
    confidences = np.concatenate([np.full(n, levels[bin]) for bin, n in sizes.items()])
    correct = (np.arange(len(confidences)) % 3 > 0).astype(np.int64)
    drawn_bins = arithmetic.binned(confidences, correct)
    samples, sums, hits = np.zeros((3, 15))
    for bin, n in sizes.items():
        chosen = confidences == levels[bin]
        samples[bin], sums[bin], hits[bin] = n, confidences[chosen].sum(), correct[chosen].sum()
    found = arithmetic.of_recorded(samples, sums, hits)
    np.testing.assert_array_equal(found.counts, drawn_bins.counts)
    np.testing.assert_allclose(found.accuracies, drawn_bins.accuracies)
    assert found.ece == pytest.approx(drawn_bins.ece)
    assert found.floor == pytest.approx(drawn_bins.floor, rel=0.05)
    filled = samples > 0
    for one, other in ((found.lower, drawn_bins.lower), (found.upper, drawn_bins.upper)):
        off = np.abs(one - other)[filled] * samples[filled]
        assert (off <= 1 + 0.15 * np.sqrt(samples[filled] / 4)).all()


def test_gradients_of_single_samples_are_shares_of_the_training_part(cell: Cell) -> None:
    def recorded(trial: Trial) -> Trial:
        counts = [[0.0] * 29 + [epoch + 1.0] for epoch in range(len(trial.curves))]
        for epoch, row in enumerate(counts):
            row[epoch] = 3.0 * (epoch + 1)
        plain = {"gradient_norm": trial.curves["gradient_norm"], "gradient_bins": counts}
        return altered(trial, pa.Table.from_pydict(plain))

    results = Results([dataclasses.replace(cell, trials=tuple(map(recorded, cell.trials)))])
    _, single = pictures("gradients", results)
    assert [axes.get_title(loc="left") for axes in single.drawing.axes[:3]] == [
        "(a) epoch 1",
        "(b) epoch 3",
        "(c) epoch 6",
    ]
    for axes, epoch in zip(single.drawing.axes, (1, 3, 6), strict=False):
        heights = axes.patches[0].get_data().values
        assert (heights[epoch - 1], heights[29], heights.sum()) == (75, 25, 100)
    assert len(pictures("gradients", Results([cell]))) == 1


def with_bins(trial: Trial) -> Trial:
    """The trial with curves that have bins, different in each epoch."""
    bins = {
        f"{part}_bins": [
            [[40.0, 0.0, 60.0], [10.0 + epoch, 0.0, 50.0], [12.0, 0.0, 40.0 + number + epoch]]
            for epoch in range(len(trial.curves))
        ]
        for number, part in enumerate(("train", "validation", "test"))
    }
    bins["test_bins_after_ece"] = bins["validation_bins"]
    curves = pa.Table.from_pydict({"epoch": [*range(len(trial.curves))], **bins})
    return altered(trial, curves)


def test_other_epochs_are_drawn_from_recorded_bins(cell: Cell) -> None:
    recorded = dataclasses.replace(cell, trials=tuple(map(with_bins, cell.trials)))
    results = Results([recorded], epoch=4)
    picture = pictures("reliability", results)[0]
    assert "epoch 4" in picture.title
    before, after = (picture.drawing.axes[column].containers[0] for column in (0, 1))
    assert heights(before) == pytest.approx([12 / 40, 45 / 60])
    assert heights(after) == pytest.approx([12 / 40, 44 / 60])
    # Gaps of validation and training: of the first bin (13 - 12) / 40 and of the last (50 - 44 or 43) / 60.
    (points,) = drawn("bin_correspondence", results).axes[1].collections
    seeds = len(cell.by_loss["adafocal"])
    expected = [[2.5, 2.5], [10.0, 100 * 7 / 60]] * seeds
    np.testing.assert_allclose(points.get_offsets(), expected)
    with pytest.raises(NothingToDrawError, match="10 epochs"):
        pictures("reliability", dataclasses.replace(results, epoch=11))
    with pytest.raises(NothingToDrawError, match="'test_bins'"):
        pictures("reliability", Results([cell], epoch=4))


def test_scores_over_temperatures_are_those_that_chose(cell: Cell) -> None:
    figure = drawn("temperature", Results([cell], seed=1))
    for trial in cell.one_seed(1):
        for row, part in enumerate(("validation", "test")):
            curves = criterion_curves(*tensors(trial.parts[part]), ["ece", "nll"])
            for axes, name, factor in (
                (figure.axes[2 * row], "ece", 100),
                (figure.axes[2 * row + 1], "nll", 1),
            ):
                ((x, y),) = lines(axes, trial.loss)
                np.testing.assert_allclose(x, TEMPERATURES)
                np.testing.assert_allclose(y, factor * curves[name], atol=1e-9)
        marked = next(line for line in figure.axes[0].lines if line.get_label() == trial.loss)
        assert TEMPERATURES[marked.get_markevery()[0]] == trial.scores["temperature_ece"]


def mean_of_files(loss: str, column: str) -> list[float]:
    """A curve of the recorded MLP, the mean over its files."""
    files = (GOLDEN / "store/epochs").glob(f"*/mlp/{loss}/*.parquet")
    return list(np.mean([pyarrow.parquet.read_table(file)[column].to_numpy() for file in files], axis=0))


def test_curves_are_means_over_seeds(cell: Cell) -> None:
    results = Results([cell])
    by_loss = drawn("training_by_loss", results)
    for number, column, factor in ((0, "test_ece", 100), (2, "test_nll", 1), (5, "weight_norm", 1)):
        for loss in cell.by_loss:
            ((x, y),) = lines(by_loss.axes[number], loss)
            assert x == [*range(1, 11)]
            np.testing.assert_allclose(y, factor * np.array(mean_of_files(loss, column)))
    ((_, norms),) = lines(drawn("gradients", results).axes[1], "adafocal")
    np.testing.assert_allclose(norms, mean_of_files("adafocal", "gradient_norm"))
    ((_, entropy),) = lines(drawn("training", results).axes[4], "train")
    np.testing.assert_allclose(entropy, mean_of_files("cross_entropy", "train_entropy_correct"))


def test_the_best_epochs_are_marked(cell: Cell) -> None:
    trial = cell.one_seed(None)[0]
    figure = drawn("early_stopping", Results([cell]))
    for by in ("error", "nll", "ece"):
        ((x,), (y,)) = next(lines(figure.axes[2], f"best {by}"))
        assert x == 1 + trial.curves[f"validation_{by}"].idxmin()
        assert y == pytest.approx(100 * trial.curves["test_ece"][x - 1])


@pytest.mark.parametrize("name", ["training", "training_by_loss", "early_stopping"])
def test_a_missing_column_is_named(cell: Cell, name: str) -> None:
    trial = cell.trials[0]
    curves = pa.Table.from_pandas(trial.curves.drop(columns=["test_nll"]))
    lacking = dataclasses.replace(cell, trials=(altered(trial, curves),))
    with pytest.raises(NothingToDrawError, match="'test_nll'"):
        pictures(name, Results([lacking]))


def test_points_of_losses_are_the_scores_in_rows(cell: Cell) -> None:
    figure = drawn("ece_and_error", Results([cell]))
    for axes, columns in (
        (figure.axes[0], ("test_ece", "test_ece_after_ece")),
        (figure.axes[1], ("test_error",)),
    ):
        for loss, trials in cell.by_loss.items():
            for (x, _), column in zip(lines(axes, loss), columns, strict=True):
                # The recorded scores are of float32.
                np.testing.assert_allclose(x, [100 * trial.scores[column] for trial in trials], rtol=1e-5)


def test_gaps_by_bin_add_up_to_the_error(cells: list[Cell]) -> None:
    (mlp,) = [each for each in cells if each.model == "mlp"]
    figure = drawn("gap_by_bin", Results([only(mlp, "cross_entropy", "focal(gamma=0.5)", "brier")]))
    assert {line.get_label() for line in figure.axes[1].lines[:-1]} == {"cross_entropy", "focal(gamma=0.5)"}
    ((_, gaps),) = lines(figure.axes[1], "cross_entropy")
    # 297 test samples: each bin has 19 or 20, and the sample of least confidence is in none.
    rows = [trial.scores["test_adaptive_ece"] for trial in mlp.by_loss["cross_entropy"]]
    assert np.abs(gaps).sum() / 15 <= 100 * np.mean(rows) * 1.05
    single = dataclasses.replace(mlp, trials=tuple(mlp.by_loss["cross_entropy"][:1]))
    alone = drawn(
        "gap_by_bin",
        Results([dataclasses.replace(single, trials=(*single.trials, *mlp.by_loss["focal(gamma=0.5)"]))]),
    )
    ((_, of_one),) = lines(alone.axes[1], "cross_entropy")
    assert np.abs(of_one).sum() / 15 == pytest.approx(
        100 * single.trials[0].scores["test_adaptive_ece"], rel=0.03
    )


def test_bins_correspond_to_the_gaps(cell: Cell) -> None:
    from results.figures.drawings.gap_by_bin import gaps_of

    figure = drawn("bin_correspondence", Results([cell]))
    (points,) = figure.axes[1].collections
    x, y = np.asarray(points.get_offsets()).T
    expected = [
        [100 * gap for trial in cell.by_loss["adafocal"] for gap in gaps_of(trial.parts[part])]
        for part in ("validation", "test")
    ]
    np.testing.assert_allclose([x, y], expected)


def test_the_area_below_a_roc_is_that_of_scikit_learn(cell: Cell) -> None:
    trial = cell.trials[0]
    test = trial.parts["test"]
    generator = np.random.default_rng(0)
    # Of a few values, so that some scores are equal.
    logits = np.round(2 * generator.normal(size=(53, 10)))
    table = pa.table(
        {
            "sample_id": np.arange(53),
            "label": np.full(53, -1),
            "logits": pa.FixedSizeListArray.from_arrays(pa.array(logits.ravel()), 10),
        }
    )
    seen = dataclasses.replace(trial, other={"svhn": lambda: table})
    figure = drawn("roc", Results([dataclasses.replace(cell, trials=(seen,))]))
    outside = np.concatenate([np.zeros(len(test.labels)), np.ones(53)])
    for axes, score in zip(
        figure.axes,
        (
            lambda p: -p.max(axis=1),
            lambda p: -(p * np.log(p)).sum(axis=1),
        ),
        strict=True,
    ):
        p = torch.softmax(torch.from_numpy(np.concatenate([test.logits, logits])), dim=1).numpy()
        ((x, y),) = lines(axes, trial.loss)
        assert x[0] == y[0] == 0 and x[-1] == y[-1] == 1
        assert np.trapezoid(y, x) == pytest.approx(roc_auc_score(outside, score(p)), abs=1e-9)


def test_single_samples_are_those_of_the_data_set(cell: Cell) -> None:
    from orchestrator.use_cases.figures import images_of
    from sweeps.expand import load

    figure = drawn("confidences", Results([cell], images=images_of(load(GOLDEN / "store.yaml"), None)))
    shown = [axes for axes in figure.axes if axes.images]
    bars = [axes for axes in figure.axes if not axes.images]
    test = load_dataset("digits", training_samples=1200).test
    trials = cell.one_seed(None)
    for image, confidences in zip(shown, bars, strict=True):
        pixels = np.asarray(image.images[0].get_array())
        (row,) = [
            n
            for n, known in enumerate(test.inputs[:, 0].double().numpy())
            if np.allclose((known + 1) / 2, pixels)
        ]
        assert image.get_title() == f"class {test.labels[row]}"
        found = [
            torch.softmax(tensors(trial.parts["test"])[0], dim=1)
            .max(dim=1)
            .values[trial.parts["test"].sample_ids.tolist().index(int(test.sample_ids[row]))]
            .item()
            for trial in trials
        ]
        widths = [bar.get_width() for container in confidences.containers for bar in container]
        np.testing.assert_allclose(widths, np.multiply(100, found))


def test_what_cannot_be_drawn_says_why(cell: Cell) -> None:
    for name, text in {"roc": "other data", "confidences": "images", "gap_by_bin": "fixed gamma"}.items():
        with pytest.raises(NothingToDrawError, match=text):
            pictures(name, Results([cell]))
    with pytest.raises(NothingToDrawError, match="seed 7"):
        pictures("reliability", Results([cell], seed=7))


def test_each_figure_is_named_after_its_file() -> None:
    assert [kind.name for kind in kinds.chosen(())] == kinds.names()
    assert {kind.name for kind in kinds.chosen(()) if kind.of_theory} == {
        "focal_gamma",
        "focal_gradient",
        "focal_loss",
        "focal_regularisation",
    }


def test_seeds_are_shared_by_all_losses(cell: Cell) -> None:
    def of(loss: str, seed: int) -> Trial:
        return Trial("", "digits", "mlp", loss, seed, {})

    uneven = dataclasses.replace(cell, trials=(of("brier", 0), of("brier", 3), of("mmce", 3), of("mmce", 5)))
    assert [(trial.loss, trial.seed) for trial in uneven.one_seed(None)] == [("brier", 3), ("mmce", 3)]
    assert [trial.loss for trial in uneven.one_seed(5)] == ["mmce"]


LOSSES = ("brier", "flsd_53", "mmce", "adafocal")


def sharper_by_loss(datasets: int, seeds: int = 2) -> list[Cell]:
    """Cells of two networks per data set, in which each loss is less calibrated than the one before."""
    generator = np.random.default_rng(6)
    cells = []
    for number in range(2 * datasets):
        trials = []
        for place, loss in enumerate(LOSSES):
            for seed in range(seeds):
                parts = {}
                for part, samples in {"validation": 59, "test": 83}.items():
                    logits = generator.normal(size=(samples, 3))
                    drawn_labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
                    parts[part] = Part((1 + 2 * place) * logits, drawn_labels, np.arange(samples))
                trials.append(Trial("", "", "", loss, seed, {"temperature_ece": 1 + 2 * place}, given=parts))
        cells.append(Cell(f"data{number // 2}", f"net{number % 2}", "", tuple(trials)))
    return cells


def test_ranks_and_bars_are_those_of_demsars_table() -> None:
    cells = sharper_by_loss(datasets=4)
    (picture,) = pictures("critical_difference", Results([*cells, only(cells[0], "mmce")]))
    heading = " ".join(picture.drawing.get_suptitle().split())
    assert "8 cells of 4 data sets" in heading and "1 incomplete cell" in heading
    before, after, _ = picture.drawing.axes

    def mean_ece(trials: list[Trial]) -> float:
        of_tests = (tensors(trial.parts["test"]) for trial in trials)
        return np.mean([ece(torch.softmax(logits, dim=1), labels) for logits, labels in of_tests])

    scores = [[mean_ece(cell.by_loss[loss]) for loss in LOSSES] for cell in cells]
    ranks = dict(zip(LOSSES, rankdata(scores, axis=1).mean(axis=0), strict=True))
    for loss, rank in ranks.items():
        ((x, _),) = lines(before, loss)
        assert x[0] == pytest.approx(rank)
    order = sorted(LOSSES, key=ranks.__getitem__)
    # q of four losses at 0.05: Demsar 2006, Table 5(a).
    critical = 2.569 * np.sqrt(4 * 5 / (6 * 8))
    alike = [
        (start, end)
        for start, end in itertools.combinations(range(4), 2)
        if ranks[order[end]] - ranks[order[start]] < critical
    ]
    longest = {
        (ranks[order[start]], ranks[order[end]])
        for start, end in alike
        if not any(a <= start and end <= b and (a, b) != (start, end) for a, b in alike)
    }
    assert len(longest) > 1
    bars = [(x[0], x[-1]) for x, _ in lines(before, "bar")]
    np.testing.assert_allclose(sorted(bars), sorted(longest))
    # After scaling by the true temperatures none is better: one bar for all.
    ((x, _),) = lines(after, "bar")
    of_all = [x[0] for loss in LOSSES for x, _ in lines(after, loss)]
    assert (x[0], x[-1]) == (min(of_all), max(of_all))


@pytest.mark.parametrize(
    ("losses", "datasets", "reason"),
    [(LOSSES[:2], 4, "at least 3 losses, not 2"), (LOSSES, 1, "at least 3 cells .* has 2")],
)
def test_too_few_to_rank_is_a_reason(losses: tuple[str, ...], datasets: int, reason: str) -> None:
    cells = [only(cell, *losses) for cell in sharper_by_loss(datasets, seeds=1)]
    with pytest.raises(NothingToDrawError, match=reason):
        pictures("critical_difference", Results(cells))


@pytest.mark.parametrize(
    ("dataset", "note"),
    [
        ("digits(training_samples=1200)", "training_samples=1200"),
        ("cifar10(imbalance=exponential,factor=100)", ""),
        ("digits", ""),
    ],
)
def test_a_note_has_the_parameters_that_the_title_leaves_out(dataset: str, note: str) -> None:
    cell = Cell(dataset, "mlp", "", ())
    assert cell.note == note
