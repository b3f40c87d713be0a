"""Class counts of a trial's training part, in the metadata of its stored predictions.

All that scores a trial reads its predictions, and the digest of their file covers the metadata. Predictions
of older versions have no counts, and neither have those of tasks without classes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

CLASS_COUNTS = "calibsweep.class_counts"
"""Key of the counts in the metadata of a table's schema: a list in JSON."""


def with_class_counts(predictions: pa.Table, counts: Sequence[int]) -> pa.Table:
    """Predictions of a trial with the number of training labels of each class, [K]."""
    metadata = predictions.schema.metadata or {}
    text = json.dumps([*counts], separators=(",", ":"))
    return predictions.replace_schema_metadata({**metadata, CLASS_COUNTS: text})


def class_counts(predictions: pa.Table) -> tuple[int, ...] | None:
    """Number of training labels of each class, [K], from a trial's predictions; None if unknown."""
    text = (predictions.schema.metadata or {}).get(CLASS_COUNTS.encode())
    return None if text is None else tuple(json.loads(text))
