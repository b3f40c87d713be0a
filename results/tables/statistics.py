"""Means and standard deviations over seeds, from a data frame of finished trials alone.

The mean is over one cell trained in one way: equal data set, model, loss and training settings. A cell
trained in two ways (60 epochs and 3) gives two rows, whose names show the settings that differ. A duplicate
seed is an error; missing seeds are counted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from results.statistics.seeds import means_and_deviations
from trainables.errors import ConfigurationError
from trainables.texts import visible
from trainables.trial import ADDED, NATURAL

CELL = ["dataset", "model", "loss", "variant"]
"""The columns that identify a cell of a table. `variant` digests the training settings."""

Settings = Mapping[str, Any]
"""Training settings of one variant by name, the versions of its three components, and its sampler."""


def summarise(
    trials: pd.DataFrame, columns: Sequence[str], expected: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Each cell's mean and standard deviation over its seeds.

    Args:
        trials: One row per finished trial, with `key`, `seed`, `identity` (JSON text), the columns of `CELL`
            and those named in `columns`.
        columns: The numbers to summarise.
        expected: One row per expected trial, with `key`, `seed` and the columns of `CELL`, and `identity` if
            variants without a finished trial need the names of their settings. Other trials are ignored. None
            takes the trials as they are.

    Returns:
        One row per cell, sorted: `dataset`, `model`, `settings` (text that distinguishes variants of one data
        set and model, empty if there is one), `loss`, `variant`, `seeds` (their number), `missing` (tuple of
        expected seeds without a finished trial), and for each column `{column}_mean`, `{column}_deviation`
        and `{column}_by_seed` (dict), in the unit of the column. The deviation has n-1 in the denominator
        and is NaN for one seed. Both are NaN if any seed's number is: seeds without a number are not dropped
        silently.

    Raises:
        ConfigurationError: There are no trials, a column is missing, or two trials of one cell have the same
            seed.
    """
    needed = ["key", "seed", "identity", *CELL, *columns]
    if absent := [name for name in needed if len(trials) and name not in trials.columns]:
        raise ConfigurationError(
            f"the trials have no {absent[0]!r}: another version of calibsweep stored them."
        )
    if expected is not None:
        _refuse_duplicates(expected)
        if len(trials):
            trials = with_current_names(trials, expected)
    if not len(trials):
        count = "no trial" if expected is None else f"none of these {len(expected)} trials"
        raise ConfigurationError(f"{count} is finished, so no table can be made.")
    # Sort the rows, so that sums do not depend on the order of files in a store.
    trials = trials[needed].sort_values([*CELL, "seed"], ignore_index=True)
    trials[list(columns)] = trials[list(columns)].astype(float)
    _refuse_duplicates(trials)

    summary = means_and_deviations(trials, CELL, columns)
    summary = pd.concat([summary, _by_seed(trials, summary["seeds"], columns)], axis=1)
    holes = {} if expected is None else _holes(trials, expected)
    if holes:
        summary = summary.reindex(summary.index.union([*holes]).set_names(CELL))
        summary["seeds"] = summary["seeds"].fillna(0).astype(int)
    summary.insert(1, "missing", [holes.get(cell, ()) for cell in summary.index])
    summary = summary.reset_index()

    names = _names_of_variants(summary, settings_of_variants(trials, expected))
    variants = zip(summary["dataset"], summary["model"], summary["variant"], strict=True)
    rows = [names[variant] for variant in variants]
    summary.insert(2, "settings", [text for _, text in rows])
    summary.insert(0, "order", [position for position, _ in rows])
    summary = summary.sort_values(["dataset", "model", "order", "loss"], ignore_index=True)
    return summary.drop(columns="order")


def _by_seed(trials: pd.DataFrame, counts: pd.Series[int], columns: Sequence[str]) -> pd.DataFrame:
    """Each cell's values by seed, from sorted trials and their number in each cell."""
    ends = counts.cumsum().tolist()
    starts = [0, *ends[:-1]]
    seeds = trials["seed"].tolist()
    found = {}
    for name in columns:
        values = trials[name].tolist()
        found[f"{name}_by_seed"] = [
            dict(zip(seeds[start:end], values[start:end], strict=True))
            for start, end in zip(starts, ends, strict=True)
        ]
    return pd.DataFrame(found, index=counts.index)


def _refuse_duplicates(frame: pd.DataFrame) -> None:
    again = frame.duplicated([*CELL, "seed"], keep=False)
    if not again.any():
        return
    first = frame[again].iloc[0]
    same = frame[again & (frame[[*CELL, "seed"]] == first[[*CELL, "seed"]]).all(axis=1)]
    raise ConfigurationError(
        f"{first['dataset']} / {first['model']} / {first['loss']} has {len(same)} trials with seed "
        f"{first['seed']} ({', '.join(sorted(same['key'].astype(str)))}): delete all but one, "
        "since a mean over seeds counts each seed once."
    )


def _holes(trials: pd.DataFrame, expected: pd.DataFrame) -> dict[Any, tuple[int, ...]]:
    """The seeds of each cell without a finished trial."""
    # A set: `isin` of Arrow strings takes twenty times as long.
    done = set(trials["key"])
    missing = expected[[key not in done for key in expected["key"]]].sort_values([*CELL, "seed"])
    return {cell: tuple(seeds) for cell, seeds in missing.groupby(CELL)["seed"]}


def settings_of_variants(*frames: pd.DataFrame | None) -> dict[str, Settings]:
    """The settings of every variant whose `identity` is in one of the frames."""
    settings: dict[str, Settings] = {}
    for frame in frames:
        if frame is None or "identity" not in frame.columns:
            continue
        for row in frame.drop_duplicates("variant").itertuples():
            if row.variant in settings:
                continue
            identity = json.loads(str(row.identity))
            parts = ("dataset", "model", "loss")
            versions = {f"{part} version": identity[part]["version"] for part in parts}
            sampler = _of_sampler(identity.get("sampler"))
            training = dict(sorted({**ADDED, **identity["training"]}.items()))
            settings[str(row.variant)] = {**training, **versions, "sampler": sampler}
    return settings


def _of_sampler(identity: Mapping[str, Any] | None) -> str:
    """A trial's sampler by name, with its parameters; rows omit the natural order."""
    if identity is None:
        return NATURAL.name
    params = ", ".join(f"{name}={_short(value)}" for name, value in identity["params"].items())
    return f"{identity['name']}({params})" if params else identity["name"]


def differing(settings: Iterable[Settings]) -> list[str]:
    """Names of the settings that differ among these, without those that follow from others.

    Milestones scale with the epochs, so they are named only if nothing else differs.
    """
    settings = list(settings)
    names = [name for name in settings[0] if any(each.get(name) != settings[0][name] for each in settings)]
    shorter = [name for name in names if name != "milestones"]
    told_apart = {tuple(map(repr, map(each.get, shorter))) for each in settings}
    return shorter if len(told_apart) == len({repr(each) for each in settings}) else names


def described(settings: Settings, names: Iterable[str]) -> str:
    """'epochs=3, milestones=1-2'."""
    return ", ".join(f"{name}={_short(settings.get(name))}" for name in names)


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "-".join(map(_short, value)) or "none"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else visible(str(value))


def _names_of_variants(
    cells: pd.DataFrame, known: Mapping[str, Settings]
) -> dict[tuple[str, str, str], tuple[int, str]]:
    """For each (data set, model, variant): the position and the name of its row among the model's rows.

    A protocol may train one loss differently (Brier has its own learning rate), and all are still compared in
    one row. So rows are distinguished only by settings that vary within one loss.
    """
    variants: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for dataset, model, loss, variant in zip(*(cells[name] for name in CELL), strict=True):
        variants[dataset, model][loss].add(variant)
    names: dict[tuple[str, str, str], tuple[int, str]] = {}
    for (dataset, model), by_loss in variants.items():
        rows = _rows_of_model(list(by_loss.values()), known)
        order = {row: position for position, row in enumerate(sorted(set(rows.values())))}
        names |= {(dataset, model, variant): (order[row], row[1]) for variant, row in rows.items()}
    return names


def _rows_of_model(
    by_loss: Sequence[set[str]], known: Mapping[str, Settings]
) -> dict[str, tuple[tuple[Any, ...], str]]:
    """The row (sort key, name) of each variant, from the variants of each loss."""
    every = sorted(set().union(*by_loss))
    several = [each for each in by_loss if len(each) > 1]
    if not several:
        return dict.fromkeys(every, ((), ""))
    settings_by_loss = [[known[variant] for variant in sorted(each) if variant in known] for each in several]
    split = {name for settings in settings_by_loss if len(settings) > 1 for name in differing(settings)}
    # A variant known only by its digest is named after it.
    rows: dict[str, tuple[tuple[Any, ...], str]] = {
        variant: ((_sortable(variant),), f"variant {variant[:8]}") for variant in every
    }
    for variant in every:
        if settings := known.get(variant):
            names = [name for name in settings if name in split]
            # Of settings that most trials leave off, only those are named that are on.
            unusual = [name for name in names if settings[name] != ADDED.get(name, ...)]
            text = described(settings, unusual) or ("plain" if names else "")
            rows[variant] = tuple((name in unusual, _sortable(settings[name])) for name in names), text
    return rows


def _sortable(value: Any) -> tuple[int, Any]:
    """Sorts numbers, texts and lists without comparing one kind with another; None first."""
    if value is None:
        return (0, 0)
    if isinstance(value, int | float):
        return (1, value)
    return (2, value) if isinstance(value, str) else (3, tuple(map(_sortable, value)))


def with_current_names(trials: pd.DataFrame, expected: pd.DataFrame | None) -> pd.DataFrame:
    """The trials of a sweep, under its names: those in rows are of the time of storing, and no part of a key.

    Args:
        expected: The trials of the sweep, one row each; None to keep all trials and names.
    """
    if expected is None:
        return trials
    return trials.drop(columns=CELL).merge(expected[["key", *CELL]], on="key")
