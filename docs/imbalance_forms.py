"""Scores of losses and samplers for rare classes, from the stores in results/recorded/."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from results.scoring.class_counts import class_counts
from results.scoring.samples import Samples, of_test_set
from results.statistics.binned import ECE
from results.statistics.differences import Difference
from results.statistics.multiple import holm
from results.statistics.noise_floor import top_label
from results.store.address import Address
from results.store.store import Store
from results.tables import names, paired
from sweeps.expand import load
from trainables.trial import Trial

HERE = Path(__file__).parent
RECORDED = HERE.parent / "results" / "recorded"
SWEEPS = {"cifar10_lt_small": "cifar10-lt-small", "tables_lt": "tables-lt"}
"""Sweep and folder."""

REFERENCE = "cross_entropy"
NONE, TEMPERATURE, PRIOR, BOTH = "none", "temperature_nll", "prior_correction", "prior_correction_temperature"

SCORES = (
    ("error", NONE),
    ("rare error", NONE),
    ("ece", NONE),
    ("nll", NONE),
    ("ece", TEMPERATURE),
    ("nll", TEMPERATURE),
)
"""Metric and calibrator of each column. 'rare error' is the error on samples of the rarer half of classes."""

AFTER = ("error", "rare error", "ece", "nll")
"""Metrics before and after a correction of priors."""

CORRECTED = ("cross_entropy", "focal_2", "focal_3")
"""Losses of samples as they come, after which the priors can be corrected."""

LEVEL = 0.05


@dataclass(frozen=True)
class Cell:
    """A method's score: its mean, its difference from cross-entropy, and whether that is real.

    Attributes:
        by_seed: In percent; 100 x nats for NLL.
        difference: None for cross-entropy itself.
        p_value: Adjusted by Holm over the methods of the column.
    """

    by_seed: Mapping[int, float]
    difference: Difference | None
    p_value: float

    @property
    def mean(self) -> float:
        return float(np.mean([*self.by_seed.values()]))

    @property
    def word(self) -> str:
        return "" if self.difference is None else told(self.difference, self.p_value)

    def __str__(self) -> str:
        if self.difference is None:
            return f"{self.mean:.2f}"
        return f"{self.mean:.2f} ({interval(self.difference)})" + (f" **{self.word}**" if self.word else "")


def told(difference: Difference, p_value: float) -> str:
    """'lower', 'higher', or '' where no difference is shown."""
    if not p_value < LEVEL:
        return ""
    return "lower" if difference.estimate < 0 else "higher"


def interval(difference: Difference) -> str:
    return f"{difference.low:+.2f} to {difference.high:+.2f}"


@dataclass(frozen=True)
class Form:
    """One data set in one long-tailed form.

    Attributes:
        seeds: Most seeds of a method.
        samples: Number of test samples.
        counts: Training samples of each class.
        rare: The rarer half of the classes, rounded down.
        cells: By method and column.
        corrected: Of the losses `CORRECTED` under each calibrator, less those as trained.
        instead: Of cross-entropy after prior correction, less `logit_adjustment`, by metric.
        floor: Mean ECE of a calibrated network with the confidences of cross-entropy, in percent.
    """

    name: str
    seeds: int
    samples: int
    counts: Sequence[int]
    rare: Sequence[int]
    cells: Mapping[str, Mapping[tuple[str, str], Cell]]
    corrected: Mapping[tuple[str, str], Mapping[str, Cell]]
    instead: Mapping[str, Cell]
    floor: float


Tested = dict[int, Samples]
"""Test samples by seed."""


@dataclass(frozen=True)
class Read:
    """The logits of all trials of a form, scored as they are asked for."""

    by_method: Mapping[str, Sequence[Trial]]
    predictions: Mapping[str, Any]
    counts: Sequence[int]
    scored: dict[tuple[str, str], Tested] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, trials: Sequence[Trial], store: Store) -> Read:
        """Trials of one data set and network."""
        by_method: dict[str, list[Trial]] = {}
        for trial in sorted(trials, key=lambda trial: trial.seed):
            by_method.setdefault(method_of(trial), []).append(trial)
        predictions = {trial.key: store.predictions(Address.of(trial)) for trial in trials}
        counts = class_counts(predictions[by_method[REFERENCE][0].key])
        assert counts is not None
        return cls(by_method, predictions, counts)

    @property
    def rare(self) -> list[int]:
        order = np.argsort(self.counts, kind="stable")
        return sorted(int(each) for each in order[: len(order) // 2])

    def tested(self, method: str, calibrator: str) -> Tested:
        if (method, calibrator) not in self.scored:
            self.scored[method, calibrator] = {
                trial.seed: of_test_set(self.predictions[trial.key], calibrator)
                for trial in self.by_method[method]
            }
        return self.scored[method, calibrator]

    @functools.cached_property
    def labels(self) -> pd.Series[int]:
        """Of the test samples, by id."""
        table = next(iter(self.predictions.values())).select(["split", "sample_id", "label"]).to_pandas()
        return table[table["split"] == "test"].set_index("sample_id")["label"]

    def of_rare(self, tested: Tested) -> Tested:
        """Those of the rarer half of classes."""
        return {seed: chosen(each, self.labels[each.ids].isin(self.rare)) for seed, each in tested.items()}


def chosen(samples: Samples, which: Any) -> Samples:
    fields = (field.name for field in dataclasses.fields(samples))
    return Samples(**{name: getattr(samples, name)[np.asarray(which)] for name in fields})


def values(metric: str, tested: Tested) -> dict[int, float]:
    """The metric of each network by seed, in units of print."""

    def of(samples: Samples) -> float:
        match metric:
            case "error":
                return float((~samples.correct).mean())
            case "nll":
                return float(samples.negative_log_likelihoods.mean())
        arrays: tuple[NDArray[Any], ...] = samples.confidences[None], samples.correct[None]
        return float(top_label(*arrays, {"ece": ECE}, draws=1)["ece"].observed[0])

    return {seed: 100 * of(samples) for seed, samples in tested.items()}


def compared(metric: str, one: Tested, other: Tested) -> Difference:
    """The first less the second, over the seeds that both have."""
    seeds = sorted({*one} & {*other})
    scores = [[values(metric, each)[seed] for seed in seeds] for each in (one, other)]
    found = paired.difference(metric, scores, [[each[seed] for seed in seeds] for each in (one, other)])
    assert found is not None
    return found


def cell(metric: str, tested: Tested, difference: Difference | None, p_value: float) -> Cell:
    return Cell(values(metric, tested), difference, float(p_value))


def plain(metric: str, read: Read, tested: Tested) -> tuple[str, Tested]:
    """'rare error' as the error on some samples."""
    return ("error", read.of_rare(tested)) if metric == "rare error" else (metric, tested)


def column_of(read: Read, metric: str, calibrator: str) -> dict[str, Cell]:
    """The cells of a column by method."""
    tested = {method: read.tested(method, calibrator) for method in read.by_method}
    of_each = {method: plain(metric, read, each) for method, each in tested.items()}
    base = of_each[REFERENCE][1]
    found = {m: compared(name, each, base) for m, (name, each) in of_each.items() if m != REFERENCE}
    adjusted = dict(zip(found, holm([each.p_value for each in found.values()]), strict=True))
    return {
        method: cell(name, each, found.get(method), adjusted.get(method, np.nan))
        for method, (name, each) in of_each.items()
    }


def against(read: Read, after: Tested, before: Tested) -> dict[str, Cell]:
    """The metrics `AFTER` of some networks, less those of others."""
    sides = {m: (plain(m, read, after), plain(m, read, before)[1]) for m in AFTER}
    found = {m: compared(name, each, base) for m, ((name, each), base) in sides.items()}
    adjusted = holm([each.p_value for each in found.values()])
    return {m: cell(*sides[m][0], found[m], p) for m, p in zip(found, adjusted, strict=True)}


def corrected_of(read: Read) -> dict[tuple[str, str], dict[str, Cell]]:
    return {
        (loss, calibrator): against(read, read.tested(loss, calibrator), read.tested(loss, NONE))
        for loss in CORRECTED
        if loss in read.by_method
        for calibrator in (TEMPERATURE, PRIOR, BOTH)
    }


def method_of(trial: Trial) -> str:
    """The loss, with the sampler if it is another than usual, as in tables."""
    return names.method(trial.loss.label, trial.sampler.label)


def form_of(label: str, trials: Sequence[Trial], store: Store) -> Form:
    read = Read.of(trials, store)
    columns = {column: column_of(read, *column) for column in SCORES}
    base = [*read.tested(REFERENCE, NONE).values()]
    arrays = np.stack([each.confidences for each in base]), np.stack([each.correct for each in base])
    return Form(
        names.dataset(label),
        seeds=max(map(len, read.by_method.values())),
        samples=len(base[0].ids),
        counts=read.counts,
        rare=read.rare,
        cells={method: {column: columns[column][method] for column in SCORES} for method in read.by_method},
        corrected=corrected_of(read),
        instead=against(read, read.tested(REFERENCE, PRIOR), read.tested("logit_adjustment", NONE)),
        floor=100 * top_label(*arrays, {"ece": ECE})["ece"].of_mean().mean,
    )


def forms_of(sweep_name: str, only: str = "") -> tuple[list[Form], Any]:
    """The forms of a sweep, and the rows of its finished trials.

    Args:
        only: The only data set, for tests.
    """
    store, sweep = Store(str(RECORDED / SWEEPS[sweep_name])), load(sweep_name)
    frame = store.trials().set_index("key")
    by_form: dict[str, list[Trial]] = {}
    for trial in sweep.trials:
        if trial.key in frame.index and trial.dataset.name.startswith(only):
            by_form.setdefault(trial.dataset.label, []).append(trial)
    forms = [form_of(label, trials, store) for label, trials in by_form.items()]
    return forms, frame.loc[[trial.key for trials in by_form.values() for trial in trials]]
