"""Tables of recorded trials against the expected texts, and those against numbers worked out by hand."""

from __future__ import annotations

import csv
import io
import shutil
import statistics
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from results.tables import table as tables
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
    assert row["focal(gamma=4) post T"] == f"{printed('test_ece_after_ece', *cell)} ({temperature:.2f})"
    cell = ("digits", "mlp", "cross_entropy")
    assert nll["Digits", "MLP (epochs=350)"]["Cross-Entropy pre T"] == printed("test_nll", *cell)
    assert error["Digits", "MLP (epochs=350)"]["Cross-Entropy"] == printed("test_error", *cell)
    # One of three seeds is there: a mean, and no deviation.
    (alone,) = by_hand("cifar10", "mlp", "brier", "test_nll")
    assert nll["CIFAR-10", "MLP"]["Brier Loss pre T"] == f"{100 * alone:.2f}, n=1"


def test_expected_text_marks_ties_and_shows_holes() -> None:
    text = (GOLDEN / "expected.md").read_text(encoding="utf-8")
    tied = markdown_rows(text, "ECE")["Digits", "Small CNN"]
    means = {name: cell.split(" ")[0] for name, cell in tied.items() if name.endswith("pre T")}
    assert means["AdaFocal pre T"] == means["focal(gamma=4) pre T"] == "**1.20**"
    assert sum(mean.startswith("**") for mean in means.values()) == 2
    assert statistics.fmean(by_hand("digits", "small_cnn", "adafocal", "test_ece")) != statistics.fmean(
        by_hand("digits", "small_cnn", "focal(gamma=4)", "test_ece")
    )
    assert markdown_rows(text, "ECE")["CIFAR-10", "Small CNN"]["focal(gamma=4) pre T"] == "—"
    assert text.count("Missing (— where a cell has none): 6 of 50 trials.") == 7
    highest = markdown_rows(text, "Top-1")["CIFAR-10", "MLP"]
    best = max(
        ("adafocal", "cross_entropy", "brier", "focal(gamma=4)"),
        key=lambda loss: statistics.fmean(by_hand("cifar10", "mlp", loss, "test_top_1_accuracy")),
    )
    assert best == "adafocal" and highest["AdaFocal"].startswith("**")


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
    assert sorted(set(page.columns)) == [26, 27]
    assert r"a_7%&#${}~^\|<b>" in page.text and "<b>" not in text
    assert "src=" not in text and 'href="http' not in text and "@import" not in text


def test_neither_torch_nor_ray_nor_a_template_is_loaded_before_it_is_needed() -> None:
    heavy = "{'torch', 'ray', 'jinja2', 'matplotlib'}"
    code = f"import sys; from results.tables import screen, table; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
