"""The steps of benchmarks/gpu.py on a card. benchmarks/training.py shares some of this code."""

import sys
from pathlib import Path

# Measure the source tree of this file, so that nothing needs to be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
