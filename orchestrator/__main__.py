"""Entry point of `calibsweep`. Handles signals and the import path before any slow import."""

import os
import sys

# `python -m` puts the current folder first on the path. Unless this code lies there, import nothing from it,
# not even pathlib: the two modules above are loaded already.
code = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120
if __name__ == "__main__" and not sys.flags.safe_path and os.path.realpath(sys.path[0]) != code:
    del sys.path[0]


def main() -> None:
    """Entry point."""
    try:
        from orchestrator.driver import own_code
        from orchestrator.driver.signals import leave_at_signals

        own_code.check()
        leave_at_signals()
        from orchestrator import cli
    except ImportError as error:
        from orchestrator.driver import own_code

        sys.stderr.write(f"calibsweep: {own_code.why(error)}\n")
        sys.exit(2)
    cli.main()


if __name__ == "__main__":
    main()
