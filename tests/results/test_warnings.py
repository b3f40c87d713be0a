"""Marks of doubtful numbers: in each form of a table, explained once, and only where they occur."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from orchestrator.screen.as_json import as_json
from results.tables import table as tables
from results.tables.screen import Screen
from results.tables.warnings import AT_EDGE, FEW, MEANING, NEAR_CHANCE
from results.terminal import Terminal

CLASSES, VALIDATION = 4, 30
MODELS = ("mlp", "small_cnn", "resnet50", "resnet110")
LOSSES = ("brier", "mmce")
LATEX = {NEAR_CHANCE: r"$^\ddagger$", FEW: r"\S{}", AT_EDGE: r"\P{}"}


def predictions(key: str, size: int, useless: bool) -> pa.Table:
    generator = np.random.default_rng(len(key))
    labels = np.arange(VALIDATION + size) % CLASSES
    logits = generator.normal(size=(len(labels), CLASSES)) + (0 if useless else 4) * np.eye(CLASSES)[labels]
    column = pa.FixedSizeListArray.from_arrays(pa.array(logits.astype(np.float32).ravel()), CLASSES)
    parts = pa.array(["validation"] * VALIDATION + ["test"] * size)
    ids = pa.array([*range(VALIDATION), *range(size)])
    return pa.table([parts, ids, pa.array(labels), column], names=["split", "sample_id", "label", "logits"])


def built(models: Sequence[str], *, size: int, useless: str = "", edge: str = "") -> list[tables.Table]:
    """Tables of ECE and error. The key of a trial is its model, loss and seed."""
    training = {part: {"version": 1} for part in ("dataset", "model", "loss")} | {"training": {}}
    rows = [
        {
            "key": f"{model}/{loss}/{seed}",
            "dataset": "cifar10",
            "model": model,
            "loss": loss,
            "variant": "v",
            "seed": seed,
            "identity": json.dumps(training),
            "temperature_ece": 10.0 if f"{model}/{loss}/{seed}" == edge else 1.5,
            "test_ece": seed / 32,
            "test_ece_after_ece": seed / 64,
            "test_error": 0.3 + seed / 100,
        }
        for model in models
        for loss in LOSSES
        for seed in (3, 5)
    ]

    def read(keys: Sequence[str]) -> Mapping[str, pa.Table]:
        return {key: predictions(key, size, key == useless) for key in keys}

    return tables.build(pd.DataFrame(rows), metrics=["ece", "error"], predictions=read)


def screen_of(made: Sequence[tables.Table]) -> str:
    shown = io.StringIO()
    Terminal(file=shown, width=200).print(Screen(made))
    return shown.getvalue()


@pytest.mark.parametrize("models", [MODELS, MODELS[:1]], ids=["by metric", "by network"])
def test_marks_are_in_each_form_and_explained_where_they_occur(models: Sequence[str]) -> None:
    doubtful = built(models, size=77, useless="mlp/mmce/5", edge="mlp/brier/3")
    sure = built(models, size=960)
    for format in ("md", "html", "latex", "screen"):
        shown, plain = (
            screen_of(made) if format == "screen" else tables.render(made, format)
            for made in (doubtful, sure)
        )
        for mark, meaning in MEANING.items():
            printed = LATEX[mark] if format == "latex" else mark
            explanation = f"{printed}: {meaning[:24]}"
            flat = " ".join(shown.split())
            # Each metric of several networks has its own table, and caption; only ECE has temperatures.
            captions = 1 if len(models) == 1 or format == "screen" or mark == AT_EDGE else 2
            assert flat.count(explanation) == captions, (format, mark)
            assert flat.count(printed) > captions and printed not in plain, (format, mark)
    by_place = {
        (line["model"], line["loss"], line["metric"], line["scaling"]): line
        for line in csv.DictReader(io.StringIO(tables.render(doubtful, "csv")))
    }
    columns = ("near_chance", "temperature_at_edge", "test_samples", "few_test_samples")
    first, second = (by_place["mlp", loss, "ece", "after"] for loss in LOSSES)
    assert [first[name] for name in columns] == ["0", "1", "77", "1"]
    assert [second[name] for name in columns] == ["1", "0", "77", "1"]
    assert (first["temperature_by_seed"], second["by_seed"]) == (
        "3:10.0 5:1.5",
        "3:0.046875 5:0.078125",
    )
    cell = json.loads(as_json(doubtful))[0]["rows"][0]["cells"][1]
    assert (cell["by_seed"], cell["temperatures"]) == ({"3": 3 / 64, "5": 5 / 64}, {"3": 10.0, "5": 1.5})
    assert (cell["at_edge"], cell["near_chance"], cell["samples"], cell["seeds"]) == (True, False, 77, 2)
    assert cell["standard_error"] == pytest.approx(cell["deviation"] / 2**0.5) and cell["deviation"] > 0
