"""`calibsweep`, from its first moment on: before anything is imported that takes a while."""

from orchestrator.ending import leave_at_signals


def main() -> None:
    """Entry point."""
    leave_at_signals()
    from orchestrator import cli

    cli.main()


if __name__ == "__main__":
    main()
