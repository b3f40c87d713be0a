"""Writes docs/results.md: what was measured with this tool, beside what the papers printed.

    .venv/bin/python docs/results_page.py > docs/results.md

It reads the stores under results/recorded/ and the published numbers, and trains nothing. Every number of
the page, those within sentences too, comes from there.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from scipy import stats

from results.scoring.scores import temperature_by
from results.store.address import Address
from results.store.store import Store
from results.tables import names
from results.tables import table as tables
from results.tables.layout import Cell, Row, Table
from results.tables.published import published
from sweeps.expand import expected_frame, load

HERE = Path(__file__).parent
RECORDED = HERE.parent / "results" / "recorded"
COMPARED = ("error", "ece", "adaptive_ece", "nll", "mce")


@dataclass(frozen=True)
class Comparison:
    """One loss, one score: ours over the seeds, and the paper's one number."""

    ours: str
    printed: str
    verdict: str
    mean: float
    value: float
    doubt: str = ""

    @property
    def difference(self) -> str:
        """Ours less the paper's, in the units of print."""
        return f"{100 * (self.mean - self.value):+.2f}" if self.printed else ""


@dataclass(frozen=True)
class Compared:
    """One score with one scaling, by loss."""

    title: str
    heading: str
    by_loss: dict[str, Comparison]

    @property
    def shared(self) -> list[Comparison]:
        return [each for each in self.by_loss.values() if each.printed]

    def count(self, verdict: str) -> int:
        return sum(each.verdict == verdict for each in self.shared)

    @property
    def rank_correlation(self) -> float:
        """Spearman's, between our ranking of the losses and the paper's."""
        pairs = [(each.mean, each.value) for each in self.shared]
        return float(stats.spearmanr(*zip(*pairs, strict=True)).statistic)

    @property
    def excess(self) -> list[float]:
        """By how much ours is above the paper's, percent, from the smallest to the greatest."""
        return sorted(100 * (each.mean - each.value) for each in self.shared)

    def better_than(self, loss: str) -> list[str]:
        """The losses of a smaller mean of ours."""
        return [other for other, each in self.by_loss.items() if each.mean < self.by_loss[loss].mean]

    def outside(self) -> list[str]:
        return [loss for loss, each in self.by_loss.items() if each.verdict in ("above", "below")]

    def best(self, of: str) -> str:
        """The losses of the smallest number, ours ('mean') or the paper's ('value'), among those of both."""
        both = {loss: getattr(each, of) for loss, each in self.by_loss.items() if each.printed}
        return ", ".join(loss for loss, number in both.items() if number == min(both.values()))


def verdict(cell: Cell, value: float) -> str:
    """Where a printed number lies: 'within', 'above' or 'below' what one more seed of ours would give.

    That is the 95% prediction interval of one more draw from a normal distribution of which there are n. One
    seed tells nothing of that: ''.
    """
    if cell.seeds == 1:
        return ""
    reach = stats.t.ppf(0.975, cell.seeds - 1) * cell.deviation * math.sqrt(1 + 1 / cell.seeds)
    if abs(value - cell.mean) <= reach:
        return "within"
    return "above" if value > cell.mean else "below"


def compared(table: Table, row: Row, paper: pd.DataFrame) -> list[Compared]:
    """A table of the tool beside the paper's, a part for each scaling."""
    cells = dict(zip(table.columns, row.cells, strict=True))
    headings = {"none": "", "before": ", pre T", "after": ", post T"}
    found = []
    for scaling in table.scalings:
        by_loss = {}
        for loss in table.losses:
            cell = cells[loss, scaling]
            assert cell is not None and cell.seeds == table.seeds, f"{loss} lacks seeds"
            mean, deviation, temperature, _ = table.pieces(cell)
            ours = (
                mean + (f" ± {deviation}" if deviation else "") + (f" ({temperature})" if temperature else "")
            )
            theirs = paper[
                (paper["loss"] == names.loss(loss))
                & (paper["metric"] == table.metric.title)
                & (paper["scaling"] == scaling)
            ]
            if theirs.empty:
                by_loss[names.loss(loss)] = Comparison(ours, "", "", cell.mean, math.nan)
                continue
            (theirs,) = theirs.itertuples()
            printed = f"{theirs.value:.2f}"
            if not math.isnan(theirs.temperature):
                printed += f" ({theirs.temperature:.1f})"
            value = theirs.value / 100
            by_loss[names.loss(loss)] = Comparison(
                ours, printed, verdict(cell, value), cell.mean, value, theirs.doubt
            )
        found.append(Compared(table.metric.title, f"{table.metric.title}{headings[scaling]}", by_loss))
    return found


def section(sweep_name: str, folder: str, paper: str) -> dict[str, object]:
    """All that the page says of one recorded store of one data set and model."""
    sweep = load(sweep_name)
    store = Store(str(RECORDED / folder))
    trials = store.trials(sweep.trials)
    built = tables.build(
        trials, expected_frame(sweep.trials), temperature_by(sweep.temperature_criterion), COMPARED
    )
    (first,) = built[0].rows
    theirs = published(paper, names.dataset(first.dataset.partition("(")[0]), names.model(first.model))
    parts = {part.heading: part for table in built for part in compared(table, table.rows[0], theirs)}
    return {
        "sweep": sweep,
        "trials": trials,
        "parts": parts,
        "groups": [[part for part in parts.values() if part.title == table.metric.title] for table in built],
        "losses": [names.loss(loss) for loss in built[0].losses],
        "curves": {
            names.loss(trial.loss.label): store.epochs(Address.of(trial)).to_pandas()
            for trial in sweep.trials
        },
        "seeds": built[0].seeds,
    }


def page() -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("results.md.j2").render(
        sst=section("sst", "sst-tree-lstm", "mukhoti2020"),
        newsgroups=section("twenty_newsgroups_part", "20-newsgroups-cnn", "mukhoti2020"),
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(f"{page()}\n".encode())
