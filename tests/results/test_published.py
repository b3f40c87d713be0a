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


@pytest.mark.skipif(not TABLES.is_file(), reason=f"no {TABLES}; set CALIBSWEEP_SHARED")
def test_every_number_is_here() -> None:
    recorded = pd.read_csv(TABLES).rename(columns={"source": "paper"})
    scaling = recorded.pop("temperature_scaling").map({"pre": "before", "post": "after", "none": "none"})
    columns = list(recorded.columns)
    ours = published()[[*columns, "scaling"]]
    order = ["paper", "table", "dataset", "model", "loss", "metric", "scaling"]
    for frame in (ours, recorded.assign(scaling=scaling)):
        assert not frame.duplicated(order).any() and len(frame) == 1432
    pd.testing.assert_frame_equal(
        *(frame.sort_values(order, ignore_index=True) for frame in (ours, recorded.assign(scaling=scaling)))
    )


def test_doubts_concern_the_number_or_its_temperature_alone() -> None:
    numbers = published().set_index(["table", "dataset", "model", "loss", "metric", "scaling"])
    repeated = numbers.loc[2, "CIFAR-100", "ResNet-50", "MMCE", "AdaECE", "before"]
    assert (repeated["doubted"], repeated["doubt"]) == ("value", "repeats the ECE of Table 1")
    assert numbers.loc[5, "SST Binary", "Tree-LSTM", "FLSD-532", "ECE", "after"]["doubted"] == "temperature"
    assert numbers.loc[6, "CIFAR-100", "ResNet-50", "FLSD-53", "AdaECE", "before"]["doubted"] == ""
    assert numbers["doubted"].value_counts().to_dict() == {"": 1394, "value": 34, "temperature": 4}


def test_tables_have_the_papers_numbers() -> None:
    assert published_tables() == [*(f"mukhoti2020/{n}" for n in range(1, 14)), "adafocal2022/1"]
    some = published(("adafocal2022/1", "mukhoti2020/8"))
    assert some.groupby("paper").size().to_dict() == {"adafocal2022": 180, "mukhoti2020": 50}
    assert set(some["paper"]) == set(PAPERS)
    with pytest.raises(ConfigurationError, match="adafocal2022/1"):
        published(("adafocal2022/2",))
