"""A loss and a sampler, as one method: tables compare both in one row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from results.tables import names
from trainables.catalogue import SAMPLERS
from trainables.errors import ConfigurationError
from trainables.trial import NATURAL, Component


def by_method(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with their samplers in the labels of losses: 'cross_entropy + smote'.

    Without this, each sampler would have tables of its own, since it is a part of a trial's variant. Trials
    with samples as they come keep the labels of their losses.

    Args:
        trials: With `loss` and `identity` (JSON text); as it is without identities.
    """
    if "identity" not in trials.columns:
        return trials
    texts = trials["identity"].tolist()
    # Parsing thousands of identities takes long, and most have no sampler.
    samplers = [_sampler(json.loads(text)) if '"sampler"' in text else NATURAL.name for text in texts]
    if {*samplers} <= {NATURAL.name}:
        return trials
    return trials.assign(loss=[*map(names.method, trials["loss"], samplers)])


def _sampler(identity: Mapping[str, Any]) -> str:
    """The label of a sampler."""
    found = identity.get("sampler")
    if found is None:
        return NATURAL.name
    name, params = found["name"], found["params"]
    try:
        return Component.resolve(SAMPLERS, (name, params)).label
    except ConfigurationError:
        # A plug-in that is not loaded here, or another version.
        return SAMPLERS.described(name, params) if params else str(name)
