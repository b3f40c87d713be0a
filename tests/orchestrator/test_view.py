"""What one sees of a run: in windows of any size, in terminals that cannot redraw, and in files."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import termios
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.text import Text

from orchestrator.cluster.estimates import START_SECONDS, TRIAL_SECONDS
from orchestrator.driver import progress as progress_module
from orchestrator.driver.progress import Progress
from orchestrator.screen.plan import print_plan, print_running
from orchestrator.screen.terminal import can_redraw
from orchestrator.screen.view import Row, Standing, View, cut, lines
from orchestrator.use_cases.status import status
from results.store.running import Running, publish
from results.store.store import Store
from results.terminal import Terminal
from results.wording import duration, size, work
from sweeps.expand import load
from trainables.resolve import resolve
from trainables.trial import Trial

from .conftest import Command

ESCAPE = "\x1b"


class Screen(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def standing(running: int, **others: object) -> Standing:
    rows = [Row(f"tiny_imagenet / resnet50_tiny / flsd_53 / seed {n}", n, 350, 0.314) for n in range(running)]
    usual = {"doing": "", "rows": rows, "done": 7, "failed": 1, "before": 20, "total": 100, "passed": 3725.0}
    return Standing(**{**usual, "left": "11 days 14 h", **others})  # type: ignore[arg-type]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("running", [0, 1, 5, 30])
@pytest.mark.parametrize(
    ("width", "height"), [(80, 24), (120, 40), (40, 24), (40, 5), (20, 3), (9, 1), (1, 1)]
)
def test_each_thing_is_one_line_and_the_bar_of_all_is_never_pushed_out(
    width: int, height: int, running: int, plain: bool
) -> None:
    drawn = [line.plain for line in lines(standing(running), width, height, plain)]
    assert len(drawn) <= max(height - 1, 1)
    assert all(cell_len(line) < max(width, 2) for line in drawn)
    assert cell_len(f"{drawn[-1]}^C") <= max(width, 3)
    assert all(line.isascii() for line in drawn) or not plain
    if width < 40:
        return
    ended = "7 done (20 before), 1 failed, 92 left" if width == 120 else "8/100, 1 failed"
    assert ended in drawn[-1]
    assert "11 days 14 h to go" in drawn[-1]
    shown = [line for line in drawn if "seed" in line]
    assert len(shown) == (running if running <= height - 2 else height - 3)
    assert len(shown) == running or drawn[-2] == f"and {running - len(shown)} more"
    for number, line in enumerate(shown):
        # A label is cut where that loses least, and what it says last is there.
        assert f"seed {number} " in line and f"{number}/350" in line and "31.4%" in line


@pytest.mark.parametrize("width", [120, 80, 40])
def test_a_finished_sweep_shows_only_its_duration(width: int) -> None:
    message = lines(standing(0, done=99), width, 24)[-1].plain
    assert message.endswith("; took 1:02:05") and "left" not in message and "to go" not in message


def test_steps_before_the_first_trial_and_stalled_trials_are_shown() -> None:
    assert lines(standing(0, doing="starting Ray, loading digits"), 80, 24)[0].plain.startswith(
        "starting Ray"
    )
    still = Row("digits / mlp / brier / seed 0", 3, 10, 0.5, quiet_seconds=125)
    assert "3/10 epochs, no batch for 2:05" in lines(standing(0, rows=[still]), 80, 24)[0].plain
    assert cut("abcdefgh", 5) == "ab…gh" and cut("abcdefgh", 8) == "abcdefgh" and cut("abc", 1) == "…"


def test_a_window_that_becomes_narrower_is_wiped_as_far_as_its_lines_now_reach() -> None:
    console = Terminal(file=Screen(), width=80, height=24, force_terminal=True)
    given = {80: ["a" * 79, "b" * 20], 30: ["a" * 29, "b" * 20]}
    view = View(console, lambda width, height, plain: [Text(line) for line in given[width]])
    view.refresh_per_second = 0.001
    with view:
        view.refresh()
        console.width = 30
        console.file.seek(0)
        console.file.truncate()
        view.refresh()
        message = console.file.getvalue()  # type: ignore[attr-defined]
    # 79 characters are three rows of 30 by now, and 20 are one: the cursor stands in the last of four.
    assert message.split("a")[0].count(f"{ESCAPE}[1A") == 3


@pytest.mark.parametrize(
    ("term", "screen", "redraws"),
    [
        ("xterm-256color", True, True),
        ("xterm-256color", False, False),
        ("dumb", True, False),
        ("", True, False),
        ("unknown", True, False),
    ],
)
@pytest.mark.parametrize("forced", [False, True])
def test_only_a_redrawable_console_is_redrawn(
    monkeypatch: pytest.MonkeyPatch, term: str, screen: bool, redraws: bool, forced: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    if forced:
        monkeypatch.setenv("FORCE_COLOR", "1")
    file = Screen() if screen else io.StringIO()
    console = Terminal(file=file, width=80)
    assert can_redraw(console.file) == redraws
    trials = [resolve("digits", "mlp", "brier", seed) for seed in range(2)]
    with Progress(trials, 3, console) as shown:
        shown.doing("starting Ray")
        for trial in trials:
            shown.start(trial)
            shown.epoch(trial.key, 1, error=0.25, seconds_per_epoch=1.0)
        if shown.view:
            shown.view.refresh()
        shown.finish(trials[0].key, "done, error 3.00%, ECE 2.00%")
        shown.note("store unreachable")
        shown.finish(trials[1].key, "crashed: it died", failed=True)
    message = file.getvalue()
    drawing = re.findall(r"\x1b\[(?:\d+A|2K|\?25l)", message)
    assert bool(drawing) == redraws
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", message)
    said = ["[1/2] digits / mlp / brier / seed 0: done, error 3.00%, ECE 2.00%", "store unreachable"]
    for line in [*said, "failed: digits / mlp / brier / seed 1: crashed: it died"]:
        assert plain.count(line) == 1
    if redraws:
        assert "validation error 25.0%" in plain and "0 done (3 before)" in plain
    else:
        assert plain.splitlines()[0] == "starting Ray" and len(plain.splitlines()) == 4


def test_the_time_left_is_the_plan_until_epochs_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    trials = [resolve("digits", "mlp", "brier", seed, training={"epochs": 10}) for seed in range(4)]

    def planned(trial: Trial) -> float | None:
        return None if trial.model.name == "small_cnn" else 600.0 - TRIAL_SECONDS

    shown = Progress(trials, 0, Terminal(file=io.StringIO()), planned, at_once=2, started=now)
    assert shown.seconds_left() == START_SECONDS + 2 * 600
    now += 5
    assert shown.seconds_left() == START_SECONDS - 5 + 2 * 600
    for trial in trials[:2]:
        shown.start(trial)
    now += 30
    assert shown.seconds_left() == 2 * 600 - 30
    # Of what runs, and of those to come, an epoch takes as long as the last ones did.
    shown.epoch(trials[0].key, 1, seconds_per_epoch=20.0)
    shown.epoch(trials[1].key, 1, seconds_per_epoch=40.0)
    assert shown.seconds_left() == (2 * 270 + 2 * 300) / 2
    unknown = resolve("digits", "small_cnn", "brier", 0)
    assert Progress([*trials, unknown], 0, Terminal(file=io.StringIO()), planned).time_left() == "?"


def test_units_are_those_of_people() -> None:
    message = [duration(seconds) for seconds in (0.6, 59, 60, 171, 3599, 7500, 86_399, 1_003_789, 90_000_000)]
    assert message == [
        *("under a minute", "under a minute", "1 min", "3 min", "1 h", "2 h 5 min", "1 day", "11 days 15 h"),
        "1,041 days 16 h",
    ]
    assert [work(hours, "core") for hours in (0.00018, 1 / 60, 0.5, 2.25, 2223)] == [
        *("under a core-minute", "1 core-minute", "30 core-minutes", "2.2 core-hours", "2,223 core-hours"),
    ]
    assert [size(number) for number in (100, 20_000, 3.4 * 2**20, 5000 * 2**30)] == [
        *("100 B", "20 KiB", "3.4 MiB", "5,000 GiB"),
    ]


def test_status_shows_running_trials_without_a_cluster(tmp_path: Path) -> None:
    changed = ["seeds=1", "training.epochs=60"]
    trial = load("quickstart", changed).trials[0]
    store = str(tmp_path)

    def message() -> str:
        console = Terminal(file=io.StringIO(), width=120)
        found = status("quickstart", store, changed)
        assert found.job is None and not found.job_failed
        print_running(found.plan, console)
        print_plan(found.plan, console)
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    assert "No trial of quickstart is running" in message()
    publish(Store(store), "quickstart-1", {trial.key: Running(7, 240.0)})
    text = message()
    assert re.search(rf"{re.escape(str(trial))} +7/60 epochs +no batch for 4:0\d", text)
    assert "26 trials, 1 running, 25 missing" in text


@pytest.mark.slow
def test_a_run_in_a_real_terminal(calibsweep: Command, tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    sweep = tmp_path / "tiny.yaml"
    sweep.write_text(
        "name: tiny\nseeds: 2\ntraining: {epochs: 2}\n"
        "blocks: [{datasets: [digits], models: [mlp], losses: [brier]}]\nrun: {watch: []}\n"
    )
    store = str(tmp_path / "the store")
    process = calibsweep.start(
        *("run", str(sweep), "--store", store),
        environment={"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
        **{"stdin": terminal, "stdout": terminal, "stderr": terminal},
    )
    os.close(terminal)
    message = b""
    try:
        while piece := os.read(master, 65536):
            message += piece
    except OSError:
        pass  # how Linux tells that nobody writes any more
    os.close(master)
    assert process.wait() == 0, message
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", message.decode().replace("\r", "\n"))
    assert (
        text.index("reading ") < text.index("reading the store") < text.index("starting Ray, loading digits")
    )
    assert text.index("starting Ray") < text.index("0/2 epochs") or "0/2 epochs" not in text
    ended = re.findall(r"\[\d/2\] digits / mlp / brier / seed \d: done, error [\d.]+%, ECE [\d.]+%", text)
    assert len(ended) == 2
    assert f"calibsweep status {sweep} --store '{store}'" in text.replace("\n", "")
