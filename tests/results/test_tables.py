"""Tables of recorded trials against the expected texts, and those against numbers worked out by hand."""

from __future__ import annotations

import csv
import io
import math
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from markdown_it import MarkdownIt
from scipy import stats

from results.tables import names
from results.tables import table as tables
from results.tables.grid import arrange
from trainables.errors import CalibsweepError
from trainables.texts import visible

GOLDEN = Path(__file__).parents[1] / "golden"
SUFFIXES = {"md": "md", "latex": "tex", "html": "html", "csv": "csv"}


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "trials.csv")


@pytest.fixture(scope="module")
def sweep() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "sweep.csv")


@pytest.fixture(scope="module")
def built(trials: pd.DataFrame, sweep: pd.DataFrame) -> list[tables.Table]:
    return tables.build(trials, sweep)


def by_hand(dataset: str, model: str, loss: str, column: str) -> list[float]:
    """Values of the runs of 350 epochs, read from the file without pandas."""
    with (GOLDEN / "trials.csv").open(encoding="utf-8") as lines:
        return [
            float(row[column])
            for row in csv.DictReader(lines)
            if (row["dataset"], row["model"], row["loss"]) == (dataset, model, loss)
            and '"epochs":350' in row["identity"]
        ]


def markdown_rows(text: str, score: str) -> dict[tuple[str, str], dict[str, str]]:
    """Cells of one table of a Markdown text, by (data set, model) and heading."""
    section = text.split(f"### {score}\n")[1].split("\n### ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    lines = [[cell.strip() for cell in line] for line in lines]
    return {(line[0], line[1]): dict(zip(lines[0], line, strict=False)) for line in lines[2:]}


@pytest.mark.parametrize("format", SUFFIXES)
def test_text_is_the_expected_one(built: list[tables.Table], format: str) -> None:
    expected = (GOLDEN / f"expected.{SUFFIXES[format]}").read_text(encoding="utf-8")
    assert tables.render(built, format) == expected, "if this is meant: python tests/golden/record.py"


@pytest.mark.parametrize("format", SUFFIXES)
def test_order_of_the_store_changes_nothing(trials: pd.DataFrame, sweep: pd.DataFrame, format: str) -> None:
    shuffled = tables.build(trials.sample(frac=1, random_state=1), sweep.sample(frac=1, random_state=2))
    expected = (GOLDEN / f"expected.{SUFFIXES[format]}").read_text(encoding="utf-8")
    assert tables.render(shuffled, format) == expected


def test_expected_cells_match_plain_arithmetic() -> None:
    text = (GOLDEN / "expected.md").read_text(encoding="utf-8")
    ece, nll, error = (markdown_rows(text, score) for score in ("ECE", "NLL", "Error"))

    def printed(column: str, *cell: str) -> str:
        values = by_hand(*cell, column)
        return f"{100 * statistics.fmean(values):.2f} ± {100 * statistics.stdev(values):.2f}"

    cell = ("cifar10", "mlp", "focal(gamma=4)")
    temperature = statistics.fmean(by_hand(*cell, "temperature_ece"))
    row = ece["CIFAR-10", "MLP"]
    assert row["focal(gamma=4) pre T"] == printed("test_ece", *cell)
    plain = row["focal(gamma=4) post T"].replace("**", "")
    assert plain == f"{printed('test_ece_after_ece', *cell)} ({temperature:.2f})"
    cell = ("digits", "mlp", "cross_entropy")
    assert nll["Digits", "MLP (epochs=350)"]["Cross-Entropy pre T"] == printed("test_nll", *cell)
    assert error["Digits", "MLP (epochs=350)"]["Cross-Entropy"] == printed("test_error", *cell)
    # One of three seeds is there: a mean, and no deviation.
    (alone,) = by_hand("cifar10", "mlp", "brier", "test_nll")
    assert nll["CIFAR-10", "MLP"]["Brier Loss pre T"] == f"{100 * alone:.2f} (n=1)"


def may_be_best(*cell: str, column: str) -> set[str]:
    """The losses of a row that no other beats in a one-sided paired t test, by Bonferroni's correction."""
    losses = ("adafocal", "cross_entropy", "brier", "focal(gamma=4)")
    values = {
        loss: dict(zip(seeds_of(*cell, loss), by_hand(*cell, loss, column), strict=True)) for loss in losses
    }
    left = set()
    for loss, own in values.items():
        p_values = []
        for other, theirs in values.items():
            common = sorted(own.keys() & theirs.keys()) if other != loss else []
            if len(common) > 1:
                first, second = [own[s] for s in common], [theirs[s] for s in common]
                p_values.append(stats.ttest_rel(first, second, alternative="greater").pvalue)
        if min(p_values, default=0) * len(p_values) > 0.05:
            left.add(loss)
    return left


def seeds_of(dataset: str, model: str, loss: str) -> list[float]:
    return by_hand(dataset, model, loss, "seed")


def test_marks_are_those_of_paired_t_tests_over_the_matched_seeds(built: list[tables.Table]) -> None:
    marked = 0
    for table in built:
        if table.metric.direction != "lower":
            continue
        for row in table.rows:
            if row.settings == "epochs=3":
                continue
            for scaling, column in (
                ("before", f"test_{table.metric.name}"),
                ("none", f"test_{table.metric.name}"),
            ):
                if scaling not in table.scalings:
                    continue
                expected = may_be_best(row.dataset, row.model, column=column)
                cells = zip(table.columns, row.cells, strict=True)
                best = {loss for (loss, of), cell in cells if of == scaling and cell and cell.best}
                there = {
                    loss for loss in table.losses if len(by_hand(row.dataset, row.model, loss, column)) > 1
                }
                assert best == (set() if expected == there else expected), (table.metric.name, row)
                marked += bool(best)
    assert marked > 5


def test_holes_are_shown(built: list[tables.Table]) -> None:
    text = (GOLDEN / "expected.md").read_text(encoding="utf-8")
    assert markdown_rows(text, "ECE")["CIFAR-10", "Small CNN"]["focal(gamma=4) pre T"] == "—"
    assert text.count("Missing (— where a cell has none): 6 of 50 trials.") == len(built)
    assert "Nothing is bold" not in text and "matched seeds;" in text


def test_csv_is_tidy_and_in_full(built: list[tables.Table]) -> None:
    lines = [*csv.DictReader(io.StringIO(tables.render(built, "csv")))]
    places = [(r["dataset"], r["model"], r["settings"], r["loss"], r["metric"], r["scaling"]) for r in lines]
    assert len(set(places)) == len(lines)
    found = lines[places.index(("digits", "small_cnn", "", "adafocal", "nll", "after"))]
    values = by_hand("digits", "small_cnn", "adafocal", "test_nll_after_ece")
    assert float(found["mean"]) == pytest.approx(statistics.fmean(values), rel=1e-14)
    assert float(found["standard_deviation"]) == pytest.approx(statistics.stdev(values), rel=1e-12)
    assert (found["unit"], found["seeds"], found["missing_seeds"]) == ("nats", "2", "1")


def test_each_criterion_has_its_own_temperatures(trials: pd.DataFrame) -> None:
    table, _ = tables.build(trials, calibrator="temperature_nll", metrics=["ece", "mce"])
    row = next(row for row in table.rows if (row.dataset, row.model) == ("cifar10", "small_cnn"))
    cell = row.cells[table.columns.index(("brier", "after"))]
    assert cell is not None and "validation NLL." in table.caption
    assert cell.mean == pytest.approx(
        statistics.fmean(by_hand("cifar10", "small_cnn", "brier", "test_ece_after_nll"))
    )
    temperatures = by_hand("cifar10", "small_cnn", "brier", "temperature_nll")
    assert cell.temperature == pytest.approx(statistics.fmean(temperatures))


def test_top_5_accuracy_is_left_out_of_data_sets_with_five_classes_or_fewer(trials: pd.DataFrame) -> None:
    """By the mark of a data set, or else by the logits of a trial, and never by the scores."""
    score = "top_5_accuracy"
    own = trials.assign(
        identity=trials["identity"].str.replace('"name":"digits"', '"name":"of_a_user"'),
        test_top_5_accuracy=trials["test_top_5_accuracy"].fillna(1.0),
    )
    alone = own[own["dataset"] == "digits"]

    def with_classes(number: int) -> Callable[[Sequence[str]], dict[str, pa.Table]]:
        return lambda keys: {key: pa.table({"logits": [[0.5] * number] * 3}) for key in keys}

    assert score not in tables.default_metrics(alone, with_classes(5))
    assert score in tables.default_metrics(alone, with_classes(6))
    assert score in tables.default_metrics(alone, lambda keys: {})
    assert score in tables.default_metrics(own, with_classes(5))
    assert score in tables.default_metrics(trials.assign(test_top_5_accuracy=1.0), with_classes(5))

    digits = {"cifar10": False, "digits": True}
    (table,) = tables.build(
        own, metrics=[score], predictions=lambda keys: {} if len(keys) > 1 else with_classes(5)(keys)
    )
    for row in table.rows:
        finished = [cell for cell in row.cells if cell is not None and cell.seeds]
        assert {cell.says_nothing for cell in finished} == {digits[row.dataset]}
        assert {table.pieces(cell).mean == "n/a" for cell in finished} == {digits[row.dataset]}
        assert {math.isnan(cell.mean) for cell in finished} == {digits[row.dataset]}
    assert [note for note in table.notes if note.startswith("n/a")] == [
        "n/a in Top-5: the same for all networks with 5 classes or fewer."
    ]
    (error,) = tables.build(own, metrics=["error"])
    of_few = [
        replace(each, rows=[r for r in each.rows if r.dataset == "digits"][:1]) for each in (error, table)
    ]
    (grid,) = arrange(of_few, 160)
    assert [group.heading for group in grid.groups] == ["Error"]


def test_without_a_sweep_holes_are_cells_that_others_of_the_row_have(trials: pd.DataFrame) -> None:
    table = tables.build(trials, metrics=["error"])[0]
    assert table.notes[0] == "—: no finished trial (3 of 20 cells)."
    assert all(cell is not None for row in table.rows for cell in row.cells)


def test_unknown_names_are_refused_with_the_nearest(trials: pd.DataFrame) -> None:
    with pytest.raises(CalibsweepError, match=r"'temperature_mll'.* Did you mean 'temperature_nll'\?"):
        tables.build(trials, calibrator="temperature_mll")
    with pytest.raises(CalibsweepError, match="accuracy"):
        tables.build(trials, metrics=["accuracy"])
    with pytest.raises(CalibsweepError, match=r"'htm'.* Did you mean 'html'\?"):
        tables.render([], "htm")


def test_the_long_tailed_form_is_always_told() -> None:
    label = "cifar10(imbalance=exponential,factor=100)"
    even = "digits(imbalance=step,factor=3,validation_form=balanced)"
    small = "digits(training_samples=1000,validation_samples=200,imbalance=exponential,factor=10)"
    assert names.short([label, even, small], names.dataset) == {
        label: "CIFAR-10-LT (exponential, 100)",
        even: "Digits-LT (step, 3, balanced validation)",
        small: "Digits-LT (exponential, 10, training_samples=1000,validation_samples=200)",
    }
    assert names.short(["digits(training_samples=1200)"], names.dataset).popitem()[1] == "Digits"


def wide(trials: pd.DataFrame) -> list[tables.Table]:
    """Thirteen losses and twenty data sets, with characters that LaTeX, HTML or Markdown trip over."""
    first = trials[trials["loss"] == "brier"]
    losses = pd.concat([first.assign(loss=f"loss_{number}") for number in range(13)])
    named = [losses.assign(dataset=rf"a_{number}%&#${{}}~^\|<b>") for number in range(20)]
    return tables.build(pd.concat(named), metrics=["ece", "error"])


FOREIGN = (
    "=HYPERLINK(1)",
    "-1+1",
    "@x",
    "[2em]",
    "*all*",
    "_x_ a_b",
    "![p](q) `c` <b> [l](m) | ~~s~~ &amp; $e$",
    'größe Ñ "数据"',
    "a\nb\rc\td",
    "\x1b[31mred\x1b]0;t\x07",
    "\u202egpj\u200b",
)
"""Labels that only a store which somebody else wrote could have."""


def foreign(trials: pd.DataFrame) -> list[tables.Table]:
    one = trials[(trials["loss"] == "brier") & (trials["model"] == "mlp") & (trials["dataset"] == "cifar10")]
    named = [one.assign(loss=label, dataset=label, model=label) for label in FOREIGN]
    return tables.build(pd.concat(named), metrics=["error"])


@pytest.mark.parametrize("format", SUFFIXES)
def test_characters_that_act_are_in_no_file(trials: pd.DataFrame, format: str) -> None:
    text = tables.render(foreign(trials), format)
    assert text.replace("\n", "").isprintable()
    shown = [visible(label) for label in FOREIGN]
    if format == "csv":
        lines = list(csv.DictReader(io.StringIO(text)))
        assert {line["loss"] for line in lines} == {f"'{x}" if x[0] in "=-@" else x for x in shown}
        assert all(float(line["mean"]) > 0 for line in lines if line["mean"])
    elif format == "md":
        cells = [
            "".join(part.content for part in token.children or [])
            for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
            if token.type == "inline" and {part.type for part in token.children or []} == {"text"}
        ]
        assert set(shown) <= set(cells)
    elif format == "html":
        page = Page()
        page.feed(text)
        assert all(label in page.text for label in shown) and "<b>" not in text
    else:
        assert text.isascii() and r"gr\"{o}\ss" not in text and r"gr\"{o}{[}U+00DF]e \~{N}" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here")
def test_latex_compiles_and_fits_the_page(trials: pd.DataFrame, sweep: pd.DataFrame, tmp_path: Path) -> None:
    built = tables.build(trials, sweep) + wide(trials[trials["dataset"] == "cifar10"]) + foreign(trials)
    (tmp_path / "tables.tex").write_text(tables.render(built, "latex", standalone=True), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout and "too large" not in done.stdout


class Page(HTMLParser):
    """Checks that tags nest, and counts the columns of each row of each table."""

    VOID = frozenset({"meta", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.columns: list[int] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.columns.append(0)
        if tag in ("td", "th"):
            self.columns[-1] += int(dict(attrs).get("colspan") or 1)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_nests_escapes_and_asks_for_nothing_else(trials: pd.DataFrame) -> None:
    text = tables.render(wide(trials[trials["dataset"] == "cifar10"])[:1], "html")
    page = Page()
    page.feed(text)
    page.close()
    assert not page.open
    # The second line of headings lacks the first column, which spans both.
    # The second line of headings lacks the first column, which spans both.
    sizes = set(page.columns)
    assert all(size + 1 in sizes or size - 1 in sizes for size in sizes) and len(sizes) <= 4
    assert r"a_7%&#${}~^\|<b>" in page.text and "<b>" not in text
    assert "src=" not in text and 'href="http' not in text and "@import" not in text


def test_neither_torch_nor_ray_nor_a_template_is_loaded_before_it_is_needed() -> None:
    heavy = "{'torch', 'ray', 'jinja2', 'matplotlib'}"
    code = f"import sys; from results.tables import screen, table; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
