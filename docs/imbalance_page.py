"""Writes docs/imbalance-results.md: what losses and samplers for rare classes do to error and calibration.

    .venv/bin/python docs/imbalance_page.py > docs/imbalance-results.md

It reads the stores under results/recorded/, and trains nothing. Every number of the page comes from there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from imbalance_forms import (
    AFTER,
    NONE,
    RECORDED,
    REFERENCE,
    SCORES,
    SWEEPS,
    TEMPERATURE,
    Cell,
    Form,
    forms_of,
    interval,
    told,
)
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from results.statistics.differences import Difference
from results.tables import names

HERE = Path(__file__).parent


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

    def cells(self, form: Form) -> dict[str, Cell]:
        """Those of its methods, whatever their parameters."""
        return {
            method: cells[self.column]
            for method, cells in form.cells.items()
            if method.partition("(")[0] in self.methods
        }

    def comparisons(self, forms: Sequence[Form]) -> list[Comparison]:
        found = [
            (form.name, method, difference)
            for form in forms
            for method, cell in self.cells(form).items()
            if (difference := cell.difference)
        ]
        adjusted = false_discovery_control([d.p_value for *_, d in found]) if found else []
        return [Comparison(*each, float(p)) for each, p in zip(found, adjusted, strict=True)]

    def on_average(self, forms: Sequence[Form]) -> str:
        """Mean difference over the forms, in each over the methods, with its 95% interval over seeds."""
        estimates, variances, degrees = [], [], []
        for form in forms:
            base = form.cells[REFERENCE][self.column].by_seed
            methods = [cell.by_seed for cell in self.cells(form).values()]
            seeds = [seed for seed in base if all(seed in each for each in methods)]
            if methods:
                gaps = [np.mean([each[seed] for each in methods]) - base[seed] for seed in seeds]
                estimates.append(np.mean(gaps))
                variances.append(np.var(gaps, ddof=1) / len(gaps))
                degrees.append(len(gaps) - 1)
        if not estimates:
            return ""
        error, parts = np.sqrt(np.sum(variances)) / len(variances), np.square(variances) / degrees
        # Welch and Satterthwaite.
        reach = error * student.ppf(0.975, np.sum(variances) ** 2 / np.sum(parts))
        mean = float(np.mean(estimates))
        return f"{mean:+.2f} ({mean - reach:+.2f} to {mean + reach:+.2f})"

    def answer(self, comparisons: Sequence[Comparison]) -> list[str | int]:
        """Whether it holds, and the numbers of comparisons that are lower, higher and not told apart."""
        words = [each.word for each in comparisons]
        counts = words.count("lower"), words.count("higher"), words.count("")
        return [{True: "holds", False: "does not hold", None: "cannot be told"}[self.holds(*counts)], *counts]


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
    f"cross_entropy + {name}"
    for name in ("class_balanced", "square_root", "progressively_balanced", "oversampled", "undersampled")
)
SYNTHETIC = tuple(
    f"cross_entropy + {name}" for name in ("smote", "adasyn", "feature_smote", "feature_adasyn")
)

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
        "Margins and adjusted logits lower the error on rare classes",
        ("ldam_drw", "logit_adjustment"),
    ),
)
CLAIMS = (
    *(
        Claim(text, methods, ("ece", calibrator), holds)
        for text, methods, holds in OF_CALIBRATION
        for calibrator in (NONE, TEMPERATURE)
    ),
    *(Claim(text, methods, ("rare error", NONE), often_lower) for text, methods in OF_RARE_CLASSES),
)


def section(sweep_name: str, only: str = "") -> dict[str, Any]:
    forms, done = forms_of(sweep_name, only)
    return {
        "forms": forms,
        "trials": len(done),
        "hours": done["training_seconds"].sum() / 3600,
        "processor": ", ".join(sorted(done["processor"].unique())),
        "commits": ", ".join(sorted(done["source_commit"].str[:12].unique())),
    }


def environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {"title": names.loss, "interval": interval}
    return found


def page() -> str:
    sections = {name: section(name) for name, folder in SWEEPS.items() if (RECORDED / folder).is_dir()}
    forms = [form for each in sections.values() for form in each["forms"]]
    claims = [
        (
            claim,
            found,
            claim.answer(found),
            [claim.on_average(each["forms"]) for each in sections.values()],
        )
        for claim in CLAIMS
        if (found := claim.comparisons(forms))
    ]
    return (
        environment()
        .get_template("imbalance-results.md.j2")
        .render(sections=sections, claims=claims, columns=SCORES, after=AFTER)
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(f"{page()}\n".encode())
