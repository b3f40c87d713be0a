"""Writes docs/cifar10-small.md: thirteen losses with a small network on CIFAR-10, and the order in the paper.

    .venv/bin/python docs/small_network_page.py > docs/cifar10-small.md

It reads the store results/recorded/cifar10-small/ and the published numbers, and trains nothing.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from imbalance_forms import REFERENCE, Cell, Read, column_of
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from scipy.stats import kendalltau, permutation_test

from orchestrator.use_cases.tables import tables
from results.scoring.scores import Score, temperature_by
from results.statistics.multiple import holm
from results.store.address import Address
from results.store.store import Store
from results.tables import names
from results.tables.published import PAPERS, published
from sweeps.expand import load
from trainables.trial import Trial

HERE = Path(__file__).parent
STORE = HERE.parent / "results" / "recorded" / "cifar10-small"
SWEEP, PAPER = "cifar10_small", "mukhoti2020"

PRINTED = {
    ("error", "none"): "Error",
    ("ece", "before"): "ECE",
    ("ece", "after"): "ECE",
    ("adaptive_ece", "before"): "AdaECE",
    ("adaptive_ece", "after"): "AdaECE",
    ("nll", "before"): "NLL",
    ("nll", "after"): "NLL",
}
"""Metric and scaling of ours, and the metric in print."""

LEVEL = 0.05

COMPARED = (("error", "none"), ("ece", "before"), ("ece", "after"))
METRICS = tuple(dict.fromkeys(metric for metric, _ in PRINTED))


def title(metric: str, scaling: str) -> str:
    return PRINTED[metric, scaling] + {"none": "", "before": " before", "after": " after"}[scaling]


def column(metric: str, scaling: str) -> str:
    criterion = temperature_by(PAPERS[PAPER].criterion)
    return Score("test", metric, criterion if scaling == "after" else "none").column


@dataclass(frozen=True)
class Order:
    """The order of the losses by one score, ours and that of the paper.

    Attributes:
        losses: Number of losses that both have.
        tau: Kendall's, of our means and the means over the networks of the paper.
        by_seed: The same of each of our seeds alone.
        p_value: Of no relation, by 9,999 permutations, adjusted by Holm over the scores.
        among_networks: Mean of Kendall's tau over the pairs of networks in the paper.
        ours, theirs: Losses from the lowest score to the highest.
    """

    title: str
    losses: int
    tau: float
    by_seed: list[float]
    p_value: float
    among_networks: float
    ours: list[str]
    theirs: list[str]

    @property
    def verdict(self) -> str:
        if self.p_value >= LEVEL:
            return "cannot be told"
        return "shows" if self.tau > 0 else "is reversed"


def published_scores() -> pd.DataFrame:
    """The paper's numbers of CIFAR-10 that are not in doubt."""
    printed = published()
    return printed[
        (printed["paper"] == PAPER) & (printed["dataset"] == "CIFAR-10") & (printed["doubted"] == "")
    ]


def of_networks(printed: pd.DataFrame, metric: str, scaling: str) -> pd.DataFrame:
    """A published score by loss and network."""
    rows = printed[(printed["metric"] == PRINTED[metric, scaling]) & (printed["scaling"] == scaling)]
    # A number printed in two tables counts once.
    return rows.pivot_table("value", "loss", "model", aggfunc="first")


@dataclass(frozen=True)
class Against:
    """A loss less cross-entropy in one score.

    Attributes:
        ours: With the interval of the difference.
        published: The difference on each network of the paper, in percentage points; empty without numbers.
    """

    ours: Cell
    published: list[float]

    @property
    def in_paper(self) -> str:
        if not self.published:
            return "—"
        lower = sum(each < 0 for each in self.published)
        return f"{np.mean(self.published):+.2f}, lower on {lower} of {len(self.published)}"


def published_differences(theirs: pd.DataFrame, loss: str) -> list[float]:
    """A printed loss less cross-entropy, on each network that has both."""
    if loss not in theirs.index:
        return []
    one, plain = (theirs.loc[[each]].to_numpy(dtype=float)[0] for each in (loss, names.loss(REFERENCE)))
    return [float(each) for each in one - plain if np.isfinite(each)]


def less_cross_entropy(trials: Sequence[Trial]) -> dict[str, list[Against]]:
    """Each loss less cross-entropy, in the scores `COMPARED`."""
    read = Read.of(trials, Store(str(STORE)))
    printed = published_scores()
    found: dict[str, list[Against]] = {loss: [] for loss in read.by_method if loss != REFERENCE}
    for metric, scaling in COMPARED:
        calibrator = temperature_by(PAPERS[PAPER].criterion) if scaling == "after" else "none"
        cells = column_of(read, metric, calibrator)
        theirs = of_networks(printed, metric, scaling)
        for loss, row in found.items():
            row.append(Against(cells[loss], published_differences(theirs, names.loss(loss))))
    return {names.loss(loss): row for loss, row in found.items()}


def orders(values: pd.DataFrame) -> list[Order]:
    """
    Args:
        values: Of ours in units of print, by printed loss and seed, and by score.
    """
    means = values.groupby(level="loss").mean()
    printed = published_scores()
    found = []
    for metric, scaling in PRINTED:
        theirs = of_networks(printed, metric, scaling).dropna()
        shared = [loss for loss in means.index if loss in theirs.index]
        theirs, ours = theirs.loc[shared], means[(metric, scaling)].loc[shared]
        of_paper = theirs.mean(axis=1)
        tau = permutation_test(
            [ours.to_numpy()],
            lambda order, of_paper=of_paper: kendalltau(order, of_paper).statistic,
            permutation_type="pairings",
            rng=0,
        )
        by_seed = [
            float(kendalltau(of_seed.droplevel("seed").reindex(shared), of_paper).statistic)
            for _, of_seed in values[(metric, scaling)].groupby(level="seed")
        ]
        among = [
            kendalltau(theirs[one], theirs[other]).statistic
            for one, other in itertools.combinations(theirs.columns, 2)
        ]
        found.append(
            (title(metric, scaling), len(shared), tau, by_seed, float(np.mean(among)), ours, of_paper)
        )
    adjusted = holm([tau.pvalue for _, _, tau, *_ in found])
    return [
        Order(
            name,
            number,
            float(tau.statistic),
            by_seed,
            float(p_value),
            among,
            [*ours.sort_values().index],
            [*theirs.sort_values().index],
        )
        for (name, number, tau, by_seed, among, ours, theirs), p_value in zip(found, adjusted, strict=True)
    ]


@dataclass(frozen=True)
class Fit:
    """How far a loss brings the network, means over the seeds.

    Attributes:
        training_error: Of the last epoch, on augmented samples, in percent.
        test_error: In percent.
        ece: On the test set, before temperature scaling, in percent.
        temperature: Chosen by validation ECE.
        published: The least and the largest one of the paper's networks; None if it has none.
    """

    loss: str
    training_error: float
    test_error: float
    ece: float
    temperature: float
    published: tuple[float, float] | None


def fits(trials: pd.DataFrame) -> list[Fit]:
    store = Store(str(STORE))
    printed = published_scores()
    of_ece = printed[(printed["metric"] == "ECE") & printed["temperature"].notna()]
    by_loss = of_ece.groupby("loss")["temperature"]
    theirs = {str(loss): (float(each.min()), float(each.max())) for loss, each in by_loss}
    found = []
    for label, of_loss in trials.groupby("loss"):
        places = of_loss[["dataset", "model", "loss", "key"]].itertuples(index=False)
        addresses = [Address(*map(str, place)) for place in places]
        training = [store.epochs(address)["train_error"][-1].as_py() for address in addresses]
        loss = names.loss(str(label))
        found.append(
            Fit(
                loss,
                100 * float(np.mean(training)),
                100 * float(of_loss["test_error"].mean()),
                100 * float(of_loss["test_ece"].mean()),
                float(of_loss[f"temperature_{PAPERS[PAPER].criterion}"].mean()),
                theirs.get(loss),
            )
        )
    return sorted(found, key=lambda fit: fit.temperature, reverse=True)


def page() -> str:
    sweep = load(SWEEP)
    trials = Store(str(STORE)).trials(sweep.trials)
    columns = {score: column(*score) for score in PRINTED}
    printed = trials.assign(loss=trials["loss"].map(names.loss)).set_index(["loss", "seed"])
    values = 100 * printed[[*columns.values()]]
    values.columns = pd.MultiIndex.from_tuples(columns)
    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("cifar10-small.md.j2").render(
        trials=trials,
        planned=len(sweep.trials),
        tables=tables(str(STORE), SWEEP, metrics=METRICS).render("md").partition("<!--")[0],
        orders=orders(values),
        compared=[title(*score) for score in COMPARED],
        differences=less_cross_entropy(sweep.trials),
        fits=fits(trials),
        paper=PAPERS[PAPER],
        level=LEVEL,
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(f"{page().rstrip()}\n".encode())
