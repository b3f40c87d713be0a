"""What the papers printed, against the record it was taken from."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from results.tables.published import PAPERS, published
from trainables.errors import ConfigurationError

SHARED = Path(os.environ.get("CALIBSWEEP_SHARED", Path(__file__).resolve().parents[3] / "shared"))
TABLES = SHARED / "published_tables.csv"


@pytest.mark.skipif(not TABLES.is_file(), reason=f"no {TABLES}; set CALIBSWEEP_SHARED")
def test_every_printed_number_is_here() -> None:
    recorded = pd.read_csv(TABLES)
    scaling = recorded["temperature_scaling"].map({"pre": "before", "post": "after", "none": "none"})
    recorded = recorded.assign(scaling=scaling).dropna(subset=["value"])
    for (paper, dataset, model), cells in recorded.groupby(["source", "dataset", "model"]):
        ours = published(paper, dataset, model)
        assert not ours.duplicated(["loss", "metric", "scaling"]).any()
        # Each of ours was printed in that table, and each cell of the paper is one of ours.
        where = ["loss", "metric", "scaling", "table", "value", "temperature"]
        both = ours[where].merge(cells[where].drop_duplicates(), how="left", indicator=True)
        assert (both["_merge"] == "both").all(), (paper, dataset, model)
        assert {*zip(*(ours[name] for name in where[:3]), strict=True)} == {
            *zip(*(cells[name] for name in where[:3]), strict=True)
        }
    assert set(recorded["source"]) == set(PAPERS)


def test_of_two_that_differ_the_one_without_doubt() -> None:
    cells = published("mukhoti2020", "CIFAR-100", "ResNet-50").set_index(["loss", "metric", "scaling"])
    # Table 2 repeats the row of ECE; Table 6 has its own.
    flsd = cells.loc["FLSD-53", "AdaECE", "before"]
    assert (flsd["value"], flsd["table"], flsd["doubt"]) == (4.39, 6, "")
    assert cells.loc["MMCE", "AdaECE", "before"]["doubt"] == "repeats the ECE of Table 1"
    brier = cells.loc["Brier Loss", "ECE", "after"].to_dict()
    assert brier == {"value": 3.64, "temperature": 1.1, "table": 1, "doubt": ""}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("mukhoti2021", "SST Binary", "Tree-LSTM"), "Did you mean 'mukhoti2020'"),
        (("mukhoti2020", "SST", "Tree-LSTM"), "Did you mean 'SST Binary / Tree-LSTM'"),
    ],
)
def test_what_no_paper_printed_is_refused(asked: tuple[str, str, str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        published(*asked)
