"""A real S3 server in a process of its own, and a proxy that counts, delays, refuses, cuts and loses.

    def test_of_yours(s3: Proxy) -> None:
        store = Store(s3.uri("store"))
        s3.refuse("PUT", "trials/", status=503, every=3)
        ...
        assert s3.count("GET", "trials/") == 2

Rules are asked in the order in which they were made; the first that fits decides what becomes of a request.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import math
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""For the environment of whoever speaks to the server."""

SERVER = """
import signal
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
signal.pause()
"""

HOP_BY_HOP = ("transfer-encoding", "connection", "keep-alive", "expect")

Fate = Literal["delay", "refuse", "cut", "break off", "lose"]


@contextlib.contextmanager
def moto_server() -> Iterator[int]:
    """A moto server on the loopback interface; gives its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        method: As in HTTP, but LIST for a GET that lists a bucket.
        key: Of the object, or the prefix that is listed, without the bucket.
        signed_by: The access key.
    """

    method: str
    key: str
    signed_by: str = ""


@dataclass
class Rule:
    """What becomes of the requests that fit.

    Attributes:
        method: None for all.
        containing: A part of the key.
        every: Of those that fit, only each so-manieth.
        times: Only so many, then the rule is spent.
    """

    fate: Fate
    method: str | None
    containing: str
    every: int
    times: float
    seconds: float = 0.0
    status: int = 503
    code: str = ""
    seen: int = 0
    used: int = 0

    def applies(self, request: Request) -> bool:
        if self.method not in (None, request.method) or self.containing not in request.key:
            return False
        self.seen += 1
        if self.used >= self.times or self.seen % self.every:
            return False
        self.used += 1
        return True


@dataclass
class Proxy:
    """Stands before an S3 server; one bucket is there.

    Attributes:
        requests: All that came, in order, refused ones too.
        rules: Empty it to have all pass again.
    """

    server: int
    bucket: str = field(default_factory=lambda: f"bucket-{uuid.uuid4().hex[:12]}")
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def uri(self, folder: str, bucket: str | None = None) -> str:
        """The URI of a store, in the bucket that is there unless another is named."""
        return f"s3://{bucket or self.bucket}/{folder}?endpoint_override=127.0.0.1:{self.port}&scheme=http"

    # What becomes of requests from now on

    def delay(self, seconds: float, method: str | None = None, containing: str = "", **which: Any) -> Rule:
        """Answers later. `which`: `every` and `times`, as of a Rule."""
        return self._rule("delay", method, containing, seconds=seconds, **which)

    def refuse(
        self,
        method: str | None = None,
        containing: str = "",
        status: int = 503,
        code: str = "SlowDown",
        **which: Any,
    ) -> Rule:
        """Answers with an error in the words of S3, without asking the server."""
        return self._rule("refuse", method, containing, status=status, code=code, **which)

    def cut(self, method: str | None = "GET", containing: str = "", **which: Any) -> Rule:
        """Breaks off in the middle of the answer's body."""
        return self._rule("cut", method, containing, **which)

    def break_off(self, method: str | None = None, containing: str = "", **which: Any) -> Rule:
        """Closes the connection without having asked the server."""
        return self._rule("break off", method, containing, **which)

    def lose(self, method: str | None = None, containing: str = "", **which: Any) -> Rule:
        """Has the server do what was asked, and drops its answer."""
        return self._rule("lose", method, containing, **which)

    def _rule(
        self,
        fate: Fate,
        method: str | None,
        containing: str,
        every: int = 1,
        times: float = math.inf,
        **more: Any,
    ) -> Rule:
        rule = Rule(fate, method, containing, every, times, **more)
        self.rules.append(rule)
        return rule

    # What came

    def count(self, method: str | None = None, containing: str = "") -> int:
        return sum(method in (None, each.method) and containing in each.key for each in list(self.requests))

    def counts(self) -> Counter[str]:
        """How many requests of each method came."""
        return Counter(each.method for each in list(self.requests))

    # Being there

    def direct(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Asks the server itself, past all rules, uncounted. Returns the status and the answer's body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def listen(self) -> None:
        """Answers, at the same port as before if there was one."""
        self._http = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def vanish(self) -> None:
        """Breaks off all that is under way and refuses connections, until it listens again."""
        self._http.shutdown()
        self._http.server_close()
        self._http.close_all()

    def fate_of(self, request: Request) -> Rule | None:
        with self._lock:
            self.requests.append(request)
            return next((rule for rule in self.rules if rule.applies(request)), None)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self._lock:
                self.at_once -= 1


@contextlib.contextmanager
def proxy_before(server: int) -> Iterator[Proxy]:
    """A proxy before the server at this port, with a new bucket."""
    proxy = Proxy(server)
    assert proxy.direct("PUT", f"/{proxy.bucket}")[0] == 200
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.vanish()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, *arguments: Any):
        self.open: set[Any] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def close_all(self) -> None:
        for each in list(self.open):
            self.shutdown_request(each)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # Clients that went away.


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.upstream = http.client.HTTPConnection("127.0.0.1", proxy.server)

        def finish(self) -> None:
            self.upstream.close()
            super().finish()

        def pass_on(self) -> None:
            with proxy.under_way():
                self.decide(proxy.fate_of(self.asked()))

        def asked(self) -> Request:
            parts = urlsplit(self.path)
            key = unquote(parts.path).lstrip("/").partition("/")[2]
            query = parse_qs(parts.query, keep_blank_values=True)
            signed_by = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
            if self.command == "GET" and "list-type" in query:
                return Request("LIST", query.get("prefix", [""])[0], signed_by)
            return Request(self.command, key, signed_by)

        def decide(self, rule: Rule | None) -> None:
            fate = rule.fate if rule else None
            if fate == "break off":
                return self.hang_up()
            body = self.body()
            if rule and fate == "delay":
                time.sleep(rule.seconds)
            if rule and fate == "refuse":
                return self.answer(rule.status, {}, _error(rule.code))
            status, headers, content = self.ask(body)
            if fate == "lose":
                return self.hang_up()
            self.answer(status, headers, content, cut=fate == "cut")

        def ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            for attempt in itertools.count():
                try:
                    self.upstream.request(self.command, self.path, body, headers)
                    answer = self.upstream.getresponse()
                    return answer.status, dict(answer.getheaders()), answer.read()
                except (ConnectionError, http.client.HTTPException):
                    # The server closes connections that it has no more use for.
                    self.upstream.close()
                    if attempt:
                        raise
            raise AssertionError

        def answer(self, status: int, headers: dict[str, str], content: bytes, cut: bool = False) -> None:
            self.send_response_only(status)
            names = {name.lower() for name in headers}
            for name, value in headers.items():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            if "content-length" not in names:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if cut:
                self.wfile.write(content[: len(content) // 2])
                return self.hang_up()
            self.wfile.write(content)

        def hang_up(self) -> None:
            self.close_connection = True

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    return Handler


def _error(code: str) -> bytes:
    text = f"<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
