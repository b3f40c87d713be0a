"""A sweep that evaluates its networks on other data too: run, added to, damaged, verified and printed."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from orchestrator.api import add_plugins, trial
from results.store.store import Store
from trainables.calibration.scores import all_probabilities
from trainables.errors import ConfigurationError
from trainables.metrics import compute

from .conftest import Command, printed

DATASET = '''
"""The digits' test images, corrupted, and noise."""
from pathlib import Path
import torch
from trainables.datasets.base import EvaluationDataset
from trainables.datasets.digits import Digits
from trainables.registry import register

@register("digits_c", spec={"input": "image", "image_size": 8, "channels": 1, "has_training_part": False,
                             "classes_of": "digits"})
class CorruptedDigits(EvaluationDataset):
    def __init__(self, root: Path, corruption: str, severity: int):
        test = Digits(root).test
        noise = torch.randn(test.inputs.shape, generator=torch.Generator().manual_seed(len(corruption)))
        test.inputs = test.inputs + severity * noise
        super().__init__(test, 10, (1, 8, 8))

@register("noise", spec={"input": "image", "image_size": 8, "channels": 1, "has_training_part": False})
class Noise(EvaluationDataset):
    def __init__(self, root: Path):
        test = Digits(root).test.first(100)
        test.inputs = torch.randn(test.inputs.shape, generator=torch.Generator().manual_seed(0))
        super().__init__(test, 10, (1, 8, 8))
'''

SWEEP = """
    name: elsewhere
    seeds: 2
    training: {{epochs: 6}}
    blocks:
      - datasets: [digits]
        models: [mlp]
        losses: [cross_entropy, focal_3]
        {evaluations}
    run: {{watch: [], checkpoint_every: 4}}
"""
EVALUATIONS = "evaluations: [noise, digits_c: {corruption: [dust, rain, sun], severity: [1, 3]}]"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_evaluations_are_stored_and_printed(
    calibsweep: Command, tmp_path: Path, sweep_file: Callable[..., str]
) -> None:
    folder, plugin = tmp_path / "store", tmp_path / "elsewhere.py"
    plugin.write_text(DATASET, encoding="utf-8")
    add_plugins(plugin)
    plain = sweep_file(SWEEP.format(evaluations=""))
    for loss, seed in itertools.product(("cross_entropy", "focal_3"), (0, 1)):
        trial("digits", "mlp", loss, seed, overrides=["training.epochs=6"], store=str(folder))
    store = Store(str(folder))
    rows = {path: path.stat().st_ino for path in (folder / "trials").rglob("*.parquet")}
    assert len(rows) == 4 and set(store.snapshot().evaluations()["evaluation"]) == {"test"}
    assert "against" not in printed("tables", plain, "--store", str(folder), "--format", "md")

    # A network is not kept: with a missing evaluation a trial is trained again, and ends as before.
    more = sweep_file(SWEEP.format(evaluations=EVALUATIONS), "more.yaml")
    # Relative to the folder that the command runs in.
    option = ("--plugin", os.path.relpath(plugin, calibsweep.source))
    assert "4 trials, 4 missing" in printed("plan", more, "--store", str(folder))
    calibsweep("run", more, *option, "--store", str(folder))
    assert {path: path.stat().st_ino for path in (folder / "trials").rglob("*.parquet")} == rows
    frame = store.snapshot().evaluations()
    assert len(frame) == 4 * 8 and not frame.attrs["damaged"]
    assert "4 trials, 4 done" in printed("plan", more, "--store", str(folder))
    assert "0 differ" in printed("store", "verify", "--store", str(folder))

    # The numbers follow from the stored logits.
    row = frame[(frame["evaluation"] == "noise") & (frame["loss"] == "focal_3")].iloc[0]
    both = []
    for key in (row["trial_key"], row["key"]):
        (path,) = (folder / "predictions").rglob(f"{key}-{'[0-9a-f]' * 16}.parquet")
        table = pq.read_table(path).to_pandas()
        both.append(torch.from_numpy(np.stack(table[table["split"] == "test"]["logits"].to_list())))
    assert both[1].shape == (100, 10)
    committed = store.trials().set_index("key").loc[row["trial_key"]]
    test, noise = (all_probabilities(logits, committed["temperature_nll"]) for logits in both)
    expected = compute("auroc_entropy", noise, torch.full((100,), -1), test_probabilities=test)
    assert row["test_auroc_entropy_after_nll"] == pytest.approx(expected)
    assert np.isnan(row["test_ece"])

    # Tables: against each data set, and ECE by severity as the mean over corruptions.
    text = printed("tables", more, "--store", str(folder), "--format", "md")
    assert "AUROC by entropy, the test set against other data" in text
    for label in (
        "Digits against noise",
        "Digits against digits_c, severity 3",
        "digits_c, severity 1, trained on",
    ):
        assert label in text
    corrupted = frame[frame["evaluation"].str.contains("severity=3") & (frame["loss"] == "focal_3")]
    assert len(corrupted) == 2 * 3
    mean = corrupted.groupby("trial_key")["test_ece"].mean().mean()
    assert f"{100 * mean:.2f}" in text

    # On the screen, where they are asked for.
    asked = ["--metric", "auroc_entropy", "--metric", "error"]
    view = printed("tables", more, "--store", str(folder), *asked).splitlines()
    (heading,) = {view[number + 1] for number, line in enumerate(view) if line.startswith("Digits against ")}
    assert heading.split() == ["AUROC", "by", "entropy"] and "Error" in view[1]
    assert any(line.startswith("digits_c, severity 1, trained on ") for line in view)
    assert "against" not in printed("tables", more, "--store", str(folder))

    # Metrics that the rows lack are computed for every evaluation.
    asked = ["--metric", "ks", "--metric", "ece", "--format", "csv"]
    with pytest.raises(ConfigurationError, match="store rescore"):
        printed("tables", more, "--store", str(folder), *asked)
    rescore = ["--metric", "ks", "--calibrator", "none", "--calibrator", "temperature_ece"]
    printed("store", "rescore", more, *rescore, "--store", str(folder))
    assert '"digits_c, severity 3, trained on Digits"' in printed(
        "tables", more, "--store", str(folder), *asked
    )

    # Damage is named, set aside and made again, with the same bytes.
    (victim,) = (folder / "predictions").rglob(f"{row['key']}-*.parquet")
    content = victim.read_bytes()
    victim.write_bytes(content[:-1])
    output = calibsweep("run", more, *option, "--store", str(folder))
    assert "3 done before, 1 to run" in output and victim.name in output
    assert victim.read_bytes() == content
    assert len(store.snapshot().evaluations()) == 32
    assert json.loads(row["evaluation_identity"])["name"] == "noise"
