"""Measures the cost of restoring the process state after a trial: the comparison before and after it.

python benchmarks/process_state.py
"""

from __future__ import annotations

import statistics
import time

# Loads the same modules as a worker.
import orchestrator.driver.worker  # noqa: F401
from trainables.process_state.state import ProcessState

REPEATS = 1000


def main() -> None:
    process = ProcessState()
    seconds = []
    for _ in range(REPEATS):
        started = time.thread_time()
        process.begin()
        process.end()
        seconds.append(time.thread_time() - started)
    print(f"{1e3 * statistics.median(seconds):.2f} ms a trial (median of {REPEATS}, CPU time)")


if __name__ == "__main__":
    main()
