"""Causes of death, from a process's traces and from Ray; and when a death is the trial's own fault."""

from __future__ import annotations

import subprocess
import sys

import pytest
import ray.exceptions

from orchestrator.driver import last_words
from orchestrator.driver.blame import DEATHS, TOGETHER_SECONDS, Blame
from orchestrator.driver.deaths import Death, autopsy, ended_process, out_of_memory
from orchestrator.driver.stalls import EPOCHS, FIRST_EPOCH, REARM_SECONDS, Watch

RAY_SAYS_NOTHING = (
    "Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file. Some common "
    "causes include: (1) the process was killed by the OOM killer due to high memory usage"
)

# Ray 2.60's report on three trials. The one that used up the memory had started first.
MEMORY = """3 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 10.0.0.2, \
ID: 016b19254a1c) was 12.14GB used / 23.59GB limit (0.514893)
OOM kill reason: Memory usage 12934631424B exceeded threshold of 12900622336B (50.9% of 25325268992B limit)
Object store memory usage: [- objects spillable: 2
(global lru) bytes evicted: 0]
Ray killed 3 worker(s) based on the killing policy
Considered workers: [
Selected to kill: (Actor(3a59): job ID=01000000, required resources={CPU: 0.5}, pid=14689, \
actual memory used=0.37GB, worker ID=1aa2)
Selected to kill: (Actor(314f): job ID=01000000, required resources={CPU: 0.5}, pid=14531, \
actual memory used=6.88GB, worker ID=12cc)
]
Top 10 memory users: PID\tMEM(GB)\tCOMMAND
14531\t6.88\tray::ResourceTrainable.train
13293\t9.37\tpython notebook.py
14689\t0.37\tray::ResourceTrainable.train
Refer to the documentation on how to address the out of memory issue"""


def stderr_of(code: str) -> str:
    """The stderr of a process that runs `code` in its second trial."""
    before = (
        "import faulthandler, os, ctypes, time\n"
        "from orchestrator.driver import last_words\n"
        "from orchestrator.driver.stalls import Watch\n"
        "faulthandler.enable(all_threads=False)\n"
        "last_words.mark_exits()\n"
        "last_words.mark_trial('first'); os.write(2, b':calibsweep:exit 9\\n')\n"
        "last_words.mark_trial('second')\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", before + code], capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode != 0
    return process.stderr


@pytest.mark.parametrize(
    ("code", "signal", "exit_code"),
    [
        ("ctypes.string_at(0)", "SIGSEGV", None),
        ("os.abort()", "SIGABRT", None),
        ("os._exit(3)", None, 3),
        # A forked child always ends with os._exit.
        ("os.fork() or os._exit(0); os.wait(); os.kill(os.getpid(), 9)", None, None),
    ],
)
def test_traces_tell_signal_and_exit_code(code: str, signal: str | None, exit_code: int | None) -> None:
    words = last_words.read(stderr_of(code))
    assert (words.signal, words.exit_code, words.limit) == (signal, exit_code, None)
    death = ended_process(words, "node", RAY_SAYS_NOTHING)
    assert death.counts and death.failure_class == "crashed"
    assert death.sure == death.by_code == (signal is not None or exit_code is not None)
    assert (signal or (f"code {exit_code}" if exit_code is not None else "SIGKILL")) in death.message


@pytest.mark.parametrize(
    ("hang", "minutes", "hours", "limit", "failure_class", "at_once"),
    [
        ("time.sleep(60)", 0.005, None, "minutes 0.01", "crashed", False),
        # Never releases the GIL.
        ("ctypes.PyDLL(None).sleep(60)", 0.005, None, "minutes 0.01", "crashed", False),
        ("time.sleep(60)", 1, 0.0001, "hours 0.0001", "timed out", True),
    ],
)
def test_a_stalled_process_ends_with_its_stacks(
    hang: str, minutes: float, hours: float | None, limit: str, failure_class: str, at_once: bool
) -> None:
    text = stderr_of(f"w = Watch({minutes}, {hours}); w.begin('third')\n{hang}\n")
    words = last_words.read(text)
    assert words.limit == limit
    assert "(most recent call first)" in words.lines
    death = ended_process(words, "node", RAY_SAYS_NOTHING)
    assert (death.failure_class, death.at_once) == (failure_class, at_once)
    assert death.counts and death.sure and not death.by_code


def test_the_stall_limit_follows_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    armed: list[float] = []
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr("faulthandler.dump_traceback_later", lambda seconds, **_: armed.append(seconds))
    watch = Watch(stalled_minutes=3, hours_per_trial=1)
    watch.begin("key")
    for _ in range(1000):
        watch.batch()
    assert armed == [60 * 3 * FIRST_EPOCH]
    now += REARM_SECONDS
    watch.batch()
    watch.epoch(seconds=2)
    watch.epoch(seconds=100)
    assert armed[1:] == [60 * 3 * FIRST_EPOCH, 60 * 3, EPOCHS * 100]
    now = 1000 + 3600 - 10
    watch.batch()
    assert armed[-1] == 10


def test_only_the_largest_process_is_out_of_memory() -> None:
    hungry, beside, other = (out_of_memory(MEMORY, actor) for actor in ("314f", "3a59", "ffff"))
    assert hungry.counts and hungry.failure_class == "out of memory" and hungry.node == "016b19254a1c"
    assert "6.9 GiB" in hungry.message and "23.6 GiB" in hungry.message
    assert "pid=14531" in hungry.traceback and "spillable" not in hungry.traceback
    assert not beside.counts and not other.counts
    # A report in an unknown form.
    assert out_of_memory("no memory left", "314f").counts


def test_an_exception_of_training_counts() -> None:
    error = ray.exceptions.RayTaskError("step", "Traceback ...\nKeyError: 'x'", KeyError("x"))
    assert autopsy(error).counts and "KeyError" in autopsy(error).message
    assert not autopsy(ray.exceptions.RayError("who knows")).counts
    assert not autopsy(None).counts


class Scene:
    """A script of trials that run and die on nodes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.living = {"a", "b"}
        self.blame = Blame(lambda: self.living, lambda: self.now)

    def dies(self, key: str, in_a_row: int, sure: bool = True, counts: bool = True, node: str = "a") -> int:
        self.now += 1
        return self.blame.died(key, Death("died", node=node, counts=counts, sure=sure), in_a_row)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_three_deaths_in_a_row_fail_a_trial(scene: Scene) -> None:
    assert [scene.dies("x", number) for number in (1, 2, 3)] == [1, 2, DEATHS]
    assert [scene.dies("y", number) for number in (1, 2, 1, 2)] == [1, 2, 1, 2]


def test_the_death_of_a_node_charges_no_trial(scene: Scene) -> None:
    assert [scene.dies("x", number, counts=number == 2) for number in (1, 2, 3, 4)][-1] == 1
    # Ray may notice the death of a node after those of its processes.
    for number, node in ((1, "b"), (2, "a")):
        scene.dies("y", number, node=node)
    scene.living.discard("b")
    assert scene.dies("y", 3) == 2


@pytest.mark.parametrize(
    ("sure", "neighbour", "expected"),
    [(False, "dies", 0), (True, "dies", 3), (False, "lives", 3), (False, "elsewhere", 3)],
)
def test_a_death_without_trace_that_took_its_node_s_others_is_not_charged(
    scene: Scene, sure: bool, neighbour: str, expected: int
) -> None:
    for number in (1, 2, 3):
        scene.now += 10 * TOGETHER_SECONDS
        for key in "xn":
            scene.blame.runs(key, "b" if key == "n" and neighbour == "elsewhere" else "a")
        # In any order of the reports.
        dying = {"dies": ("nx", "xn", "nx")[number - 1]}.get(neighbour, "x")
        found = {key: scene.dies(key, number, sure) for key in dying}
    assert found["x"] == expected
