"""The grid of temperatures, known without torch."""

from __future__ import annotations

TEMPERATURES: tuple[float, ...] = tuple(tenths / 10 for tenths in range(1, 101))
"""0.1, 0.2, ... 10.0, each the nearest float to its decimal (Mukhoti et al. 2020, section 5)."""
