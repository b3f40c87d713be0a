"""Errors that a user can cause, or must be informed of in one line."""

from __future__ import annotations

from pathlib import Path

from trainables.shell import quoted


class CalibsweepError(Exception):
    """An error that a user can fix. Each argument is one line that states the problem and the remedy."""

    @property
    def lines(self) -> tuple[str, ...]:
        """One line per problem."""
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return "\n".join(self.lines)


class ConfigurationError(CalibsweepError, ValueError):
    """A name, parameter or combination that does not exist or cannot work."""


class DataError(CalibsweepError):
    """Data that is missing, damaged, or not as declared. The text names the file.

    Args:
        message: The problem.
        dataset: The data set to prepare again, if it is one of ours: the line then ends with the command.
        root: The folder of the data sets; None for the default one.
    """

    def __init__(self, message: str, dataset: str = "", root: Path | None = None):
        super().__init__(message, dataset, root)

    @property
    def lines(self) -> tuple[str, ...]:
        message, dataset, root = self.args
        if not dataset:
            return (message,)
        place = [] if root is None else ["--data", str(root)]
        return (f"{message}: {quoted('calibsweep', 'data', 'prepare', dataset, *place)}",)

    def below(self, root: Path | None) -> DataError:
        """The same error, for data sets in this folder."""
        message, dataset, _ = self.args
        return DataError(message, dataset, root)


class InputError(CalibsweepError, ValueError):
    """Logits, labels or probabilities for which a metric is undefined. The text names the argument."""


class TrialDiverged(CalibsweepError):
    """Training produced a loss, a weight or a logit that is not finite: a failure, never a row of NaN."""
