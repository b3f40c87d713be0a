"""A loss and a sampler, as one method: tables compare both in one row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from results.tables.names import AND
from trainables.catalogue import SAMPLERS
from trainables.errors import ConfigurationError
from trainables.trial import Component


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
    samplers = [_sampler(json.loads(text)) if '"sampler"' in text else "" for text in texts]
    if not any(samplers):
        return trials
    both = zip(trials["loss"], samplers, strict=True)
    return trials.assign(loss=[f"{loss}{AND}{sampler}" if sampler else loss for loss, sampler in both])


def _sampler(identity: Mapping[str, Any]) -> str:
    """The label of a sampler; '' for samples as they come."""
    found = identity.get("sampler")
    if found is None:
        return ""
    name, params = found["name"], found["params"]
    try:
        return Component.resolve(SAMPLERS, (name, params)).label
    except ConfigurationError:
        # A plug-in that is not loaded here, or another version.
        values = ",".join(f"{each}={value}" for each, value in params.items())
        return f"{name}({values})" if values else str(name)
