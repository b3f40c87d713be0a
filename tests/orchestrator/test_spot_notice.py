"""The cloud's notice that it takes a machine away, from an imitation of its metadata server to Ray."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from .conftest import Command, cluster, program, wait_until

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "clusters" / "spot_notice.sh"


@dataclass
class Metadata:
    """What a machine of a cloud is told about itself, in the words of Amazon's and Google's documentation."""

    cloud: str
    taken_away: bool = False
    asked: int = 0
    address: str = field(init=False)

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        self.asked += 1
        match self.cloud, method, path:
            case "amazon", "PUT", "/latest/api/token" if "x-aws-ec2-metadata-token-ttl-seconds" in headers:
                return 200, "a-token"
            case "amazon", "GET", "/latest/meta-data/spot/instance-action":
                if headers.get("x-aws-ec2-metadata-token") != "a-token":
                    return 401, ""
                message = '{"action": "terminate", "time": "2026-11-21T08:22:00Z"}'
                return (200, message) if self.taken_away else (404, "")
            case "google", "GET", "/computeMetadata/v1/instance/preempted":
                if headers.get("metadata-flavor") != "Google":
                    return 403, ""
                return 200, "TRUE" if self.taken_away else "FALSE"
        return 404, ""


@pytest.fixture(params=["amazon", "google"])
def metadata(request: pytest.FixtureRequest) -> Iterator[Metadata]:
    message = Metadata(request.param)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, text = message.answer(self.command, self.path, headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_PUT = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    message.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield message
    server.shutdown()


def test_script_is_sound() -> None:
    subprocess.run([program("shellcheck"), str(SCRIPT)], check=True)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A head, and a node for the notice of each cloud."""
    with cluster(Command(), 0, 1, 1) as found:
        yield found


@pytest.mark.slow
def test_a_notice_drains_the_node(metadata: Metadata, nodes: Cluster, tmp_path: Path) -> None:
    node = sorted(nodes.worker_nodes, key=lambda node: node.node_id)[metadata.cloud == "google"]
    # All nodes are on this machine: which one is meant has to be said.
    real = f"{sys.executable} -m ray.scripts.scripts"
    (tmp_path / "ray").write_text(f'#!/bin/sh\necho "$@"\n{real} "$@" --node-id {node.node_id}\n')
    (tmp_path / "ray").chmod(0o755)
    environment = {
        **os.environ,
        "METADATA_SERVER": metadata.address,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    before = time.time()
    waiting = subprocess.Popen(
        ["bash", str(SCRIPT), nodes.address], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: metadata.asked > 4, "questions without a notice")
        assert waiting.poll() is None
        metadata.taken_away = True
        output, _ = waiting.communicate(timeout=60)
    finally:
        waiting.kill()
    assert waiting.returncode == 0
    seconds = {"amazon": 110, "google": 25}[metadata.cloud]
    assert f"drain-node --address {nodes.address} --reason DRAIN_NODE_REASON_PREEMPTION" in output
    assert output.endswith(f"--deadline-remaining-seconds {seconds}\n")
    ray.init(nodes.address, logging_level="ERROR")
    try:
        draining = ray._private.state.state.get_draining_nodes()
        gone = {each["NodeID"] for each in ray.nodes() if not each["Alive"]}
    finally:
        ray.shutdown()
    assert node.node_id in gone or before < draining[node.node_id] / 1000 < time.time() + seconds
    assert nodes.head_node.node_id not in {*draining, *gone}
