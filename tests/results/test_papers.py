"""The papers' tables with our numbers: each where the paper has its own."""

from __future__ import annotations

import itertools
import random

import pandas as pd
import pytest

from results.comparison.places import LOSSES, METRICS, PLACES
from results.scoring.scores import criteria
from results.tables import rendering
from results.tables.layout import Table
from results.tables.papers import Layout, filled
from results.tables.published import published
from results.tables.table import needed
from results.tables.warnings import AT_EDGE
from sweeps.expand import expected_frame
from trainables.errors import ConfigurationError
from trainables.resolve import resolve
from trainables.trial import Trial

SEEDS = (2, 5, 3)
OURS = [("CIFAR-100", "DenseNet-121"), ("CIFAR-10", "ResNet-50")]


def trials_of(layout: Layout, seeds: tuple[int, ...] = SEEDS) -> list[Trial]:
    """Those of two networks and all but the last loss."""
    return [
        resolve(*PLACES[place], LOSSES[loss], seed, layout.paper)
        for place, loss, seed in itertools.product(OURS, layout.losses[:-1], seeds)
        if place in layout.rows and loss in LOSSES
    ]


def finished(layout: Layout, trials: list[Trial]) -> pd.DataFrame:
    numbers = random.Random(layout.name)
    columns = [
        *(score.column for score in needed([METRICS[m] for m in layout.metrics], layout.calibrator)),
        *(f"temperature_{name}" for name in criteria()),
    ]
    frame = expected_frame(trials).assign(task=None)
    return frame.assign(**{name: [numbers.uniform(0.1, 3) for _ in trials] for name in columns})


def made(layout: Layout) -> tuple[pd.DataFrame, tuple[Table, ...]]:
    frame = finished(layout, trials_of(layout)).sample(frac=1, random_state=1)
    tables, keys = filled(layout, frame)
    assert keys == set(frame["key"])
    return frame, tables


# One of each form: with and without temperatures, before or after scaling alone, and with two metrics.
@pytest.mark.parametrize("name", [*(f"mukhoti2020/{n}" for n in (5, 8, 10, 13)), "adafocal2022/1"])
def test_our_numbers_are_where_the_paper_has_its_own(name: str) -> None:
    layout = Layout.of(name)
    frame, tables = made(layout)
    (grid,) = layout.arrange(tables, 10_000)
    # The published numbers are one list in the order of print.
    places = published((name,))
    assert [(line.group, line.label) for line in grid.lines] == [
        *dict.fromkeys(zip(places["dataset"], places["model"], strict=True))
    ]
    headings = [f"{group.heading} {each}" for group in grid.groups for each in group.subheadings]
    assert len(headings) == len(set(headings)) == len(places) / len(grid.lines)
    columns = [*dict.fromkeys(zip(places["loss"], places["metric"], places["scaling"], strict=True))]
    for heading, (loss, _, scaling) in zip(headings, columns, strict=True):
        assert loss in heading
        if len(layout.scalings) > 1:
            assert {"before": "pre t", "after": "post t"}[scaling] in heading.lower()
    shown = 0
    for number, (dataset, model) in enumerate(layout.rows):
        cells = [cell for group in grid.groups for cell in group.cells[number]]
        for (loss, metric, scaling), cell in zip(columns, cells, strict=True):
            network = PLACES[dataset, model]
            labels = resolve(*network, LOSSES.get(loss, "brier"), 0, layout.paper)
            rows = frame[
                (frame["dataset"] == labels.dataset.label)
                & (frame["model"] == labels.model.label)
                & (frame["loss"] == labels.loss.label)
            ]
            if loss not in LOSSES or loss == layout.losses[-1] or rows.empty:
                assert cell.mean == ""
                continue
            shown += 1
            score = layout.scores[
                layout.metrics.index(metric) * len(layout.scalings) + layout.scalings.index(scaling)
            ]
            assert cell.mean == f"{100 * rows[score.column].mean():.2f}" and not cell.deviation
            if scaling == "after" and places["temperature"].notna().any():
                digits = 1 if layout.paper == "mukhoti2020" else 2
                criterion = {"mukhoti2020": "ece", "adafocal2022": "adaptive_ece"}[layout.paper]
                assert cell.aside == f"{rows[f'temperature_{criterion}'].mean():.{digits}f}"
            else:
                assert cell.aside == ""
    assert shown and shown == sum(bool(c.mean) for g in grid.groups for line in g.cells for c in line)


def test_empty_cells_have_their_reason() -> None:
    layout = Layout.of("mukhoti2020/5")
    trials = trials_of(layout)
    planned = [*trials, *trials_of(layout, (7,))]
    # Of one cell no trial is finished, and of the others a seed is missing.
    done = [trial for trial in trials if (trial.dataset.name, trial.loss.name) != ("cifar10", "focal_2")]
    for expected, reason in ((expected_frame(planned), "not part of the sweep"), (None, "no finished trial")):
        tables, _ = filled(layout, finished(layout, done), expected)
        notes = "\n".join(tables[0].notes)
        assert f"Empty ({reason})" in notes and f"{layout.losses[-1]} on" in notes
        assert ("Missing" in notes) == (expected is not None)
    both = [
        *trials,
        *(resolve("cifar10", "resnet50", "focal_1", s, layout.paper, training={"epochs": 5}) for s in SEEDS),
    ]
    tables, _ = filled(layout, finished(layout, both))
    # Of two trainings the one with the paper's settings counts.
    assert not any("epochs" in note for note in tables[0].notes)


def test_a_format_shows_the_layout_and_csv_one_line_per_number() -> None:
    layout = Layout.of("mukhoti2020/12")
    _, tables = made(layout)
    marks = {
        "md": ("| CIFAR", 8),
        # Eleven columns are too wide for one float.
        "latex": (r"{l}{\textit{", 2 * 5),
        "html": ('"rowgroup"', 5),
        "csv": ("\nCIFAR", len(OURS) * (len(layout.losses) - 1)),
    }
    for format, (mark, times) in marks.items():
        assert rendering.render(tables, format, arranged=layout.arrange).count(mark) == times


def test_a_table_of_all_losses_side_by_side_is_never_wider_than_its_page() -> None:
    layout = Layout.of("adafocal2022/1")
    _, tables = made(layout)
    grids = layout.arrange(tables, 80)
    assert [[(group.heading, len(group.subheadings)) for group in grid.groups] for grid in grids] == [
        [("Pre T", 6)],
        [("Post T", 3)],
        [("Post T", 3)],
    ]


def test_other_tables_are_refused() -> None:
    for name, part in (("mukhoti2020/3", "translation"), ("mukhoti2020/50", "mukhoti2020/5"), ("5", "list")):
        with pytest.raises(ConfigurationError, match=part):
            Layout.of(name)
    with pytest.raises(ConfigurationError, match=r"Table 8 .*CIFAR-100, Tiny-ImageNet"):
        only = [t for t in trials_of(Layout.of("mukhoti2020/1")) if t.dataset.name == "cifar10"]
        filled(Layout.of("mukhoti2020/8"), finished(Layout.of("mukhoti2020/1"), only))


def test_a_temperature_at_the_edge_is_marked_where_it_is_printed() -> None:
    for name, printed in (("mukhoti2020/1", True), ("mukhoti2020/10", False)):
        layout = Layout.of(name)
        frame = finished(layout, trials_of(layout))
        frame.loc[frame["loss"] == "brier", "temperature_ece"] = 10.0
        tables, _ = filled(layout, frame)
        (grid,) = layout.arrange(tables, 10_000)
        marked = [cell.aside for group in grid.groups for line in group.cells for cell in line]
        assert any(text.endswith(AT_EDGE) for text in marked) == printed, name
        assert any(text.startswith(AT_EDGE) for text in grid.reading) == printed, name
