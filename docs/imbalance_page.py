"""Writes docs/imbalance-results.md: what losses and samplers for rare classes do to error and calibration.

    .venv/bin/python docs/imbalance_page.py > docs/imbalance-results.md

It reads the stores under results/recorded/, and trains nothing. Every number of the page comes from there.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

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
from trainables.trial import NATURAL, Trial

HERE = Path(__file__).parent
RECORDED = HERE.parent / "results" / "recorded"
SWEEPS = {"tables_lt": "tables-lt", "cifar10_lt_small": "cifar10-lt-small"}
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
        mean: In percent; 100 x nats for NLL.
        difference: None for cross-entropy itself.
        p_value: Adjusted by Holm over the methods of the column.
    """

    mean: float
    difference: Difference | None
    p_value: float

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
        floor: Mean ECE of a calibrated network with the confidences of cross-entropy, in percent.
    """

    name: str
    seeds: int
    samples: int
    counts: Sequence[int]
    rare: Sequence[int]
    cells: Mapping[str, Mapping[tuple[str, str], Cell]]
    corrected: Mapping[tuple[str, str], Mapping[str, Cell]]
    floor: float


Tested = dict[int, Samples]
"""Test samples by seed."""


@dataclass(frozen=True)
class Read:
    """The logits of all trials of a form, scored as they are asked for."""

    by_method: Mapping[str, Sequence[Trial]]
    predictions: Mapping[str, Any]
    counts: Sequence[int]

    @property
    def rare(self) -> list[int]:
        order = np.argsort(self.counts, kind="stable")
        return sorted(int(each) for each in order[: len(order) // 2])

    def tested(self, method: str, calibrator: str) -> Tested:
        return {
            trial.seed: of_test_set(self.predictions[trial.key], calibrator)
            for trial in self.by_method[method]
        }

    def of_rare(self, tested: Tested) -> Tested:
        """Those of the rarer half of classes."""
        table = next(iter(self.predictions.values())).to_pandas()
        labels = table[table["split"] == "test"].set_index("sample_id")["label"]
        return {seed: chosen(each, labels[each.ids].isin(self.rare)) for seed, each in tested.items()}


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
    return Cell(float(np.mean([*values(metric, tested).values()])), difference, float(p_value))


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


def corrected_of(read: Read) -> dict[tuple[str, str], dict[str, Cell]]:
    corrected = {}
    for loss in (loss for loss in CORRECTED if loss in read.by_method):
        before = read.tested(loss, NONE)
        for calibrator in (TEMPERATURE, PRIOR, BOTH):
            after = read.tested(loss, calibrator)
            sides = {m: (plain(m, read, after), plain(m, read, before)[1]) for m in AFTER}
            found = {m: compared(name, each, base) for m, ((name, each), base) in sides.items()}
            adjusted = holm([each.p_value for each in found.values()])
            corrected[loss, calibrator] = {
                m: cell(*sides[m][0], found[m], p) for m, p in zip(found, adjusted, strict=True)
            }
    return corrected


def method_of(trial: Trial) -> str:
    """The loss, or the sampler if it is another than usual."""
    return trial.loss.label if trial.sampler == NATURAL else f"sampler {trial.sampler.label}"


def form_of(label: str, trials: Sequence[Trial], store: Store) -> Form:
    by_method: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.seed):
        by_method.setdefault(method_of(trial), []).append(trial)
    predictions = {trial.key: store.predictions(Address.of(trial)) for trial in trials}
    counts = class_counts(predictions[by_method[REFERENCE][0].key])
    assert counts is not None
    read = Read(by_method, predictions, counts)
    columns = {column: column_of(read, *column) for column in SCORES}
    base = [*read.tested(REFERENCE, NONE).values()]
    arrays = np.stack([each.confidences for each in base]), np.stack([each.correct for each in base])
    return Form(
        names.dataset(label),
        seeds=max(map(len, by_method.values())),
        samples=len(base[0].ids),
        counts=counts,
        rare=read.rare,
        cells={method: {column: columns[column][method] for column in SCORES} for method in by_method},
        corrected=corrected_of(read),
        floor=100 * top_label(*arrays, {"ece": ECE})["ece"].of_mean().mean,
    )


@dataclass(frozen=True)
class Comparison:
    """One method against cross-entropy in one form.

    Attributes:
        p_value: Adjusted by Benjamini and Hochberg over all comparisons of a claim.
    """

    form: str
    method: str
    difference: Difference
    p_value: float

    @property
    def word(self) -> str:
        return told(self.difference, self.p_value)


@dataclass(frozen=True)
class Claim:
    """A claim of the literature, judged by all its comparisons.

    Attributes:
        column: Of `SCORES`.
        holds: Whether it holds, from the numbers of comparisons that are lower, higher and not told apart;
            None if they cannot tell.
    """

    text: str
    methods: Sequence[str]
    column: tuple[str, str]
    holds: Callable[[int, int, int], bool | None]

    def comparisons(self, forms: Sequence[Form]) -> list[Comparison]:
        found = [
            (form.name, method, difference)
            for form in forms
            for method, cells in form.cells.items()
            if method.partition("(")[0] in self.methods and (difference := cells[self.column].difference)
        ]
        adjusted = false_discovery_control([d.p_value for *_, d in found]) if found else []
        return [Comparison(*each, float(p)) for each, p in zip(found, adjusted, strict=True)]

    def answer(self, comparisons: Sequence[Comparison]) -> str:
        words = [each.word for each in comparisons]
        counts = words.count("lower"), words.count("higher"), words.count("")
        verdict = {True: "It holds", False: "It does not hold", None: "It cannot be told"}[
            self.holds(*counts)
        ]
        return (
            f"{verdict}: lower in {counts[0]} of {len(words)} comparisons, higher in {counts[1]}, not told "
            f"apart in {counts[2]}."
        )


def often_lower(lower: int, higher: int, untold: int) -> bool | None:
    """In more than half of the comparisons."""
    half = (lower + higher + untold) / 2
    return True if lower > half else False if lower + untold <= half else None


def sometimes_higher(lower: int, higher: int, untold: int) -> bool | None:
    return True if higher else None if untold else False


def both_ways(lower: int, higher: int, untold: int) -> bool | None:
    return True if lower and higher else None if untold else False


FOCAL = ("focal_2", "focal_3", "alpha_focal")
WEIGHTED = ("weighted_cross_entropy", "square_root_weighted_cross_entropy", "class_balanced_cross_entropy")
RESAMPLED = tuple(
    f"sampler {name}"
    for name in ("class_balanced", "square_root", "progressively_balanced", "oversampled", "undersampled")
)
SYNTHETIC = tuple(f"sampler {name}" for name in ("smote", "adasyn", "feature_smote", "feature_adasyn"))

OF_CALIBRATION = (
    ("Focal loss often improves calibration", FOCAL, often_lower),
    ("Class weights can worsen calibration", WEIGHTED, sometimes_higher),
    ("The effect of resampling on calibration is variable", RESAMPLED, both_ways),
    ("The effect of SMOTE and its kind on calibration is variable", SYNTHETIC, both_ways),
)
OF_RARE_CLASSES = (
    ("Focal loss lowers the error on rare classes", FOCAL),
    ("Class weights lower the error on rare classes", WEIGHTED),
    ("Resampling and SMOTE lower the error on rare classes", (*RESAMPLED, *SYNTHETIC)),
    (
        "Margins, balanced softmax and adjusted logits lower the error on rare classes",
        ("ldam_drw", "balanced_softmax", "logit_adjustment"),
    ),
)
CLAIMS = (
    *(
        Claim(f"{text} ({when} temperature scaling)", methods, ("ece", calibrator), holds)
        for text, methods, holds in OF_CALIBRATION
        for when, calibrator in (("before", NONE), ("after", TEMPERATURE))
    ),
    *(Claim(text, methods, ("rare error", NONE), often_lower) for text, methods in OF_RARE_CLASSES),
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


def section(sweep_name: str, only: str = "") -> dict[str, Any]:
    forms, done = forms_of(sweep_name, only)
    return {
        "forms": forms,
        "trials": len(done),
        "hours": done["training_seconds"].sum() / 3600,
        "processor": ", ".join(sorted(done["processor"].unique())),
        "commits": ", ".join(sorted(done["source_commit"].str[:12].unique())),
    }


def title(method: str) -> str:
    return method if method.startswith("sampler ") else names.loss(method)


def environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {"title": title, "interval": interval}
    return found


def page() -> str:
    sections = {name: section(name) for name, folder in SWEEPS.items() if (RECORDED / folder).is_dir()}
    forms = [form for each in sections.values() for form in each["forms"]]
    claims = [(claim, found, claim.answer(found)) for claim in CLAIMS if (found := claim.comparisons(forms))]
    return (
        environment()
        .get_template("imbalance-results.md.j2")
        .render(sections=sections, claims=claims, columns=SCORES, after=AFTER)
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(f"{page()}\n".encode())
