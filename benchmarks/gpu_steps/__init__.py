"""What benchmarks/gpu.py does on a card, step by step; benchmarks/training.py shares what both need."""

import sys
from pathlib import Path

# Nothing needs to be installed: what is measured is the source tree that this file is in.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
