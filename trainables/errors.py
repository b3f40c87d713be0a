"""The errors that a person using calibsweep can cause, or must be told of in one line."""


class CalibsweepError(Exception):
    """Something a user can mend. Its text is one line that says what is wrong and what to do."""


class ConfigurationError(CalibsweepError, ValueError):
    """A name, a parameter or a combination that does not exist or cannot work."""


class DataError(CalibsweepError):
    """Data that is missing, damaged, or not what it claims to be. The text names the file."""


class InputError(CalibsweepError, ValueError):
    """Logits, labels or probabilities for which a metric has no value. The text names the argument."""


class TrialDiverged(CalibsweepError):
    """Training produced a loss, a weight or a logit that is not finite: a failure, never a row of NaN."""
