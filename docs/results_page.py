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

from orchestrator.use_cases.compare import compare
from results.comparison import rendering
from results.comparison.verdicts import Outcome, Row, Verdict, score_of
from results.scoring.scores import criterion_of
from results.statistics.differences import Difference, over_seeds
from results.store.address import Address
from results.store.store import Store
from results.tables import names
from results.tables.published import PAPERS
from sweeps.expand import Sweep, load

HERE = Path(__file__).parent
RECORDED = HERE.parent / "results" / "recorded"


@dataclass(frozen=True)
class Line:
    """One loss and score: ours, and the published number if there is one. Units of print."""

    ours: str
    mean: float
    verdict: Verdict | None

    @property
    def published(self) -> str:
        return rendering.each(self.verdict)[0] + ("†" if self.verdict.detail else "") if self.verdict else ""

    @property
    def would_agree(self) -> str:
        return rendering.each(self.verdict)[1] if self.verdict else ""

    @property
    def told(self) -> str:
        return rendering.OUTCOMES[self.verdict.outcome] if self.verdict else ""

    @property
    def difference(self) -> float:
        """Ours less published."""
        return self.mean - self.verdict.published if self.verdict else math.nan


@dataclass(frozen=True)
class Part:
    """One score with one scaling, by loss."""

    row: Row
    by_loss: dict[str, Line]

    @property
    def title(self) -> str:
        return rendering.title(self.row)

    @property
    def metric(self) -> str:
        return self.row.metric

    @property
    def shared(self) -> dict[str, Line]:
        return {loss: line for loss, line in self.by_loss.items() if line.verdict}

    @property
    def differences(self) -> list[float]:
        return sorted(line.difference for line in self.shared.values())

    @property
    def mean_difference(self) -> float:
        return sum(self.differences) / len(self.differences)

    @property
    def p_value(self) -> str:
        return rendering.probability(self.row.chance.p_value) if self.row.chance else ""

    @property
    def published_range(self) -> tuple[float, float]:
        numbers = [number.published for number in self.row.comparable]
        return min(numbers), max(numbers)

    def differing(self) -> list[str]:
        return [number.loss for number in rendering.in_order(self.row) if number.outcome is Outcome.DIFFERS]

    def better_than(self, loss: str) -> list[str]:
        """The losses of a smaller mean of ours."""
        return [other for other, line in self.by_loss.items() if line.mean < self.by_loss[loss].mean]

    def best(self, published: bool) -> str:
        """The shared losses of the smallest number, published or ours."""
        numbers = {
            loss: line.verdict.published if published and line.verdict else line.mean
            for loss, line in self.shared.items()
        }
        return ", ".join(loss for loss, number in numbers.items() if number == min(numbers.values()))


def part(row: Row, trials: pd.DataFrame) -> Part:
    """A row of the comparison, with our losses that were not published."""
    score, temperature = (
        score_of(row.paper, row.metric, row.scaling),
        f"temperature_{PAPERS[row.paper].criterion}",
    )
    verdicts = {number.loss: number for number in row.once}
    by_loss = {}
    for label in sorted(trials["loss"].unique(), key=lambda label: names.rank(names.LOSSES, label)):
        of_loss = trials[trials["loss"] == label]
        values = 100 * of_loss[score.column]
        ours = f"{values.mean():.2f}" + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")
        if row.scaling == "after":
            ours += f" ({of_loss[temperature].mean():.2f})"
        by_loss[names.loss(label)] = Line(ours, values.mean(), verdicts.get(names.loss(label)))
    return Part(row, by_loss)


def difference(trials: pd.DataFrame, column: str, first: str, second: str) -> Difference:
    """The first loss less the second over matched seeds, in units of print."""
    one, other = (
        100 * trials[trials["loss"] == loss].sort_values("seed")[column] for loss in (first, second)
    )
    return over_seeds(one, other)


@dataclass(frozen=True)
class AtEpoch:
    """The test ECE of one loss before scaling, in percent, over its seeds.

    Attributes:
        correlation: Pearson's, of the reported epoch and its ECE.
        mean, deviation: Of the reported epoch; the deviation has n-1.
        fixed_mean, fixed_deviation: After the last epoch.
    """

    correlation: float
    mean: float
    deviation: float
    fixed_mean: float
    fixed_deviation: float

    @property
    def higher(self) -> bool:
        """Whether the mean is higher after the last epoch."""
        return self.fixed_mean > self.mean

    @property
    def less_spread(self) -> bool:
        """Whether the deviation is smaller after the last epoch."""
        return self.fixed_deviation < self.deviation


def with_last_epoch(trials: pd.DataFrame, curves: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The trials with `last_ece`, the test ECE after their last epoch: the number of `tables --epoch`."""
    return trials.assign(last_ece=[curves[key].test_ece.iloc[-1] for key in trials["key"]])


def at_epoch(trials: pd.DataFrame) -> AtEpoch:
    """What the trials of one loss, from `with_last_epoch`, say of the choice of the epoch."""
    reported, last = 100 * trials["test_ece"], 100 * trials["last_ece"]
    r = trials["reported_epoch"].corr(trials["test_ece"])
    return AtEpoch(r, reported.mean(), reported.std(ddof=1), last.mean(), last.std(ddof=1))


def section(sweep_name: str, folder: str, paper: str) -> dict[str, object]:
    """All that the page says of one recorded store of one data set and model."""
    sweep: Sweep = load(sweep_name)
    store = Store(str(RECORDED / folder))
    trials = store.trials(sweep.trials)
    compared = compare(str(RECORDED / folder), sweep_name)
    ((_, _, rows),) = (each for each in rendering.by_place(compared.rows) if each[0] == paper)
    parts = {each.title: each for each in (part(row, trials) for row in rows)}
    metrics = dict.fromkeys(each.metric for each in parts.values())
    by_key = {trial.key: store.epochs(Address.of(trial)).to_pandas() for trial in sweep.trials}
    trials = with_last_epoch(trials, by_key)
    labels = sorted(trials["loss"].unique(), key=lambda label: names.rank(names.LOSSES, label))
    return {
        "command": f"calibsweep compare {sweep_name} --store results/recorded/{folder}",
        "counts": compared.counts,
        "trials": trials,
        "parts": parts,
        "groups": {metric: [each for each in parts.values() if each.metric == metric] for metric in metrics},
        "losses": [*next(iter(parts.values())).by_loss],
        "curves": {names.loss(trial.loss.label): by_key[trial.key] for trial in sweep.trials},
        "epochs": {names.loss(label): at_epoch(trials[trials["loss"] == label]) for label in labels},
        "calibration_ranks": sorted(
            each.row.rank_correlation for each in parts.values() if each.metric in ("ECE", "AdaECE", "MCE")
        ),
        "smallest_p": min(
            (each.row.chance.p_value for each in parts.values() if each.row.chance), default=math.nan
        ),
        "seeds": trials["seed"].nunique(),
        "difference": lambda column, first, second: difference(trials, column, first, second),
    }


@dataclass(frozen=True)
class Gaps:
    """The gap matrix of one network and score, read from the CSV of `tables --gaps`. Units of print.

    Attributes:
        rows: The cells of each loss: error, score as trained, refinement and calibration part, and the
            improvements.
        scores, refinements: Mean of each loss.
        refinement_differs: The losses whose refinement part differs from that of cross-entropy: the 95%
            interval over matched seeds excludes 0. Not corrected for their number.
        calibrators: All calibrators of the file.
    """

    rows: dict[str, list[str]]
    scores: dict[str, float]
    refinements: dict[str, float]
    refinement_differs: list[str]
    calibrators: list[str]


GAPS_SHOWN = ("temperature_nll", "platt", "structured_matrix_scaling", "venn_abers", "boosted_trees")
"""One calibrator of each kind."""


def gaps(file: str, metric: str) -> Gaps:
    lines = pd.read_csv(HERE / file, comment="#", keep_default_na=False)
    lines = lines[lines["metric"] == metric]
    quantities = [(name, "none") for name in ("error", "score", "refinement", "calibration")]
    quantities += [("gain", calibrator) for calibrator in GAPS_SHOWN]
    by_place = lines.set_index(["loss", "quantity", "calibrator"])
    rows, means, seeds = {}, {}, {}
    for loss in dict.fromkeys(lines["loss"]):
        cells = [by_place.loc[(loss, *quantity)] for quantity in quantities]
        rows[names.loss(loss)] = [
            f"{100 * float(cell['mean']):.2f} ± {100 * float(cell['standard_deviation']):.2f}"
            for cell in cells
        ]
        means[names.loss(loss)] = [100 * float(cell["mean"]) for cell in cells]
        of_seeds = (each.partition(":") for each in cells[2]["by_seed"].split())
        seeds[names.loss(loss)] = [float(value) for _, _, value in of_seeds]
    usual = names.loss("cross_entropy")
    intervals = {loss: over_seeds(values, seeds[usual]) for loss, values in seeds.items() if loss != usual}
    return Gaps(
        rows,
        {loss: each[1] for loss, each in means.items()},
        {loss: each[2] for loss, each in means.items()},
        [loss for loss, found in intervals.items() if not found.low <= 0 <= found.high],
        sorted(set(lines["calibrator"]) - {"none"}),
    )


def page() -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("results.md.j2").render(
        sst=section("sst", "sst-tree-lstm", "mukhoti2020"),
        newsgroups=section("twenty_newsgroups_part", "20-newsgroups-cnn", "mukhoti2020"),
        gaps=gaps("gaps-sst.csv", "nll"),
        criterion_of=criterion_of,
        explanation=rendering.EXPLANATION,
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(f"{page()}\n".encode())
