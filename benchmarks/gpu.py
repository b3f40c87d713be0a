"""Runs all GPU benchmarks in about a quarter of an hour, the most valuable first, saving each result at once.

    python benchmarks/gpu.py --minutes 8 --out FILE.json [--pictures FOLDER] [--steps pictures ...]

Needs only this source tree, torch and torchvision, and no network. Rewrites FILE after each result, so that
an interruption loses nothing. FILE also records each failed step with its error, and each step skipped for
lack of time; the other steps continue. Steps run in a child process. It is killed if it hangs, and replaced
after any failure in it, since a fault of the card would spoil all later results.

The steps in order: the card itself; training speed of the benchmark's networks (batch 128, CIFAR's shape),
for ResNet-50 also of the usual loop, with profiles; reproducibility; every loss, sampler and way of training,
against the CPU (samplers of features if imbalanced-learn is there); four trials side by side; float32 against
bfloat16 on real pictures (benchmarks/pictures.py makes FOLDER); then the slowest, compiling the networks.
Shares are of the floor that trainables/floor.py describes, at the rates measured on this card.

`calibsweep plan` reads FILE as benchmarks/recorded/gpu-<card>-<date>.json. `--device cpu --tiny` tries every
step in about a minute, to check that they work. Exit code 1 if something failed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import json
import math
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from gpu_steps.bench import TRACEBACK_LINES, serve

FORMAT = 1
EAGER, COMPILED = ("bfloat16", "float32"), ("bfloat16 compiled",)
GRACE_SECONDS = 15.0
"""How long a step may exceed its time before its process is killed."""

DEAD_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Step:
    """A measurement.

    Attributes:
        function: 'module:name', called with a `Bench` and the arguments.
        at_least: Minimum seconds left to begin it.
        at_most: Seconds after which it is ended.
        anywhere: Whether it is meaningful without a GPU.
    """

    name: str
    function: str
    arguments: tuple[Any, ...] = ()
    at_least: float = 20.0
    at_most: float = 120.0
    anywhere: bool = False


def speed_of(
    model: str,
    ways: tuple[str, ...],
    everything: bool = False,
    at_least: float = 20.0,
    at_most: float = 120.0,
) -> Step:
    name = f"speed of {model}{', compiled' if ways == COMPILED else ''}"
    arguments = (model, ways, everything, everything)
    return Step(name, "gpu_steps.speed:speed", arguments, at_least=at_least, at_most=at_most)


STEPS = (
    Step("card", "gpu_steps.card:card", at_least=5, at_most=60, anywhere=True),
    speed_of("resnet50", EAGER, everything=True, at_most=120),
    speed_of("wide_resnet_26_10", EAGER),
    speed_of("densenet121", EAGER),
    speed_of("resnet110", EAGER),
    Step("same numbers", "gpu_steps.agreement:agreement", (("float32", "bfloat16"), True), at_most=150),
    Step("methods", "gpu_steps.methods:methods", at_most=150),
    Step("side by side", "gpu_steps.side_by_side:side_by_side"),
    Step("pictures", "gpu_steps.accuracy:accuracy", at_most=150),
    speed_of("resnet50", COMPILED, at_least=60, at_most=150),
    speed_of("wide_resnet_26_10", COMPILED, at_most=150),
    speed_of("densenet121", COMPILED, at_least=120, at_most=200),
    speed_of("resnet110", COMPILED, at_least=120, at_most=200),
    Step("same numbers, compiled", "gpu_steps.agreement:agreement", (COMPILED, False), at_most=240),
)


class Record:
    """The results so far, as in FILE. Each write replaces FILE atomically."""

    def __init__(self, path: Path, content: dict[str, Any]):
        self.path = path
        self.content = content
        self.content["steps"] = {}
        self.write()

    def write(self) -> None:
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def begin(self, name: str) -> dict[str, Any]:
        step: dict[str, Any] = {"status": "running", "found": {}, "speeds": [], "not_run": {}, "failed": {}}
        self.content["steps"][name] = step
        self.write()
        return step

    def not_run(self, name: str, reason: str) -> None:
        self.content["steps"][name] = {"status": "not run", "reason": reason}
        self.write()
        say(f"{name}: not run: {reason}")

    def found(self, step: str, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.content["steps"].get(step, {}).get("found", {}).get(name)
        return found


class Worker:
    """The child process of the steps."""

    def __init__(self, device: str, tiny: bool, pictures: Path | None, errors: Path):
        self.errors = errors
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        arguments = (other, device, tiny, pictures, errors)
        self.process = context.Process(target=serve, args=arguments)
        self.process.start()
        other.close()

    def messages(self, until: float) -> Iterator[tuple[str, str, Any]]:
        """Yields the messages of the current step, to its end.

        If the process dies, or is not done at `until` (`time.monotonic`), the last message is 'broken'.
        """
        while True:
            ready = wait([self.connection, self.process.sentinel], max(0.0, until - time.monotonic()))
            if self.connection in ready:
                with contextlib.suppress(EOFError, OSError):
                    message = self.connection.recv()
                    yield message
                    if message[0] in ("end", "broken"):
                        return
                    continue
            if ready:
                self.process.join(DEAD_SECONDS)
                yield "broken", "", self._failure(f"its process ended: {_ending(self.process.exitcode)}")
            else:
                yield "broken", "", self._failure("took too long, and was ended")
            return

    def _failure(self, error: str) -> dict[str, Any]:
        with contextlib.suppress(OSError):
            lines = self.errors.read_text(encoding="utf-8", errors="replace").splitlines()
            return {"error": error, "traceback": lines[-TRACEBACK_LINES:]}
        return {"error": error, "traceback": []}

    def leave(self) -> None:
        """Lets the process end by itself."""
        self.connection.close()
        self.process.join(DEAD_SECONDS)
        if self.process.is_alive():
            self.end()

    def end(self) -> None:
        """Kills the process and its descendants."""
        pid = self.process.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self.process.kill()
        self.process.join(DEAD_SECONDS)


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def take_step(step: Step, worker: Worker, record: Record, end: float) -> bool:
    """Runs one step to its end. Returns whether the process is reusable."""
    entry = record.begin(step.name)
    started = time.monotonic()
    deadline = min(started + step.at_most, end)
    healthy = True
    with contextlib.suppress(OSError):  # From a process that just died: its messages will say so.
        worker.connection.send((step.function, step.arguments, deadline, record.found("card", "rates")))
    for kind, name, value in worker.messages(min(deadline + GRACE_SECONDS, end)):
        match kind:
            case "found":
                entry["found"][name] = value
                say(f"{step.name}: {name}: {brief(value)}")
            case "speed":
                entry["speeds"].append(value)
                say(f"{step.name}: {name}: {brief_speed(value)}")
            case "not run":
                entry["not_run"][name] = value
                say(f"{step.name}: {name}: not run: {value}")
            case "failed" | "broken":
                healthy = False
                entry["failed"][name or "step"] = value
                say(f"{step.name}: {name or 'step'}: failed: {value['error']}")
        entry["seconds"] = time.monotonic() - started
        record.write()
    entry["status"] = "failed" if entry["failed"] else "done"
    if entry["not_run"] and not (entry["failed"] or entry["found"] or entry["speeds"]):
        entry["status"] = "not run"
        entry["reason"] = next(iter(entry["not_run"].values()))
    record.write()
    return healthy


def chosen(names: Sequence[str] | None) -> Sequence[Step]:
    """The steps with these names, which may take all of the time; all steps if there are no names."""
    if names is None:
        return STEPS
    return [dataclasses.replace(step, at_most=math.inf) for step in STEPS if step.name in names]


def measure(arguments: argparse.Namespace, record: Record, end: float) -> None:
    """Runs all steps."""
    worker: Worker | None = None
    errors = Path(tempfile.mkdtemp(prefix="gpu-benchmark-")) / "stderr"
    try:
        for step in chosen(arguments.steps):
            left = end - time.monotonic()
            if arguments.device == "cpu" and not (arguments.tiny or step.anywhere):
                record.not_run(step.name, "it needs a GPU (--tiny goes through it without one)")
            elif left < step.at_least:
                record.not_run(
                    step.name, f"needs {step.at_least:g} s at the least, and {max(0.0, left):.0f} s are left"
                )
            else:
                worker = worker or Worker(arguments.device, arguments.tiny, arguments.pictures, errors)
                if not take_step(step, worker, record, end):
                    worker.end()
                    worker = None
        if worker is not None:
            worker.leave()
    except BaseException:
        if worker is not None:
            worker.end()
        raise
    finally:
        errors.unlink(missing_ok=True)
        errors.parent.rmdir()


def say(line: str) -> None:
    print(line, flush=True)


def brief(value: Any) -> str:
    """A short form for one line."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {brief(each)}" for name, each in value.items() if name != "longest")
    if isinstance(value, list):
        return "[" + " ".join(map(brief, value)) + "]"
    return str(value)


def brief_speed(row: dict[str, Any]) -> str:
    share = row["share_of_floor"]
    of_floor = "" if share is None else f", {share:.2f} of the floor"
    rate = f"{row['images_per_second']:,.0f} images/s"
    return f"{row['model']}: {rate}{of_floor}, peak memory {row['peak_memory_gib']:.2f} GiB"


def has_gpu() -> bool:
    """Whether torch finds a GPU. Asks in a child process, so that faults of the GPU cannot end this one."""
    code = "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120, check=False)
    return done.returncode == 0


def commit() -> str:
    folder = Path(__file__).resolve().parent
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip()
    return ""


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="that all of it may take (default: 8)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="made by benchmarks/pictures.py")
    names = [step.name for step in STEPS]
    parser.add_argument("--steps", nargs="+", choices=names, metavar="STEP", help="only these (default: all)")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="default: cuda if there is one")
    parser.add_argument("--tiny", action="store_true", help="sizes that say nothing about speed")
    arguments = parser.parse_args()
    if not arguments.minutes > 0:
        parser.error(f"--minutes must be positive, not {arguments.minutes:g}")
    if not arguments.out.parent.is_dir() or arguments.out.is_dir():
        parser.error(f"--out: {arguments.out} is no file in a folder that is there")
    return arguments


def stop(number: int, frame: object) -> None:
    """Exits as on an error, so that everything started is ended."""
    raise SystemExit(128 + number)


def main() -> int:
    end = time.monotonic()
    arguments = parsed()
    end += 60 * arguments.minutes
    signal.signal(signal.SIGTERM, stop)
    if arguments.tiny:
        # More threads would wait for each other longer than they compute.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    there = has_gpu() if arguments.device != "cpu" else False
    if arguments.device == "cuda" and not there:
        say("there is no GPU that torch finds: its steps are not run")
    arguments.device = "cuda" if there else "cpu"
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    content = {"format": FORMAT, "started": now, "commit": commit(), "arguments": sys.argv[1:]}
    try:
        record = Record(arguments.out, {**content, "device": arguments.device, "tiny": arguments.tiny})
    except OSError as error:
        print(f"{arguments.out} cannot be written: {error}", file=sys.stderr)
        return 2
    measure(arguments, record, end)
    statuses = [step["status"] for step in record.content["steps"].values()]
    card = record.found("card", "identity")
    if arguments.device == "cuda" and not arguments.tiny and card:
        name = re.sub(r"[^a-z0-9]+", "-", card["name"].lower()).strip("-")
        say(f"for plan to use it: cp {arguments.out} benchmarks/recorded/gpu-{name}-{now[:10]}.json")
    say(f"{arguments.out}: " + ", ".join(f"{statuses.count(s)} {s}" for s in dict.fromkeys(statuses)))
    return 1 if "failed" in statuses else 0


if __name__ == "__main__":
    sys.exit(main())
