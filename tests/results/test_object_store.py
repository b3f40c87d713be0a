"""The store in an object store: a real S3 server on loopback, and a line between that fails."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from results.address import Address
from results.checkpoints import StoredCheckpoints
from results.errors import StoreError
from results.store import Store
from results.survey import State

from .conftest import arguments_of_commit, commit, content_of, path_of, trial_of
from .racing import assert_whole, race
from .spoiling import check_that_all_is_mended

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

BUCKET = "results"


@dataclass
class Line:
    """Passes requests on to the server, but for those it was told to spoil.

    Attributes:
        faults: What happens to the next requests, one each: 'unavailable' (503), 'dropped' (closed after
            half of the body was read), or 'lost' (done by the server, but the answer is dropped).
        requests: Method and path of all that came.
    """

    target: tuple[str, int]
    faults: list[str] = field(default_factory=list)
    always: str | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    def handler(line) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                line.requests.append((self.command, self.path))
                fault = line.faults.pop(0) if line.faults else line.always
                if fault == "dropped":
                    self.rfile.read(10 if self.command == "PUT" else 0)
                    self.close_connection = True
                    self.connection.close()
                    return
                body = self.body()
                if fault == "unavailable":
                    self.send_response(503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                connection = http.client.HTTPConnection(*line.target)
                drop = ("transfer-encoding", "expect")
                headers = {k: v for k, v in self.headers.items() if k.lower() not in drop}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
                if fault == "lost":
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

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


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def line(server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    for name, value in {
        "ACCESS_KEY_ID": "test",
        "SECRET_ACCESS_KEY": "test",
        "DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    boto3.client("s3", endpoint_url=f"http://{server[0]}:{server[1]}").create_bucket(Bucket=BUCKET)
    line = Line(server)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), line.handler())
    line.port = proxy.server_address[1]
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    yield line
    proxy.shutdown()
    proxy.server_close()


@pytest.fixture
def remote(line: Line, request: pytest.FixtureRequest) -> Store:
    return Store(uri(line, f"{BUCKET}/{request.node.name}"))


def uri(line: Line, place: str) -> str:
    return f"s3://{place}?endpoint_override=127.0.0.1:{line.port}&scheme=http"


def test_it_is_the_same_store_as_on_a_disk(remote: Store, store: Store) -> None:
    trials = [trial_of(seed, loss) for seed in (0, 1) for loss in ("brier", "mmce")]
    for each in (remote, store):
        assert commit(each, *trials, trials[0]) == [True] * 4 + [False]
        each.record_failure(trial_of(9), "diverged", "loss is nan", "", "here")
        checkpoints = StoredCheckpoints(each)
        checkpoints.save(trial_of(8).key, 3, b"three")
        checkpoints.save(trial_of(8).key, 6, b"six")
    contents = content_of(remote), content_of(store)
    assert contents[0].keys() == contents[1].keys()
    # A failure has its time in it.
    assert {k for k in contents[0] if contents[0][k] != contents[1][k]} <= {
        k for k in contents[0] if "failures/" in k
    }
    pd.testing.assert_frame_equal(remote.trials(), store.trials(), check_exact=True)
    everything = [*trials, trial_of(9), trial_of(8), trial_of(7)]
    assert remote.survey(everything) == store.survey(everything)
    assert list(StoredCheckpoints(remote).load(trial_of(8).key)) == [b"six"]
    StoredCheckpoints(remote).delete(trial_of(8).key)
    assert remote.survey([trial_of(8)]).states == {trial_of(8).key: State.MISSING}

    path, row = (path_of(remote, trials[0], kind) for kind in ("predictions", "trials"))
    remote.folder.write(path, b"altered")
    # Found by whoever reads it. To see where trials stand nobody fetches all data from afar.
    with pytest.raises(StoreError, match="missing or damaged"):
        remote.predictions(Address.of(trials[0]))
    committed = remote.folder.read(row)
    remote.folder.delete(path)
    survey = remote.survey(trials)
    assert survey.states[trials[0].key] == State.MISSING
    remote.set_aside(survey.damaged[trials[0].key])
    assert remote.folder.read(f"damaged/{row}") == committed
    assert commit(remote, *trials) == [True, False, False, False]
    assert remote.compact() == 4
    pd.testing.assert_frame_equal(remote.trials(), store.trials(), check_exact=True)


def test_one_of_two_commits_stands_with_its_own_data(remote: Store) -> None:
    race(remote.uri, pairs=60, window=0.1)
    assert_whole(remote, 60)


def test_a_run_mends_all_that_was_found(remote: Store) -> None:
    check_that_all_is_mended(remote)


def test_other_sweeps_are_not_even_listed(remote: Store, line: Line) -> None:
    trial = trial_of()
    commit(remote, trial)
    remote.record_failure(trial_of(9), "diverged", "loss is nan", "", "here")
    line.requests.clear()
    remote.survey([trial, trial_of(9)])
    assert remote.trials([trial]).shape[0] == 1
    queries = [parse_qs(urlsplit(path).query) for _, path in line.requests]
    listed = [unquote(query["prefix"][0]) for query in queries if "prefix" in query]
    # Checkpoints are of what is not done, and of the compacted copy there is one.
    of_everything = ("checkpoints/", "compacted/")
    assert listed and all("/digits/mlp/" in each or each.endswith(of_everything) for each in listed)
    # Nor is data fetched.
    assert not [path for _, path in line.requests if "/predictions/digits/mlp/brier" in path]


def test_a_small_file_is_one_request(remote: Store, line: Line) -> None:
    line.requests.clear()
    remote.folder.write("trials/a.parquet", b"x" * 1000)
    assert [method for method, _ in line.requests] == ["PUT"]


@pytest.mark.parametrize("fault", ["unavailable", "dropped", "lost"])
def test_faults_in_mid_commit_are_sat_out(remote: Store, line: Line, fault: str) -> None:
    arguments = arguments_of_commit(trial_of())
    # Each of the commit's requests fails once, or the first of them several times.
    line.faults = [fault, ""] * 6
    assert remote.commit(**arguments)
    line.faults = [fault] * 3
    assert remote.survey([trial_of()]).states == {trial_of().key: State.DONE}
    line.faults = [fault] * 3
    assert len(remote.trials()) == 1 and not remote.trials().attrs["damaged"]


def test_a_server_that_stays_away_is_one_line(
    remote: Store, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("results.outages.COMMAND_SECONDS", 3.0)
    line.always = "unavailable"
    with pytest.raises(
        StoreError, match=r"cannot write s3://\S+trials/a\.parquet: the server .* every attempt"
    ):
        remote.folder.write("trials/a.parquet", b"x")
    assert 3 < len(line.requests) < 30
    line.always = None
    assert not remote.folder.exists("trials/a.parquet")


def test_a_missing_bucket_and_wrong_options_are_named(line: Line) -> None:
    with pytest.raises(StoreError, match="there is no such bucket"):
        Store(uri(line, "no-such-bucket/x")).folder.check_writable()
    with pytest.raises(StoreError, match="Did you mean 'region'"):
        Store("s3://results/x?regoin=eu-west-1")
    with pytest.raises(StoreError, match="credentials do not belong in --store") as told:
        Store("s3://key:secret@results/x")
    assert "secret@" not in str(told.value)
    # What is printed and recorded names the place, not how it was reached.
    assert Store(uri(line, "results/x")).folder.name("a") == "s3://results/x/a"


def test_refused_credentials_are_one_line(server: tuple[str, int], line: Line) -> None:
    answer = http.client.HTTPConnection(*server)
    answer.request("POST", "/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
    assert answer.getresponse().read()
    try:
        with pytest.raises(StoreError, match="access was refused"):
            Store(uri(line, f"{BUCKET}/x")).folder.check_writable()
    finally:
        answer = http.client.HTTPConnection(*server)
        answer.request("POST", "/moto-api/reset-auth", b"inf", {"Content-Type": "text/plain"})
        answer.getresponse().read()
    boto3.client("s3", endpoint_url=f"http://{server[0]}:{server[1]}").list_buckets()
