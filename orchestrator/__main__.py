"""`calibsweep`, from its first moment on: before anything is imported that takes a while."""

import os
import sys

# For `python -m` Python puts the current folder first. Unless this code lies there, nothing is to be imported
# from it, not even pathlib: the two modules above are loaded already.
code = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120
if __name__ == "__main__" and not sys.flags.safe_path and os.path.realpath(sys.path[0]) != code:
    del sys.path[0]

from orchestrator.ending import leave_at_signals  # noqa: E402


def main() -> None:
    """Entry point."""
    leave_at_signals()
    from orchestrator import cli

    cli.main()


if __name__ == "__main__":
    main()
