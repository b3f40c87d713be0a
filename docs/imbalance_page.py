"""Writes docs/imbalance-results.md: what losses and samplers for rare classes do to error and calibration.

    .venv/bin/python docs/imbalance_page.py > docs/imbalance-results.md

It reads the stores under results/recorded/, and trains nothing. Every number of the page comes from there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from results.scoring.samples import Samples, of_test_set
from results.statistics.binned import ECE
from results.statistics.differences import Difference
from results.statistics.multiple import holm
from results.statistics.noise_floor import top_label
from results.store.address import Address
from results.store.store import Store
from results.tables import names, paired
from sweeps.expand import load
from trainables.trial import NATURAL, Trial

HERE = Path(__file__).parent
RECORDED = HERE.parent / "results" / "recorded"

REFERENCE = "cross_entropy"
NONE, TEMPERATURE, PRIOR, BOTH = "none", "temperature_nll", "prior_correction", "prior_correction_temperature"

SCORES = (("error", NONE), ("ece", NONE), ("nll", NONE), ("ece", TEMPERATURE), ("nll", TEMPERATURE))
"""Metric and calibrator of each column."""

CORRECTED = ("cross_entropy", "focal_2", "focal_3")
"""Losses of samples as they come, after which the priors can be corrected."""


@dataclass(frozen=True)
class Cell:
    """A method's score: its mean, its difference from cross-entropy, and whether that is real.

    Attributes:
        mean: In percent; 100 x nats for NLL.
        difference: None for cross-entropy itself.
        p_value: Adjusted by Holm over the methods of the column.
    """

    mean: float
    difference: Difference | None
    p_value: float

    @property
    def real(self) -> str:
        """'lower', 'higher', or '' where no difference is shown."""
        if self.difference is None or not self.p_value < 0.05:
            return ""
        return "lower" if self.difference.estimate < 0 else "higher"

    def __str__(self) -> str:
        if self.difference is None:
            return f"{self.mean:.2f}"
        interval = f"{self.difference.low:+.2f} to {self.difference.high:+.2f}"
        word = f" **{self.real}**" if self.real else ""
        return f"{self.mean:.2f} ({interval}){word}"


@dataclass(frozen=True)
class Form:
    """One data set in one long-tailed form.

    Attributes:
        counts: Training samples of each class.
        cells: By method and column.
        corrected: Of the losses `CORRECTED` under each calibrator: error, ECE and NLL, less those as trained.
        floor: Mean ECE of a calibrated network with the confidences of cross-entropy, in percent.
    """

    name: str
    seeds: int
    samples: int
    counts: Sequence[int]
    cells: Mapping[str, Mapping[tuple[str, str], Cell]]
    corrected: Mapping[tuple[str, str], Mapping[str, Cell]]
    floor: float


def values(tested: Sequence[Samples]) -> dict[str, list[float]]:
    """Error, NLL and ECE of each network, in units of print."""
    found = top_label(
        np.stack([each.confidences for each in tested]),
        np.stack([each.correct for each in tested]),
        {"ece": ECE},
        draws=1,
    )
    return {
        "error": [100 * float((~each.correct).mean()) for each in tested],
        "nll": [100 * float(each.negative_log_likelihoods.mean()) for each in tested],
        "ece": [100 * float(each) for each in found["ece"].observed],
    }


def compared(metric: str, one: Sequence[Samples], other: Sequence[Samples]) -> Difference:
    scores = [values(each)[metric] for each in (one, other)]
    found = paired.difference(metric, scores, [one, other])
    assert found is not None
    return found


def method_of(trial: Trial) -> str:
    """The loss, or the sampler if it is another than usual."""
    return trial.loss.label if trial.sampler == NATURAL else f"sampler {trial.sampler.label}"


def cells_of(
    column: tuple[str, str], tested: Mapping[tuple[str, str], list[Samples]], methods: Sequence[str]
) -> dict[str, Cell]:
    metric, calibrator = column
    others = [method for method in methods if method != REFERENCE]
    base = tested[REFERENCE, calibrator]
    found = {method: compared(metric, tested[method, calibrator], base) for method in others}
    adjusted = dict(zip(others, holm([each.p_value for each in found.values()]), strict=True))
    means = {method: float(np.mean(values(tested[method, calibrator])[metric])) for method in methods}
    return {
        method: Cell(means[method], found.get(method), float(adjusted.get(method, np.nan)))
        for method in methods
    }


def form_of(name: str, trials: Sequence[Trial], store: Store) -> Form:
    """Reads the logits of all trials of a data set."""
    by_method: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.seed):
        by_method.setdefault(method_of(trial), []).append(trial)
    predictions = {trial.key: store.predictions(Address.of(trial)) for trial in trials}
    tested: dict[tuple[str, str], list[Samples]] = {}
    for method, of_method in by_method.items():
        calibrators = [NONE, TEMPERATURE, *((PRIOR, BOTH) if method in CORRECTED else ())]
        for calibrator in calibrators:
            tested[method, calibrator] = [of_test_set(predictions[t.key], calibrator) for t in of_method]
    methods = list(by_method)
    columns = {column: cells_of(column, tested, methods) for column in SCORES}
    corrected = {}
    for loss in (loss for loss in CORRECTED if loss in by_method):
        for calibrator in (TEMPERATURE, PRIOR, BOTH):
            one, other = tested[loss, calibrator], tested[loss, NONE]
            found = {metric: compared(metric, one, other) for metric in ("error", "ece", "nll")}
            adjusted = holm([each.p_value for each in found.values()])
            corrected[loss, calibrator] = {
                metric: Cell(float(np.mean(values(one)[metric])), difference, float(p_value))
                for (metric, difference), p_value in zip(found.items(), adjusted, strict=True)
            }
    base = tested[REFERENCE, NONE]
    arrays = np.stack([each.confidences for each in base]), np.stack([each.correct for each in base])
    counts = class_counts_of(predictions[by_method[REFERENCE][0].key])
    return Form(
        name,
        seeds=len(base),
        samples=len(base[0].ids),
        counts=counts,
        cells={method: {column: columns[column][method] for column in SCORES} for method in methods},
        corrected=corrected,
        floor=100 * top_label(*arrays, {"ece": ECE})["ece"].of_mean().mean,
    )


def class_counts_of(predictions: Any) -> list[int]:
    from results.scoring.class_counts import class_counts

    counts = class_counts(predictions)
    return [] if counts is None else [int(each) for each in counts]


@dataclass(frozen=True)
class Verdict:
    """In how many forms a method's score is lower or higher than that of cross-entropy, or not told apart."""

    lower: int
    higher: int
    untold: int


def verdict(forms: Sequence[Form], method: str, column: tuple[str, str]) -> Verdict:
    words = [form.cells[method][column].real for form in forms if method in form.cells]
    return Verdict(words.count("lower"), words.count("higher"), words.count(""))


def section(sweep_name: str, folder: str) -> dict[str, Any]:
    store, sweep = Store(str(RECORDED / folder)), load(sweep_name)
    frame = store.trials().set_index("key")
    by_form: dict[str, list[Trial]] = {}
    for trial in sweep.trials:
        if trial.key in frame.index:
            by_form.setdefault(trial.dataset.label, []).append(trial)
    forms = [form_of(names.dataset(label), trials, store) for label, trials in by_form.items()]
    methods = list(dict.fromkeys(method for form in forms for method in form.cells))
    done = frame.loc[[trial.key for trials in by_form.values() for trial in trials]]
    return {
        "forms": forms,
        "methods": methods,
        "trials": len(done),
        "hours": done["training_seconds"].sum() / 3600,
        "processor": ", ".join(sorted(done["processor"].unique())),
        "commits": ", ".join(sorted(done["source_commit"].str[:12].unique())),
        "verdict": lambda method, column: verdict(forms, method, column),
    }


def title(method: str) -> str:
    return method if method.startswith("sampler ") else names.loss(method)


def page() -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["title"] = title
    return environment.get_template("imbalance-results.md.j2").render(
        tables=section("tables_lt", "tables-lt"), columns=SCORES, reference=REFERENCE
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(f"{page()}\n".encode())
