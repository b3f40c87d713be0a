"""The numbers printed in the two papers, for comparison."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

from trainables.errors import ConfigurationError
from trainables.registry import closest

PAPERS = {
    "mukhoti2020": "Mukhoti et al., 'Calibrating Deep Neural Networks using Focal Loss' (NeurIPS 2020)",
    "adafocal2022": "Ghosh et al., 'AdaFocal: Calibration-aware Adaptive Focal Loss' (NeurIPS 2022)",
}


def published(paper: str, dataset: str, model: str) -> pd.DataFrame:
    """A paper's numbers for a data set and model: one row per loss, metric and scaling.

    Args:
        paper: One of `PAPERS`.
        dataset: Its printed name, such as 'SST Binary'.
        model: Its printed name, such as 'Tree-LSTM'.

    Returns:
        `loss` and `metric` as in print ('FLSD-53', 'AdaECE'); `scaling`, 'none', 'before' or 'after'; `value`
        in percent, NLL in 100 x nats; `temperature`, NaN if none was printed; `table`, its number in the
        paper; and `doubt`, why not to trust it, or ''. Of numbers printed in several tables, the first
        without doubt.

    Raises:
        ConfigurationError: The paper is unknown, or has no such row.
    """
    if paper not in PAPERS:
        raise ConfigurationError(f"unknown paper {paper!r}.{closest(paper, PAPERS)}")
    with files("results.tables").joinpath(f"published_numbers/{paper}.csv").open(encoding="utf-8") as file:
        cells = pd.read_csv(file).dropna(subset=["value"])
    row = cells[(cells["dataset"] == dataset) & (cells["model"] == model)]
    if row.empty:
        known = [f"{one} / {other}" for one, other in zip(cells["dataset"], cells["model"], strict=True)]
        near = closest(f"{dataset} / {model}", dict.fromkeys(known))
        raise ConfigurationError(f"{paper} has no numbers for {dataset} / {model}.{near}")
    scalings = {"pre": "before", "post": "after", "none": "none"}
    row = row.assign(scaling=row["temperature_scaling"].map(scalings))
    row = row.assign(doubt=row["doubt"].fillna("")).sort_values(
        "doubt", key=lambda doubt: doubt != "", kind="stable"
    )
    row = row.drop_duplicates(["loss", "metric", "scaling"]).sort_index()
    return row[["loss", "metric", "scaling", "value", "temperature", "table", "doubt"]].reset_index(drop=True)
