"""Data sets in their published formats: small made-up ones, a local server, and the real files if there."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from trainables.datasets import files

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("CALIBSWEEP_SHARED", REPOSITORY.parent / "shared")) / "data"


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with the real files of one set, rebuilt once; skips without."""
    rebuilt = tmp_path_factory.mktemp("real-data")

    def folder(name: str) -> Path:
        script = SHARED / "unpack.py"
        if not script.exists():
            pytest.skip(f"no real data sets in {SHARED}; set CALIBSWEEP_SHARED")
        subprocess.run([sys.executable, script, rebuilt / name, name], check=True, capture_output=True)
        return rebuilt / name

    return functools.cache(folder)


@dataclass
class Server:
    """Serves one file, as badly as a test wants.

    Attributes:
        ranges: Whether it knows HTTP ranges.
        statuses: What the next requests are answered with instead of the file.
        drops: After how many bytes the connections of the next requests break.
        asked: The Range header of every request.
    """

    url: str
    content: bytes = b""
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    drops: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.asked.append(asked)
        if self.statuses:
            request.send_error(self.statuses.pop(0))
            return
        found = re.fullmatch(r"bytes=(\d+)-", asked or "") if self.ranges else None
        start = int(found[1]) if found else 0
        if found and start >= len(self.content):
            request.send_error(416)
            return
        request.send_response(206 if found else 200)
        if found:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        request.send_header("Content-Length", str(len(self.content) - start))
        request.end_headers()
        end = start + self.drops.pop(0) if self.drops else None
        request.wfile.write(self.content[start:end])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(files, "FIRST_WAIT", 0.0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            serving.answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = Server(f"http://127.0.0.1:{listening.server_port}/file")
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    yield serving
    listening.shutdown()
    thread.join()
    listening.server_close()
