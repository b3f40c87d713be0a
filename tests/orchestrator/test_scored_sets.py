"""A sweep that scores its networks on other data: run, added to, damaged, verified and printed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from results.store.store import Store
from trainables.calibration.out_of_distribution import separation

from .conftest import REPOSITORY, Command

DATASET = '''
"""The digits' test images, out of distribution."""
from pathlib import Path
import torch
from trainables.datasets.base import EvaluationOnly
from trainables.datasets.digits import Digits
from trainables.registry import register

FACTS = {}

@register("digits_c", spec={"input": "image", "image_size": 8, "channels": 1, "evaluation_only": True,
                             "classes_of": "digits"})
class CorruptedDigits(EvaluationOnly):
    def __init__(self, root: Path, corruption: str, severity: int):
        test = Digits(root).test
        noise = torch.randn(test.inputs.shape, generator=torch.Generator().manual_seed(len(corruption)))
        test.inputs = test.inputs + severity * noise
        super().__init__(test, 10, (1, 8, 8))

@register("noise", spec={"input": "image", "image_size": 8, "channels": 1, "evaluation_only": True})
class Noise(EvaluationOnly):
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
        {score_on}
    run: {{watch: [], checkpoint_every: 4}}
"""
SETS = "score_on: [noise, digits_c: {corruption: [dust, rain, sun], severity: [1, 3]}]"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_other_data_is_scored_stored_and_printed(
    calibsweep: Command, tmp_path: Path, sweep_file: Callable[..., str]
) -> None:
    source, folder = tmp_path / "source", tmp_path / "store"
    for package in ("orchestrator", "results", "sweeps", "trainables"):
        shutil.copytree(REPOSITORY / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "trainables" / "datasets" / "elsewhere.py").write_text(DATASET, encoding="utf-8")
    calibsweep.source = source
    plain = sweep_file(SWEEP.format(score_on=""))
    calibsweep("run", plain, "--store", str(folder))
    store = Store(str(folder))
    rows = {path: path.stat().st_ino for path in (folder / "trials").rglob("*.parquet")}
    assert len(rows) == 4 and store.snapshot().scored().empty
    assert "against" not in calibsweep("tables", plain, "--store", str(folder), "--format", "md")

    # A network is not kept: what is to be scored on other data is trained again, and ends as before.
    scoring = sweep_file(SWEEP.format(score_on=SETS), "scoring.yaml")
    assert "4 trials, 4 missing" in calibsweep("plan", scoring, "--store", str(folder))
    calibsweep("run", scoring, "--store", str(folder))
    assert {path: path.stat().st_ino for path in (folder / "trials").rglob("*.parquet")} == rows
    frame = store.snapshot().scored()
    assert len(frame) == 4 * 7 and not frame.attrs["damaged"]
    assert "4 trials, 4 done" in calibsweep("plan", scoring, "--store", str(folder))
    assert "0 differ" in calibsweep("store", "verify", "--store", str(folder))

    # The numbers follow from the stored logits.
    row = frame[(frame["scored_on"] == "noise") & (frame["loss"] == "focal_3")].iloc[0]
    logits = {}
    for kind, key in (("predictions", row["trial_key"]), ("scored_predictions", row["key"])):
        (path,) = (folder / kind).rglob(f"{key}-*.parquet")
        table = pq.read_table(path).to_pandas()
        part = table[table["split"].isin(["test", "scored"])]
        logits[kind] = torch.from_numpy(np.stack(part["logits"].to_list()))
    assert logits["scored_predictions"].shape == (100, 10)
    trial = store.trials().set_index("key").loc[row["trial_key"]]
    expected = separation(*logits.values(), temperature=trial["temperature_nll"])
    assert row["test_auroc_entropy_after_nll"] == pytest.approx(expected["auroc_entropy"])
    assert np.isnan(row["test_ece"])

    # Tables: against each set, and ECE by severity as the mean over corruptions.
    text = calibsweep("tables", scoring, "--store", str(folder), "--format", "md")
    assert "AUROC by entropy, the test set against other data" in text
    for label in (
        "Digits against noise",
        "Digits against digits_c, severity 3",
        "digits_c, severity 1, trained on",
    ):
        assert label in text
    corrupted = frame[frame["scored_on"].str.contains("severity=3") & (frame["loss"] == "focal_3")]
    assert len(corrupted) == 2 * 3
    mean = corrupted.groupby("trial_key")["test_ece"].mean().mean()
    assert f"{100 * mean:.2f}" in text

    # On the screen, where they are asked for.
    asked = ["--metric", "auroc_entropy", "--metric", "error"]
    view = calibsweep("tables", scoring, "--store", str(folder), *asked).splitlines()
    (heading,) = {view[number + 1] for number, line in enumerate(view) if line.startswith("Digits against ")}
    assert heading.split() == ["AUROC", "by", "entropy"] and "Error" in view[1]

    # Damage is named, set aside and made again, with the same bytes.
    (victim,) = (folder / "scored_predictions").rglob(f"{row['key']}-*.parquet")
    content = victim.read_bytes()
    victim.write_bytes(content[:-1])
    output = calibsweep("run", scoring, "--store", str(folder))
    assert "3 done before, 1 to run" in output and victim.name in output
    assert victim.read_bytes() == content
    assert len(store.snapshot().scored()) == 28 and json.loads(row["scored_on_identity"])["name"] == "noise"
