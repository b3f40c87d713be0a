"""The published numbers, against the record they were taken from."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from results.tables.published import PAPERS, published, published_tables
from trainables.errors import ConfigurationError

SHARED = Path(os.environ.get("CALIBSWEEP_SHARED", Path(__file__).resolve().parents[3] / "shared"))
TABLES = SHARED / "published_tables.csv"


LONG_TAILED = SHARED / "longtail_published.csv"
COLUMNS = ["paper", "table", "dataset", "model", "loss", "metric", "scaling"]


def assert_same(ours: pd.DataFrame, recorded: pd.DataFrame, size: int) -> None:
    for frame in (ours, recorded):
        assert not frame.duplicated(COLUMNS).any() and len(frame) == size
    ours, recorded = (frame.sort_values(COLUMNS, ignore_index=True) for frame in (ours, recorded))
    pd.testing.assert_frame_equal(ours[recorded.columns], recorded)


@pytest.mark.skipif(not TABLES.is_file(), reason=f"no {TABLES}; set CALIBSWEEP_SHARED")
def test_every_number_is_here() -> None:
    recorded = pd.read_csv(TABLES).rename(columns={"source": "paper"})
    scaling = recorded.pop("temperature_scaling").map({"pre": "before", "post": "after", "none": "none"})
    ours = published()
    assert_same(ours[ours["paper"].isin(recorded["paper"])], recorded.assign(scaling=scaling), 1432)


@pytest.mark.skipif(not LONG_TAILED.is_file(), reason=f"no {LONG_TAILED}; set CALIBSWEEP_SHARED")
def test_every_number_of_long_tailed_data_is_here() -> None:
    recorded = pd.read_csv(LONG_TAILED)
    papers = (
        recorded["source"]
        .str.split()
        .str[0]
        .map({"BagofTricks-LT": "bagoftricks2021", "MiSLAS": "mislas2021", "Logit": "menon2021"})
    )
    names = {"error": "Error", "accuracy": "Top-1", "balanced accuracy": "Balanced accuracy"}
    metrics = recorded["metric"].replace(names)
    expected = pd.DataFrame(
        {
            "paper": papers,
            "table": recorded["stage"].fillna(1).astype(int),
            "dataset": recorded["dataset"] + "-LT (" + recorded["factor"].astype(str) + ")",
            "model": recorded["model"],
            "loss": recorded["method"],
            "metric": metrics,
            "scaling": metrics.map(lambda metric: "before" if metric == "ECE" else "none"),
            "value": recorded["value"],
        }
    )
    ours = published()
    of_papers = ours[ours["paper"].isin(papers)]
    assert_same(of_papers, expected, 90)
    # Each is of a network whose epoch was not chosen as here.
    assert set(of_papers["doubted"]) == {"epoch"}


def test_doubts_concern_the_number_or_its_temperature_alone() -> None:
    numbers = published().set_index(["table", "dataset", "model", "loss", "metric", "scaling"])
    repeated = numbers.loc[2, "CIFAR-100", "ResNet-50", "MMCE", "AdaECE", "before"]
    assert (repeated["doubted"], repeated["doubt"]) == ("value", "repeats the ECE of Table 1")
    assert numbers.loc[5, "SST Binary", "Tree-LSTM", "FLSD-532", "ECE", "after"]["doubted"] == "temperature"
    assert numbers.loc[6, "CIFAR-100", "ResNet-50", "FLSD-53", "AdaECE", "before"]["doubted"] == ""
    kinds = numbers["doubted"].value_counts().to_dict()
    assert kinds == {"": 1394, "epoch": 90, "value": 34, "temperature": 4}


def test_tables_have_the_papers_numbers() -> None:
    assert published_tables() == [
        *(f"mukhoti2020/{n}" for n in range(1, 14)),
        *("adafocal2022/1", "bagoftricks2021/1", "mislas2021/1", "mislas2021/2", "menon2021/1"),
    ]
    some = published(("adafocal2022/1", "mukhoti2020/8"))
    assert some.groupby("paper").size().to_dict() == {"adafocal2022": 180, "mukhoti2020": 50}
    assert set(published()["paper"]) == set(PAPERS)
    with pytest.raises(ConfigurationError, match="adafocal2022/1"):
        published(("adafocal2022/2",))
