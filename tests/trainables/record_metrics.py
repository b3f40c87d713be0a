"""Records in recorded/metrics.json the metrics of libraries that are too heavy to be installed for the tests.

It needs relplot, uncertainty-calibration, probmetrics and torch-uncertainty. All can be installed with
--no-deps, beside numba, seaborn and deprecation: of torch-uncertainty one file alone is read.
"""

from __future__ import annotations

import importlib.util
import json
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

TARGET = Path(__file__).parent / "recorded" / "metrics.json"
CASES = {"seven": (913, 7, 3.0), "two": (250, 2, 2.0), "thirty": (1000, 30, 1.5)}
BINS = 15


def drawn(samples: int, classes: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits [N, K] and labels [N] of a network that is overconfident, the same wherever they are drawn."""
    random = np.random.default_rng(samples)
    logits = scale * random.standard_normal((samples, classes))
    likely = np.exp(0.6 * logits)
    uniform = random.random((samples, 1))
    labels = ((likely / likely.sum(axis=1, keepdims=True)).cumsum(axis=1) < uniform).sum(axis=1)
    return logits, np.minimum(labels, classes - 1)


def recorded(logits: np.ndarray, labels: np.ndarray, risk_coverage: Any) -> dict[str, float]:
    import relplot
    from calibration import utils
    from probmetrics.calibrators import TemperatureScalingCalibrator
    from probmetrics.distributions import CategoricalDirac, CategoricalLogits, CategoricalProbs
    from probmetrics.metrics import (
        BrierLoss,
        CombinedMetrics,
        KolmogorovSmirnovCalibrationMetric,
        LogLoss,
        MetricsWithCalibration,
    )
    from probmetrics.splitters import AllSplitter

    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    confidences, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = utils.get_equal_prob_bins([], BINS)

    def unbiased(values: np.ndarray, truth: np.ndarray) -> float:
        pairs = list(zip(values, truth.astype(float), strict=True))
        return max(0.0, float(utils.unbiased_square_ce(utils.bin(pairs, edges))))

    p, y = torch.from_numpy(probabilities), torch.from_numpy(labels)
    found = {
        "ece_l2_debiased": unbiased(confidences, correct) ** 0.5,
        "classwise_ece_l2_debiased": float(
            np.mean([unbiased(column, labels == k) for k, column in enumerate(probabilities.T)]) ** 0.5
        ),
        "smooth_ece": float(relplot.smECE(confidences, correct.astype(float))),
    }
    for name in ("AURC", "AUGRC"):
        metric = getattr(risk_coverage, name)()
        metric.update(p, y)
        found[name.lower()] = float(metric.compute())
    c = torch.from_numpy(confidences)
    binary = CategoricalProbs(torch.stack([1 - c, c], dim=1))
    truth = CategoricalDirac(torch.from_numpy(correct.astype(np.int64)), n_classes=2)
    found["ks"] = float(KolmogorovSmirnovCalibrationMetric()._compute_mean(truth, binary))
    calibrator = TemperatureScalingCalibrator(max_bisection_steps=60)
    parts = MetricsWithCalibration(
        CombinedMetrics([LogLoss(), BrierLoss()]), calibrator, AllSplitter(), cal_name="ts"
    ).compute_all(CategoricalDirac(y, n_classes=logits.shape[1]), CategoricalProbs(p))
    for ours, theirs in (("nll", "logloss"), ("brier", "brier")):
        found[f"{ours}_refinement"] = float(parts[f"refinement_{theirs}_ts_all"])
        found[f"{ours}_calibration"] = float(parts[f"calib-err_{theirs}_ts_all"])
    calibrator.fit_torch(CategoricalLogits(torch.from_numpy(logits)), y)
    found["temperature_nll_continuous"] = float(1 / calibrator.invtemp_)
    return found


def main() -> None:
    # Where torchvision is of another build of torch, torchmetrics needs these two declared.
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    path = distribution("torch-uncertainty").locate_file(
        "torch_uncertainty/metrics/classification/risk_coverage.py"
    )
    spec = importlib.util.spec_from_file_location("risk_coverage", str(path))
    assert spec is not None and spec.loader is not None
    risk_coverage = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(risk_coverage)
    packages = ("relplot", "uncertainty-calibration", "probmetrics", "torch-uncertainty")
    message = {
        "versions": {name: version(name) for name in packages},
        "cases": {name: recorded(*drawn(*case), risk_coverage) for name, case in CASES.items()},
    }
    TARGET.write_text(json.dumps(message, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
