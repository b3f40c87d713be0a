"""Records of cards: which is taken, which speed a network is given, and what is no record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from results.gpu_records import FOLDER, chosen, recorded
from trainables.errors import ConfigurationError, DataError


def write(folder: Path, name: str, card: str, date: str, speeds: Mapping[str, float], **changed: Any) -> Path:
    """A file as benchmarks/gpu.py writes it, of networks in bfloat16 whose image takes a GFLOP."""
    rows = [
        {
            "model": model,
            "precision": "bfloat16",
            "compile": False,
            "images_per_second": rate,
            "training_flops_per_image": 1e9,
        }
        for model, rate in speeds.items()
    ]
    steps = {
        "card": {"status": "done", "found": {"identity": {"name": card}}},
        "speed": {"status": "failed", "speeds": rows},
        "pictures": {"status": "not run", "reason": "no time"},
    }
    content = {"format": 1, "started": f"{date}T01:02:03+00:00", "device": "cuda", "tiny": False}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"gpu-{name}.json"
    path.write_text(json.dumps({**content, "steps": steps, **changed}), encoding="utf-8")
    return path


def test_the_latest_record_of_the_requested_card_is_used(tmp_path: Path) -> None:
    assert chosen(None, tmp_path) is None
    with pytest.raises(ConfigurationError, match="Available: none"):
        chosen("H100", tmp_path)
    write(tmp_path, "b", "NVIDIA H100 80GB HBM3", "2027-01-02", {"resnet50": 20_000})
    write(tmp_path, "c", "NVIDIA H100 80GB HBM3", "2026-12-03", {"resnet50": 10_000})
    write(tmp_path, "a", "NVIDIA L4", "2027-02-01", {"resnet50": 5_000})
    for asked, card, date in (
        (None, "NVIDIA L4", "2027-02-01"),
        ("h100", "NVIDIA H100 80GB HBM3", "2027-01-02"),
    ):
        record = chosen(asked, tmp_path)
        assert record and (record.card, record.date) == (card, date)
    with pytest.raises(ConfigurationError, match="NVIDIA L4"):
        chosen("NVIDIA L5", tmp_path)


def test_a_network_that_was_not_measured_is_given_the_speed_of_one_like_it(tmp_path: Path) -> None:
    speeds = {"resnet50": 20_000, "wide_resnet_26_10": 30_000, "densenet121": 10_000}
    write(tmp_path, "a", "card", "2027-01-02", speeds)
    record = chosen(None, tmp_path)
    assert record
    for model, like, rate in (
        ("resnet50", "resnet50", 2e13),
        ("resnet50_tiny", "resnet50", 2e13),
        ("wide_resnet_40_2", "wide_resnet_26_10", 3e13),
        ("resnet110", "densenet121", 1e13),
    ):
        speed = record.nearest(model, "bfloat16", False)
        assert speed and (speed.model, speed.flops_per_second) == (like, rate)
    assert record.nearest("resnet50", "float32", False) is None
    assert record.nearest("resnet50", "bfloat16", True) is None


@pytest.mark.parametrize("changed", [{"device": "cpu"}, {"tiny": True}, {"format": 2}, {"steps": {}}])
def test_a_file_without_a_card_is_no_record(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = write(tmp_path, "a", "card", "2027-01-02", {"resnet50": 1.0}, **changed)
    with pytest.raises(DataError, match=path.name):
        list(recorded(tmp_path))


def test_every_record_that_is_kept_here_can_be_read() -> None:
    for record in recorded(FOLDER):
        assert record.card and record.speeds
