"""`python -m orchestrator` is `calibsweep`."""

from orchestrator.cli import main

main()
