"""The number of classes of data sets: some metrics say nothing of few."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from results.scoring.scores import Metric
from trainables.catalogue import DATASETS

if TYPE_CHECKING:
    import pandas as pd

    from results.tables.evidence import Predictions


def classes_of(trials: pd.DataFrame, predictions: Predictions) -> dict[str, int]:
    """The number of classes of each data set by its label, without those of which it is unknown.

    It is in the mark of a data set, or else that of the logits of one trial.

    Args:
        trials: One row per trial of classification: `key`, `dataset` and `identity`.
    """
    found = {}
    first = trials.drop_duplicates("dataset")
    for key, label, text in zip(
        *(first[name].tolist() for name in ("key", "dataset", "identity")), strict=True
    ):
        entry = DATASETS.entries.get(json.loads(text)["dataset"].get("name"))
        if entry and entry.spec.classes:
            found[label] = entry.spec.classes
        elif (table := predictions([key]).get(key)) is not None and len(table):
            found[label] = len(table["logits"][0])
    return found


def says_nothing(metric: Metric, classes: Mapping[str, int], dataset: str) -> bool:
    """Whether a metric is the same for all networks, since a data set has few classes.

    Args:
        classes: From `classes_of`.
        dataset: Its label.
    """
    return dataset in classes and classes[dataset] <= metric.same_up_to
