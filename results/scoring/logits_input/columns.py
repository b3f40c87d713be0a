"""Finds the columns of a table with the label, the logits of each class, and the part of a row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from results.scoring.logits_input.names import PREDICTIONS, PROBABILITIES, Names, role_of, words
from results.scoring.logits_input.notes import shortened
from trainables.errors import ConfigurationError, InputError
from trainables.registry import closest

Kind = Literal["number", "list", "text", "other"]

SPLIT_WORDS = {"split", "part", "subset", "fold", "partition"}
NO_LOGITS = re.compile(
    r"|unnamed: ?\d+|__index_level_\d+__|(sample_?)?(id|idx|index|key|row|number)"
    r"|confidence|loss|correct|fold|epoch|seed",
    re.IGNORECASE,
)
"""Numeric columns that are not logits, if no name decides which are."""


@dataclass(frozen=True)
class Columns:
    """The columns needed for scores.

    Attributes:
        labels: Column of the labels.
        logits: Columns of the classes 0 to K-1, or one column of lists.
        called: Common name of the logits.
        guessed: Whether they were chosen only because nothing else was left.
        split: Column of the part of a row, if any.
    """

    labels: str
    logits: tuple[str, ...]
    called: str
    guessed: bool = False
    split: str | None = None


def columns(kinds: Mapping[str, Kind], names: Names, file: Path, *, probabilities: bool = False) -> Columns:
    """Finds these columns by content and name.

    Raises:
        ConfigurationError: A name in `names` that no column has.
        InputError: The roles of the columns are ambiguous.
    """
    labels = _labels(kinds, names, file)
    split = next(
        (name for name, kind in kinds.items() if kind == "text" and set(words(name)) & SPLIT_WORDS), None
    )
    rest = {name: kind for name, kind in kinds.items() if name not in (labels, split)}
    logits, called, guessed = _logits(rest, names, file, probabilities)
    return Columns(labels, logits, called, guessed, split)


def _labels(kinds: Mapping[str, Kind], names: Names, file: Path) -> str:
    given = [name for name in names.of("labels") if name in kinds]
    if given:
        return given[0]
    sure = {
        name: known[1]
        for name in kinds
        if (known := role_of(name)) is not None and known[0] == "labels" and not re.search(r"\d$", name)
    }
    best = [name for name, sureness in sure.items() if sureness == min(sure.values())]
    if len(best) == 1:
        return best[0]
    if best:
        raise InputError(
            f"{file}: {' and '.join(map(repr, best))} may be the label: choose one with --names labels=NAME."
        )
    wrong = names.of("labels")
    if wrong:
        raise ConfigurationError(f"{file} has no column {wrong[0]!r} for labels.{closest(wrong[0], kinds)}")
    raise InputError(
        f"{file}: no column of labels among {shortened(list(kinds))}. Name it with --names labels=NAME."
    )


def _logits(
    kinds: Mapping[str, Kind], names: Names, file: Path, probabilities: bool
) -> tuple[tuple[str, ...], str, bool]:
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    lists = [name for name, kind in kinds.items() if kind == "list"]
    for given in names.of("logits"):
        if given in lists or given in numbers:
            return (given,), given, False
        begun = [name for name in numbers if name.startswith(given)]
        if begun:
            numbered = (
                _family(begun, given, file) if all(_number(name) is not None for name in begun) else begun
            )
            return tuple(numbered), given, False
    if names.of("logits"):
        wrong = names.of("logits")[0]
        raise ConfigurationError(
            f"{file} has no numeric columns with the prefix {wrong!r}.{closest(wrong, kinds)}"
        )
    families: dict[str, list[str]] = {name: [name] for name in lists}
    for name in numbers:
        if _number(name) is not None:
            families.setdefault(re.sub(r"\d+$", "", name), []).append(name)
    families = {prefix: those for prefix, those in families.items() if len(those) > 1 or prefix in lists}
    if not families:
        single = [name for name in numbers if (known := role_of(name)) is not None and known[0] == "logits"]
        left = [name for name in numbers if not NO_LOGITS.fullmatch(name) and name not in single]
        # Beside columns of classes, a prediction is the predicted class.
        if len(single) == 1 and (not left or role_of(single[0]) != ("logits", PREDICTIONS)):
            return (single[0],), single[0], False
        if len(left) < 2:
            raise InputError(
                f"{file}: no columns of logits among {shortened(list(kinds))}. "
                "Give the prefix of their names with --names logits=PREFIX."
            )
        return tuple(left), "logits", True
    prefix = _surest(list(families), file, probabilities)
    those = families[prefix]
    return tuple(those if prefix in lists else _family(those, prefix, file)), prefix or "logits", False


def _surest(prefixes: Sequence[str], file: Path, probabilities: bool) -> str:
    def unsureness(prefix: str) -> int:
        known = role_of(prefix)
        if known is None or known[0] != "logits":
            return 9
        return -1 if probabilities and known[1] == PROBABILITIES else known[1]

    least = min(map(unsureness, prefixes))
    best = [prefix for prefix in prefixes if unsureness(prefix) == least]
    if len(best) > 1:
        raise InputError(
            f"{file}: columns {' and '.join(repr(each) for each in best)} may be logits: "
            "choose some with --names logits=PREFIX."
        )
    return best[0]


def _number(name: str) -> int | None:
    found = re.search(r"\d+$", name)
    return int(found[0]) if found else None


def _family(those: Sequence[str], prefix: str, file: Path) -> list[str]:
    """Columns numbered from 0 or 1, in the order of their numbers."""
    by_number = {_number(name): name for name in those}
    first = min(number for number in by_number if number is not None)
    expected = range(first, first + len(those))
    missing = next((number for number in expected if number not in by_number), None)
    if first > 1 or missing is not None:
        absent = first - 1 if missing is None else missing
        raise InputError(
            f"{file}: columns {prefix}... are numbered from {first}, and {prefix}{absent} is missing: "
            "scores need the logits of every class."
        )
    return [by_number[number] for number in expected]
