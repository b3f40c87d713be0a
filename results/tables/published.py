"""The numbers printed in papers and their code, for comparison."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from trainables.errors import ConfigurationError


@dataclass(frozen=True)
class Paper:
    """Attributes:
    title: With its authors, venue and year.
    short: Its first author and year.
    protocol: The protocol that follows it.
    criterion: The metric on validation data that chose its printed temperatures.
    runs: Number of training runs that a printed number averages; 1 if nothing is said of it. No paper prints
        their deviation.
    """

    title: str
    short: str
    protocol: str
    criterion: str
    runs: int


PAPERS = {
    "mukhoti2020": Paper(
        "Mukhoti et al., 'Calibrating Deep Neural Networks using Focal Loss' (NeurIPS 2020)",
        "Mukhoti et al. (2020)",
        "mukhoti2020",
        "ece",
        1,
    ),
    "adafocal2022": Paper(
        "Ghosh et al., 'AdaFocal: Calibration-aware Adaptive Focal Loss' (NeurIPS 2022)",
        "Ghosh et al. (2022)",
        "adafocal2022",
        "adaptive_ece",
        5,
    ),
    "bagoftricks2021": Paper(
        "Zhang et al., 'Bag of Tricks for Long-Tailed Visual Recognition with Deep Convolutional Neural "
        "Networks' (AAAI 2021), the trick gallery of its released code",
        "Zhang et al. (2021)",
        "longtail",
        "ece",
        1,
    ),
    "mislas2021": Paper(
        "Zhong et al., 'Improving Calibration for Long-Tailed Recognition' (CVPR 2021), as its code "
        "prints them, by stage of training",
        "Zhong et al. (2021)",
        "longtail",
        "ece",
        1,
    ),
    "menon2021": Paper(
        "Menon et al., 'Long-Tail Learning via Logit Adjustment' (ICLR 2021), as its code prints them",
        "Menon et al. (2021)",
        "longtail",
        "ece",
        1,
    ),
}

SCALINGS = {"pre": "before", "post": "after", "none": "none"}


def published(tables: tuple[str, ...] = ()) -> pd.DataFrame:
    """Every printed number, in the order of print.

    A number printed in two tables has two rows.

    Args:
        tables: Only these, such as 'mukhoti2020/5'.

    Returns:
        `paper`, one of `PAPERS`; `table`, its number in the paper; `dataset`, `model`, `loss` and `metric` as
        in print ('SST Binary', 'Tree-LSTM', 'FLSD-53', 'AdaECE'); `scaling`, 'none', 'before' or 'after';
        `value` in percent, NLL in 100 x nats, NaN if unreadable; `temperature`, NaN if none was printed;
        `doubt`, why not to trust it, or ''; and `doubted`, the part in doubt: 'value', 'temperature', 'epoch'
        (the number is right, of a network after another choice of epochs) or ''.

    Raises:
        ConfigurationError: There is no such table.
    """
    every = pd.concat([_of(paper) for paper in PAPERS], ignore_index=True)
    names = every["paper"] + "/" + every["table"].astype(str)
    for table in tables:
        if table not in set(names):
            raise unknown_table(table)
    return every[names.isin(tables)].reset_index(drop=True) if tables else every


def unknown_table(name: str) -> ConfigurationError:
    """The error for a name that no published table has, with the nearest names."""
    near = difflib.get_close_matches(name, known := published_tables(), n=3, cutoff=0.5) or known
    return ConfigurationError(
        f"no table {name!r} was published. Nearest: {', '.join(near)}; all: `calibsweep list tables`."
    )


def published_tables() -> list[str]:
    """'mukhoti2020/1' and all others."""
    return [f"{paper}/{table}" for paper in PAPERS for table in _of(paper)["table"].unique()]


def _of(paper: str) -> pd.DataFrame:
    with files("results.tables").joinpath(f"published_numbers/{paper}.csv").open(encoding="utf-8") as file:
        cells = pd.read_csv(file)
    scaling = cells.pop("temperature_scaling").map(SCALINGS)
    doubt = cells["doubt"].fillna("")
    known = cells.assign(scaling=scaling, doubt=doubt, doubted=doubt.map(_doubted))
    known.insert(0, "paper", paper)
    return known


def _doubted(doubt: str) -> str:
    """A remark on the temperature or the epoch alone begins with that word."""
    first = doubt.partition(" ")[0]
    return first if first in ("", "temperature", "epoch") else "value"
