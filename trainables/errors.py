"""The errors that a person using calibsweep can cause, or must be told of in one line."""

from __future__ import annotations

from pathlib import Path

from trainables.shell import quoted


class CalibsweepError(Exception):
    """Something a user can mend. Each of its arguments is one line that says what is wrong and what to do."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Of several mistakes one each."""
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return "\n".join(self.lines)


class ConfigurationError(CalibsweepError, ValueError):
    """A name, a parameter or a combination that does not exist or cannot work."""


class DataError(CalibsweepError):
    """Data that is missing, damaged, or not what it claims to be. The text names the file.

    Args:
        message: What is wrong.
        dataset: The data set of ours that is to be made ready again: the line then ends with the command.
        root: The folder that data sets are looked for in; None for the default one.
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
        """The same, of data sets in this folder."""
        message, dataset, _ = self.args
        return DataError(message, dataset, root)


class InputError(CalibsweepError, ValueError):
    """Logits, labels or probabilities for which a metric has no value. The text names the argument."""


class TrialDiverged(CalibsweepError):
    """Training produced a loss, a weight or a logit that is not finite: a failure, never a row of NaN."""
