"""Prints the effect of bfloat16 on error and calibration, from the step 'pictures' of benchmarks/gpu.py.

    python benchmarks/bfloat16.py FILE.json

Each line has the mean over the seeds in float32 and in bfloat16, and the 95% interval of their difference,
paired over the seeds (Student's t). Errors and ECE are in percent, NLL in nats.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from scipy.stats import ttest_rel

SCORES = {
    "test_error": ("error", 100),
    "test_ece": ("ECE", 100),
    "test_nll": ("NLL", 1),
    "test_ece_after_ece": ("ECE, post T", 100),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("record", type=Path, metavar="FILE.json")
    found = json.loads(parser.parse_args().record.read_text(encoding="utf-8"))["steps"]["pictures"]["found"]
    seeds = min(found["spread"][precision]["seeds"] for precision in ("float32", "bfloat16"))
    print(f"{seeds} seeds")
    for score, (title, scale) in SCORES.items():
        plain, narrow = (
            [scale * found[f"{precision}, seed {seed}"][score] for seed in range(seeds)]
            for precision in ("float32", "bfloat16")
        )
        interval = ttest_rel(narrow, plain).confidence_interval()
        means = f"{statistics.mean(plain):6.2f} {statistics.mean(narrow):6.2f}"
        print(f"{title:>12} {means}  {interval.low:+.2f} to {interval.high:+.2f}")


if __name__ == "__main__":
    main()
