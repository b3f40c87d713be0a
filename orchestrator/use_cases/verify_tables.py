"""Compares a file of tables with the same tables made again from a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from results.tables.origin import Change, Difference, Origin, changes, differences, split
from trainables.errors import ConfigurationError


@dataclass(frozen=True)
class VerifiedTables:
    """Attributes:
    file: Its name.
    follows: Whether the tables and the trials behind them are those of the file.
    differences: The places that differ.
    changes: The data sets, models and losses with other trials.
    same_inputs: Whether the trials, those planned, and the code of derived scores are the same.
    made_from, now: The origins of the file, and of the tables made again.
    """

    file: str
    follows: bool
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]
    same_inputs: bool
    made_from: Origin
    now: Origin


def read(file: Path) -> tuple[str, Origin]:
    """The text of a file without its origin (JSON: with it), and its origin.

    Raises:
        ConfigurationError: It cannot be read, or has no origin.
    """
    try:
        # Git and mail programs may change the ends of lines.
        return split(file.read_bytes().decode().replace("\r\n", "\n"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, ConfigurationError) as error:
        reason = error if isinstance(error, ConfigurationError) else "it is not UTF-8 text."
        raise ConfigurationError(f"{file}: {reason}") from error


def verify_tables(
    file: Path, text: str, made_from: Origin, format: str, now: Origin, again: str
) -> VerifiedTables:
    """Compares a file of tables with those made again. Their dates may differ.

    Args:
        text, made_from: Of the file, from `read`.
        format: 'md', 'latex', 'html', 'csv' or 'json'.
        now: The origin of the tables made again.
        again: Their text in that format, without its origin (JSON: with it).
    """
    found = differences(text, again, format)
    changed = changes(made_from, now)
    same = made_from.inputs == now.inputs
    return VerifiedTables(
        str(file), not found and not changed, tuple(found), tuple(changed), same, made_from, now
    )
