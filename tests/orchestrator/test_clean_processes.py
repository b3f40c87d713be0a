"""Losses that leave a mess behind, and trials of other losses that come after them in the same process."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from .conftest import Command, cluster, numbers, source_with, trained_alone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# The first changes much and ends well. The second has a thread that would go on changing things, and the
# third changes so much that it fails.
MESSY = """
    import gc, os, random, signal, sys, threading, time, warnings

    import numpy as np
    import torch
    from torch import nn
    from trainables.losses.cross_entropy import CrossEntropy
    from trainables.registry import register

    # A component may also do so where it is imported.
    torch.set_float32_matmul_precision("medium")
    torch.use_deterministic_algorithms(True, warn_only=True)


    @register("spoiling")
    class Spoiling(CrossEntropy):
        def on_validation(self, logits, labels):
            torch.set_default_dtype(torch.float64)
            torch.set_num_threads(7)
            torch.autograd.set_detect_anomaly(True)
            torch.set_grad_enabled(False)
            torch.autocast("cpu", dtype=torch.bfloat16).__enter__()
            torch.backends.mkldnn.set_flags(False)
            torch.backends.cudnn.set_flags(False, True, None, True)
            nn.modules.module.register_module_forward_hook(lambda module, inputs, output: output * 1.5)
            nn.functional.cross_entropy = lambda logits, labels, **more: logits.sum()
            for seed in (torch.manual_seed, np.random.seed, random.seed):
                seed(0)
            np.seterr(all="raise")
            warnings.simplefilter("error")
            os.environ.update(HOME="/nowhere", OMP_NUM_THREADS="7")
            os.chdir("/")
            os.umask(0o277)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            sys.setprofile(lambda *_: None)
            gc.disable()


    @register("staying")
    class Staying(CrossEntropy):
        def on_validation(self, logits, labels):
            def go_on():
                while True:
                    time.sleep(1e-3)
                    torch.set_default_dtype(torch.float64)

            threading.Thread(target=go_on, daemon=True).start()


    @register("failing")
    class Failing(CrossEntropy):
        def on_validation(self, logits, labels):
            torch.set_default_device("meta")
            torch.inference_mode().__enter__()
            os.environ.clear()
            os.umask(0o777)
            sys.setrecursionlimit(120)
            sys.stdout = sys.stderr = None
            raise ValueError("a plug-in's mistake")
"""

SWEEP = """
name: clean
training: {epochs: 1}
run: {watch: [], cpus_per_trial: 1}
seeds: [0]
blocks:
"""
BLOCK = "  - {datasets: [digits], models: [small_cnn], losses: [%s]}\n"
BUILT_IN = ("cross_entropy", "brier", "adafocal")
ALL = ("spoiling", "cross_entropy", "staying", "brier", "failing", "adafocal")


def test_trials_end_with_the_very_bytes_whatever_was_trained_in_their_process_before(tmp_path: Path) -> None:
    command = Command(source_with(tmp_path / "source", kind="losses", messy=MESSY))
    expected = trained_alone(command, tmp_path / "alone", 1, *((loss, 0) for loss in BUILT_IN))
    sweep, store = tmp_path / "clean.yaml", tmp_path / "store"
    sweep.write_text(SWEEP + "".join(BLOCK % loss for loss in ALL), encoding="utf-8")
    # One trial after the other, on a Ray that has room for one.
    with cluster(command, 1) as nodes:
        output = command("run", str(sweep), "--store", str(store), "--address", nodes.address, code=1)
    found = numbers(store)
    same = found[found["loss"].isin(BUILT_IN)].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, expected, check_exact=True)
    assert "ValueError: a plug-in's mistake" in output
    assert "digits / small_cnn / staying changed its process: thread Thread-" in output
    assert "its process or node died" not in output
