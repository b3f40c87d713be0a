"""The fixtures of the orchestrator's tests."""

from ..orchestrator.conftest import calibsweep

__all__ = ["calibsweep"]
