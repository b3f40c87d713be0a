"""The benchmark of a card goes through all its steps where there is none, and survives what a card may do."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
import pytest

ALONE = """
import importlib.metadata, sys

# What a machine with a card may lack: all but torch, torchvision and what they need; and any installation.
MISSING = {missing!r}


class Bare:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            return None
        if name == "torchvision._meta_registrations":
            declare()
        return self.finder.find_spec(name, path, target)


def declare():
    # Its compiled part may be of another build than the torch beside it, and is not needed here.
    import torch

    if not hasattr(torch.ops.torchvision, "nms"):
        global library
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def of_no_distribution(name, found=importlib.metadata.distribution):
    if name == "calibsweep":
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)


importlib.metadata.distribution = of_no_distribution
finders = [each for each in sys.meta_path if "__editable__" not in getattr(each, "__module__", "")]
sys.meta_path[:] = [*finders[:-1], Bare(finders[-1])]
"""
MISSING = (
    *("boto3", "jinja2", "joblib", "moto", "pandas", "psutil", "pyarrow", "pydantic", "ray", "rich", "scipy"),
    *("sklearn", "tensorboard", "tensorboardX", "torchmetrics", "transformers", "click", "yaml"),
)


@pytest.fixture
def benchmark(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(repository / "benchmarks")
    spec = importlib.util.spec_from_file_location("benchmark_gpu", repository / "benchmarks" / "gpu.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "benchmark_gpu", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def profiling(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(repository / "benchmarks")
    return importlib.import_module("gpu_steps.profiling")


@pytest.fixture
def start(repository: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the benchmark as on a machine that has nothing but torch and torchvision."""
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "sitecustomize.py").write_text(ALONE.format(missing=MISSING), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALIBSWEEP_")}
    started = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "benchmarks/gpu.py", *arguments],
            cwd=repository,
            env={**kept, "PYTHONPATH": str(tmp_path / "alone")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for part, number in (("train", 40), ("validation", 13), ("test", 17)):
        np.save(folder / f"{part}_images.npy", generator.integers(0, 256, (number, 3, 32, 32), np.uint8))
        np.save(folder / f"{part}_labels.npy", generator.integers(0, 10, number, np.uint8))
    return folder


@pytest.mark.slow
def test_every_step_runs_without_a_gpu_and_with_torch_alone(
    start: Callable[..., subprocess.Popen[str]], pictures: Path, tmp_path: Path, benchmark: ModuleType
) -> None:
    out = tmp_path / "found.json"
    process = start("--device", "cpu", "--tiny", "--out", str(out), "--pictures", str(pictures))
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    record = read(out)
    assert record["tiny"] and record["device"] == "cpu"
    steps = record["steps"]
    assert {name: step["status"] for name, step in steps.items()} == {
        step.name: "done" for step in benchmark.STEPS
    }
    # For lack of imbalanced-learn.
    assert {name for step in steps.values() for name in step["not_run"]} == {
        "sampler feature_adasyn",
        "sampler feature_smote",
    }

    rates = steps["card"]["found"]["rates"]
    assert min(rates.values()) > 0
    for name in ("resnet50", "wide_resnet_26_10", "densenet121", "resnet110"):
        rows = (
            steps[f"speed of {name}"]["speeds"]
            + steps.get(f"speed of {name}, compiled", {"speeds": []})["speeds"]
        )
        ways = {(row["precision"], row["compile"]) for row in rows}
        assert ways == {("float32", False), ("bfloat16", False), ("bfloat16", True)}
        for row in rows:
            assert row["share_of_floor"] == pytest.approx(
                row["images_per_second"] * row["floor_seconds_per_image"]
            )
            assert row["peak_memory_gib"] > 0 and row["graph_breaks"] in ((0,) if row["compile"] else (None,))
    first = steps["speed of resnet50"]["found"]
    assert first["straightforward loop"]["images_per_second"] > 0
    profile = first["profile of bfloat16"]
    groups = profile["groups_milliseconds"]
    assert sum(groups.values()) == pytest.approx(profile["milliseconds_per_step"], rel=0.05)
    assert all(groups[name] > 0 for name in ("convolution", "normalisation", "optimiser", "augmentation"))
    same = {**steps["same numbers"]["found"], **steps["same numbers, compiled"]["found"]}
    twice = [found for name, found in same.items() if name.startswith("a seed twice")]
    assert len(twice) == 3
    assert all(each["equal"] for found in twice for each in found.values())
    assert same["calibration"]["temperatures_equal"] and same["calibration"]["furthest"] == 0
    methods = steps["methods"]["found"]
    shares = methods.pop("share of samplers")
    assert {"loss adafocal", "loss ldam_drw", "sampler undersampled", "training sam"} < set(methods)
    assert all(found == {"equal": True, "furthest_from_cpu": 0} for found in methods.values())
    assert shares["undersampled"]["share_of_epoch"] > 0
    assert steps["side by side"]["found"]["small_cnn"]["ratio"] > 0
    spread = steps["pictures"]["found"]["spread"]
    assert spread["float32"]["seeds"] == spread["bfloat16"]["seeds"] == 3
    assert spread["bfloat16"]["test_error"]["standard_deviation"] >= 0


@pytest.mark.slow
def test_a_signal_keeps_measurements_and_ends_every_process(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    out = tmp_path / "found.json"
    process = start("--device", "cpu", "--tiny", "--out", str(out))
    below: list[psutil.Process] = []
    end = time.monotonic() + 120
    while not (out.exists() and "speed of resnet50" in read(out)["steps"]):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    below = psutil.Process(process.pid).children(recursive=True)
    assert below
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, output
    assert read(out)["steps"]["card"]["status"] == "done"
    assert [path.name for path in tmp_path.glob("*.tmp")] == []
    assert not psutil.wait_procs(below, timeout=20)[1]


FAULTS = """
import os, time

def good(bench, name):
    bench.measure(name, lambda: {"pid": os.getpid()})

def raises(bench):
    bench.measure("before", lambda: {"pid": os.getpid()})
    bench.measure("division", lambda: {"never": 1 / 0})
    bench.measure("after", lambda: {"pid": os.getpid()})

def dies(bench):
    bench.measure("before", lambda: {"pid": os.getpid()})
    print("CUDA error: an illegal memory access", flush=True, file=__import__("sys").stderr)
    os.abort()

def hangs(bench):
    child = os.fork()
    if child == 0:
        time.sleep(600)
    bench.measure("before", lambda: {"child": child})
    time.sleep(600)

def breaks(bench):
    raise KeyError("step")

def is_late(bench):
    time.sleep(max(0.0, bench.left() - 1))
    bench.measure("long", lambda: {"never": True}, needs=600)
"""


@pytest.mark.slow
def test_a_failed_dead_or_hanging_step_is_reported_and_the_others_continue(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faults.py").write_text(FAULTS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(benchmark, "GRACE_SECONDS", 0.2)
    step = benchmark.Step
    monkeypatch.setattr(
        benchmark,
        "STEPS",
        (
            step("first", "faults:good", ("it",), anywhere=True),
            step("second", "faults:good", ("it",), anywhere=True),
            step("raises", "faults:raises", anywhere=True),
            step("third", "faults:good", ("it",), anywhere=True),
            step("dies", "faults:dies", anywhere=True),
            step("breaks", "faults:breaks", anywhere=True),
            step("hangs", "faults:hangs", at_most=3, anywhere=True),
            step("is late", "faults:is_late", at_most=2, anywhere=True),
            step("of a card", "faults:good", ("it",)),
            step("long", "faults:good", ("it",), at_least=1e6, anywhere=True),
            step("last", "faults:good", ("it",), anywhere=True),
        ),
    )
    out = tmp_path / "found.json"
    record = benchmark.Record(out, {})
    arguments = argparse.Namespace(device="cpu", tiny=False, pictures=None, steps=None)
    benchmark.measure(arguments, record, time.monotonic() + 240)
    assert read(out) == record.content
    steps = record.content["steps"]
    assert {name: step["status"] for name, step in steps.items()} == {
        **dict.fromkeys(("first", "second", "third", "last"), "done"),
        **dict.fromkeys(("raises", "dies", "breaks", "hangs"), "failed"),
        **dict.fromkeys(("is late", "of a card", "long"), "not run"),
    }
    pid = steps["first"]["found"]["it"]["pid"]
    assert steps["second"]["found"]["it"]["pid"] == pid != steps["third"]["found"]["it"]["pid"]
    failed = steps["raises"]["failed"]["division"]
    assert failed["error"].startswith("ZeroDivisionError") and "1 / 0" in "".join(failed["traceback"])
    assert list(steps["raises"]["found"]) == ["before", "after"]
    died = steps["dies"]["failed"]["step"]
    assert "SIGABRT" in died["error"] and "illegal memory access" in "".join(died["traceback"])
    assert list(steps["dies"]["found"]) == ["before"]
    assert steps["breaks"]["failed"]["step"]["error"].startswith("KeyError")
    hung = steps["hangs"]
    assert "too long" in hung["failed"]["step"]["error"] and hung["seconds"] < 60
    child = hung["found"]["before"]["child"]
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert "600 s" in steps["is late"]["reason"] and "GPU" in steps["of a card"]["reason"]


def test_a_gpu_trace_is_summarised_by_groups(profiling: ModuleType) -> None:
    """Two steps of 500 us, as torch's profiler writes them: kernels of their launches, some in a graph."""
    events: list[dict[str, Any]] = [{"ph": "M", "name": "process_name", "pid": 1}]

    def event(
        category: str, name: str, start: float, length: float, thread: int = 1, **arguments: Any
    ) -> None:
        events.append(
            {"ph": "X", "cat": category, "name": name, "ts": start, "dur": length, "tid": thread}
            | {"pid": 0, "args": arguments}
        )

    def launched(
        correlation: int, start: float, kernel: str, at: float, length: float, thread: int = 1
    ) -> None:
        event("cuda_runtime", "cudaLaunchKernel", start, 1, thread, correlation=correlation)
        event("kernel", kernel, at, length, 7, correlation=correlation)

    event("user_annotation", profiling.STEPS, 1000, 1000)
    event("gpu_user_annotation", profiling.STEPS, 1000, 990, 7)
    event("user_annotation", "augmentation", 1000, 20)
    event("cpu_op", "aten::gather", 1002, 10)
    launched(1, 1004, "gather_kernel", 1010, 30)
    event("cpu_op", "aten::conv2d", 1030, 40)
    event("cpu_op", "aten::cudnn_convolution", 1032, 30)
    launched(2, 1035, "sm90_xmma_fprop", 1050, 200)
    launched(3, 1045, "cudnn::nchwToNhwcKernel", 1250, 40)
    event("cpu_op", "aten::cudnn_batch_norm", 1080, 10)
    launched(4, 1082, "cudnn::bn_fw_tr", 1300, 100)
    # Of the thread of the backward pass, whose operations overlap those above in time.
    event("cpu_op", "autograd::engine::evaluate_function: ConvolutionBackward0", 1030, 60, 2)
    launched(5, 1040, "some_kernel", 1400, 150, 2)
    event("user_annotation", "Optimizer.step#SGD.step", 1100, 20)
    launched(6, 1105, "elementwise_kernel", 1560, 50)
    event("cuda_runtime", "cudaGraphLaunch", 1200, 5, correlation=7)
    event("kernel", "triton_poi_fused_native_batch_norm_relu_0", 1700, 60, 7, correlation=7)
    event("kernel", "triton_poi_fused_add_1", 1730, 70, 8, correlation=7)
    event("cpu_op", "aten::item", 1210, 90)
    event("cuda_runtime", "cudaStreamSynchronize", 1212, 80)
    event("kernel", "after the end", 2100, 100, 7, correlation=8)

    message = profiling.summary(events, 2)
    assert message["milliseconds_per_step"] == pytest.approx(0.5)
    microseconds = {name: 2000 * value for name, value in message["groups_milliseconds"].items()}
    assert microseconds == pytest.approx(
        {
            "augmentation": 30,
            "convolution": 200 + 40 + 150,
            "normalisation": 100 + 60,
            "optimiser": 50,
            "rest": 70,
            # The two kernels of the graph go on at once for 30.
            "idle": 1000 - (30 + 240 + 100 + 150 + 50 + 100),
        }
    )
    assert message["kernels_per_step"] == 4
    assert message["host_synchronisations_per_step"] == 0.5
    assert message["layout_conversion_milliseconds"] == pytest.approx(0.02)
    assert message["longest"][0] == {"name": "sm90_xmma_fprop", "milliseconds": pytest.approx(0.1)}


@pytest.mark.slow
def test_a_mismatched_torchvision_is_one_line(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(repository / "benchmarks")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    bench, card = (importlib.import_module(f"gpu_steps.{name}") for name in ("bench", "card"))
    message: list[tuple[str, str, Any]] = []
    here = bench.Bench("cpu", True, time.monotonic() + 60, None, None, message.append)
    assert here.measure("torchvision", card.torchvision_version) is None and not here.failed
    ((kind, name, line),) = message
    assert (kind, name) == ("not run", "torchvision") and "torchvision::nms" in line and "\n" not in line
    # The other benchmark can do nothing without it.
    command = [sys.executable, "benchmarks/training.py"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stdout == "" and done.stderr.splitlines() == [line]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--minutes", "0"], "--minutes"),
        (["--steps", "picture"], "picture"),
        (["--out", "/nowhere/at/all.json"], "--out"),
    ],
)
def test_impossible_input_is_refused(
    repository: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    command = [sys.executable, "benchmarks/gpu.py", "--out", str(tmp_path / "out.json"), *arguments]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_real_pictures_travel_in_40_megabytes(repository: Path, tmp_path: Path) -> None:
    shared = Path(os.environ.get("CALIBSWEEP_SHARED", repository.parent / "shared")) / "data"
    if not (shared / "unpack.py").exists():
        pytest.skip(f"no real data sets in {shared}; set CALIBSWEEP_SHARED")
    subprocess.run(
        [sys.executable, shared / "unpack.py", tmp_path, "cifar10"], check=True, capture_output=True
    )
    folder = tmp_path / "pictures"
    command = [sys.executable, "benchmarks/pictures.py", str(folder), "--data", str(tmp_path)]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    assert 39e6 < sum(path.stat().st_size for path in folder.iterdir()) <= 40e6
    sizes = {part: np.load(folder / f"{part}_labels.npy").shape for part in ("train", "validation", "test")}
    assert sizes == {"train": (10_010,), "validation": (1_001,), "test": (2_002,)}
    # The first of the published test batch.
    assert np.load(folder / "test_labels.npy")[:5].tolist() == [3, 8, 8, 0, 6]

    done = subprocess.run(
        [*command[:-1], str(tmp_path / "none")], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
