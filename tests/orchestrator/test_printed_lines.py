"""Warnings and first lines of commands."""

from __future__ import annotations

import http.server
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.driver.outcome import Outcome
from orchestrator.screen.plan import print_plan
from orchestrator.screen.run import Shown, print_ran
from orchestrator.use_cases.plan import plan
from orchestrator.use_cases.run import run
from results.store import processor
from results.terminal import Terminal
from results.wording import counted

from .conftest import Command

SWEEP = """\
name: halves
seeds: {seeds}
training: {{precision: {precision}, epochs: 1}}
blocks: [{{datasets: [digits], models: [mlp], losses: [brier], gpus: {gpus}}}]
"""


@pytest.mark.parametrize(
    ("cpuinfo", "precision", "gpus", "message"),
    [
        ("flags\t\t: fpu avx2 avx512f", "bfloat16", 0, "2 trials would use bfloat16"),
        ("Features\t: fp asimd bf16", "bfloat16", 0, None),
        ("flags\t\t: fpu avx512_bf16 amx_bf16", "bfloat16", 0, None),
        ("flags\t\t: fpu avx2 avx512f", "float32", 0, None),
        ("flags\t\t: fpu avx2 avx512f", "bfloat16", 1, None),
        (None, "bfloat16", 0, None),
    ],
)
def test_plan_and_run_warn_of_slow_bfloat16_on_a_cpu(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cpuinfo: str | None,
    precision: str,
    gpus: float,
    message: str | None,
) -> None:
    file = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        file.write_text(f"processor\t: 0\n{cpuinfo}\n\n")
    monkeypatch.setattr(processor, "CPUINFO", file)
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(SWEEP.format(seeds=2, precision=precision, gpus=gpus))
    monkeypatch.setattr("orchestrator.use_cases.run.run_trials", lambda *given: Outcome(left=2))
    store = str(tmp_path)
    for command in ("plan", "run"):
        output = io.StringIO()
        console = Terminal(file=output, width=200)
        if command == "plan":
            print_plan(plan(str(sweep), store, may_be_new=True), console)
        else:
            run(str(sweep), store, observer=Shown(console, {"sweep": str(sweep)}))
        assert ("bfloat16 on a CPU" in output.getvalue()) == (message is not None)
        assert message is None or message in output.getvalue()


def test_a_count_of_one_is_singular(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (counted(1, "trial"), counted(0, "trial"), counted(2, "set")) == ("1 trial", "0 trials", "2 sets")
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(SWEEP.format(seeds=1, precision="float32", gpus=0))
    monkeypatch.setattr("orchestrator.use_cases.run.run_trials", lambda *given: Outcome(left=1, failed=1))
    output = io.StringIO()
    ran = run(str(sweep), str(tmp_path / "store"))
    print_ran(ran, {"sweep": str(sweep)}, Terminal(file=output, width=200))
    assert "Interrupted with 1 trial left" in output.getvalue() and "1 trial failed" in output.getvalue()
    assert "1 trials" not in output.getvalue()


class Dashboard(http.server.BaseHTTPRequestHandler):
    """Answers as a cluster's does where a job is submitted."""

    def answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        if self.path.startswith("/api/version"):
            self.answer(200, {"version": "4", "ray_version": "2.60.0", "ray_commit": "", "session_name": ""})
        elif self.path.startswith("/api/jobs"):
            self.answer(200, [])
        else:
            self.answer(404, {})

    def do_PUT(self) -> None:
        self.answer(200, {})

    def do_POST(self) -> None:
        self.answer(200, {"job_id": "1", "submission_id": "calibsweep-quickstart-1"})

    def log_message(self, *given: object) -> None:
        pass


@pytest.fixture
def dashboard() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dashboard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
def test_launch_prints_its_own_lines_alone(dashboard: str, tmp_path: Path) -> None:
    output = Command()("launch", "quickstart", "--store", str(tmp_path), "--address", dashboard)
    assert output.startswith("quickstart: 130 trials, launched as calibsweep-quickstart-1.")
    assert "INFO" not in output and "ackage" not in output, output
