"""Breaks down the time of a training step by groups of kernels, from a trace of torch's profiler.

On a GPU, the name of a kernel, or of the operation that launched it, determines its group; the kernels of a
CUDA graph have only their own names. The GPU is idle when no kernel runs. On a CPU, an operation counts with
its own time, without that of nested operations.
"""

from __future__ import annotations

import bisect
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, record_function
from torch.profiler import profile as torch_profile

from gpu_steps.bench import after
from gpu_steps.card import synchronise
from trainables.datasets.images import ImageDataset
from trainables.training.run import TrialRun

GROUPS = {
    "augmentation": ("augmentation",),
    "optimiser": ("optimizer.step", "_foreach_", "multi_tensor", "fused_sgd", "linalg_vector_norm"),
    "normalisation": ("batch_norm", "batchnorm", "bn_fw", "bn_bw"),
    "convolution": (
        "convolution",
        "conv2d",
        "fprop",
        "dgrad",
        "wgrad",
        "gemm",
        "cudnn",
        "xmma",
        "cutlass",
        "addmm",
    ),
}
"""In order: a kernel belongs to the first group with a word that occurs in one of its names."""

REST, IDLE = "rest", "idle"
STEPS = "profiled steps"
STEPS_AT_MOST = 8
LONGEST = 12
KERNELS = ("kernel", "gpu_memcpy", "gpu_memset")
LAUNCHES = ("cuda_runtime", "cuda_driver")
OPERATIONS = ("cpu_op", "user_annotation")

Event = Mapping[str, Any]


class Annotated(ImageDataset):
    """A data set whose batches appear in a profile as augmentation."""

    @classmethod
    def of(cls, dataset: ImageDataset) -> Annotated:
        return cls(dataset.train, dataset.validation, dataset.test, dataset.num_classes, dataset.padding)

    def augment(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        with record_function("augmentation"):
            return super().augment(inputs, generator)


def profile(run: TrialRun, warm_up: int) -> dict[str, Any]:
    """Trains some batches of a trial under torch's profiler. Returns their `summary`."""

    run.train_epoch(after(warm_up))
    activities = [ProfilerActivity.CPU]
    if run.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with torch_profile(activities=activities):
        # The first batch under a profiler takes longer.
        run.train_epoch(after(1))
        synchronise(run.device)
    before = run.batches
    with torch_profile(activities=activities) as profiler, record_function(STEPS):
        run.train_epoch(after(STEPS_AT_MOST))
        synchronise(run.device)
    # Without a pause, a whole epoch was trained.
    batches = -(-len(run.dataset.train) // run.trial.training.batch_size)
    steps = (run.batches or batches) - before
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        trace = json.loads(path.read_text(encoding="utf-8"))
    return summary(trace["traceEvents"], max(1, steps))


def summary(events: Iterable[Event], steps: int) -> dict[str, Any]:
    """Summarises a trace per training step.

    Returns:
        milliseconds_per_step; groups_milliseconds, which add up to it; kernels_per_step;
        host_synchronisations_per_step (the last one, at the end of all, not counted) and
        layout_conversion_milliseconds, of kernels between channels_last and contiguous; the longest kernels.
    """
    whole = [event for event in events if event.get("ph") == "X"]
    (frame,) = (e for e in whole if e["name"] == STEPS and e.get("cat") == "user_annotation")
    start, end = frame["ts"], frame["ts"] + frame["dur"]
    inside = [e for e in whole if start <= e["ts"] < end and e is not frame]
    kernels = [e for e in inside if e.get("cat") in KERNELS]
    parts = list(_kernels(inside, kernels) if kernels else _operations(inside))
    groups: dict[str, float] = dict.fromkeys((*GROUPS, REST), 0.0)
    longest: dict[str, float] = defaultdict(float)
    for names, microseconds in parts:
        groups[group(names)] += microseconds
        longest[names[0]] += microseconds
    busy = _covered(kernels) if kernels else sum(groups.values())
    groups[IDLE] = max(0.0, frame["dur"] - busy)
    counts = Counter(e["name"] for e in inside)
    layout = sum(us for names, us in parts if "nchw" in names[0].lower() and "nhwc" in names[0].lower())

    def per_step(microseconds: float) -> float:
        return microseconds / 1000 / steps

    return {
        "steps": steps,
        "milliseconds_per_step": per_step(frame["dur"]),
        "groups_milliseconds": {name: per_step(value) for name, value in groups.items()},
        "kernels_per_step": len(kernels) / steps,
        "host_synchronisations_per_step": counts["cudaStreamSynchronize"] / steps,
        "layout_conversion_milliseconds": per_step(layout),
        "longest": [
            {"name": name, "milliseconds": per_step(value)}
            for name, value in sorted(longest.items(), key=lambda item: -item[1])[:LONGEST]
        ],
    }


def group(names: Sequence[str]) -> str:
    """The group of an event, by its own name and those of the operations around it."""
    text = "\n".join(names).lower()
    return next((name for name, words in GROUPS.items() if any(word in text for word in words)), REST)


def _kernels(inside: Sequence[Event], kernels: Sequence[Event]) -> Iterator[tuple[list[str], float]]:
    """Names and microseconds of each kernel: its own name, then those of the operations that launched it."""
    launches = {
        e["args"]["correlation"]: e
        for e in inside
        if e.get("cat") in LAUNCHES and "correlation" in e.get("args", {})
    }
    around = _Around(e for e in inside if e.get("cat") in OPERATIONS)
    for kernel in kernels:
        launch = launches.get(kernel.get("args", {}).get("correlation"))
        yield [kernel["name"], *(around(launch) if launch else [])], float(kernel["dur"])


def _operations(inside: Sequence[Event]) -> Iterator[tuple[list[str], float]]:
    """The names and own microseconds of each operation, without nested operations."""
    threads: dict[Any, list[Event]] = defaultdict(list)
    for event in inside:
        if event.get("cat") in OPERATIONS:
            threads[event["tid"]].append(event)
    for events in threads.values():
        open_: list[list[Any]] = []
        for event in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
            while open_ and event["ts"] >= open_[-1][0]["ts"] + open_[-1][0]["dur"]:
                yield _closed(open_)
            if open_:
                open_[-1][1] -= event["dur"]
            open_.append([event, event["dur"]])
        while open_:
            yield _closed(open_)


def _closed(open_: list[list[Any]]) -> tuple[list[str], float]:
    names = [event["name"] for event, _ in reversed(open_)]
    return names, max(0.0, float(open_.pop()[1]))


class _Around:
    """Finds the operations around an event of a thread, innermost first."""

    def __init__(self, operations: Iterable[Event]):
        self.threads: dict[Any, list[Event]] = defaultdict(list)
        for operation in operations:
            self.threads[operation["tid"]].append(operation)
        self.starts = {}
        for thread, events in self.threads.items():
            events.sort(key=lambda e: (e["ts"], -e["dur"]))
            self.starts[thread] = [e["ts"] for e in events]
        self.parents = {thread: _parents(events) for thread, events in self.threads.items()}

    def __call__(self, event: Event) -> list[str]:
        events = self.threads.get(event["tid"], [])
        at: int | None = bisect.bisect_right(self.starts.get(event["tid"], []), event["ts"]) - 1
        names = []
        while at is not None and at >= 0:
            if events[at]["ts"] + events[at]["dur"] >= event["ts"]:
                names.append(events[at]["name"])
            at = self.parents[event["tid"]][at]
        return names


def _parents(events: Sequence[Event]) -> list[int | None]:
    """The enclosing event of each event of one thread, in order."""
    parents: list[int | None] = []
    open_: list[int] = []
    for index, event in enumerate(events):
        while open_ and event["ts"] >= events[open_[-1]]["ts"] + events[open_[-1]]["dur"]:
            open_.pop()
        parents.append(open_[-1] if open_ else None)
        open_.append(index)
    return parents


def _covered(events: Sequence[Event]) -> float:
    """Microseconds during which at least one of the events runs."""
    covered, reached = 0.0, float("-inf")
    for event in sorted(events, key=lambda e: e["ts"]):
        stop = event["ts"] + event["dur"]
        covered += max(0.0, stop - max(event["ts"], reached))
        reached = max(reached, stop)
    return covered
