"""The store in an object store: a real S3 server on loopback, and a proxy before it that fails."""

from __future__ import annotations

import http.client
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from results.store.address import Address
from results.store.checkpoints import StoredCheckpoints
from results.store.errors import StoreError
from results.store.faults import BUSY, NO_BUCKET, PERMANENT
from results.store.files import Folder
from results.store.store import Store
from results.store.survey import State

from ..s3_proxy import Proxy
from .conftest import arguments_of_commit, commit, content_of, path_of, trial_of
from .racing import assert_whole, race
from .spoiling import check_that_all_is_mended

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def remote(s3: Proxy) -> Store:
    return Store(s3.uri("store"))


def test_a_bucket_behaves_like_a_folder(remote: Store, store: Store) -> None:
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
    assert StoredCheckpoints(remote).epochs_done(trial_of(8).key) == 6
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


def test_racing_commits_keep_row_and_data_together(remote: Store) -> None:
    race(remote.uri, pairs=60, window=0.1)
    assert_whole(remote, 60)


def test_a_run_mends_every_finding(remote: Store) -> None:
    check_that_all_is_mended(remote)


def test_folders_of_other_sweeps_are_not_listed(remote: Store, s3: Proxy) -> None:
    trial = trial_of()
    commit(remote, trial)
    remote.record_failure(trial_of(9), "diverged", "loss is nan", "", "here")
    s3.requests.clear()
    remote.survey([trial, trial_of(9)])
    assert remote.trials([trial]).shape[0] == 1
    listed = [request.key for request in s3.requests if request.method == "LIST"]
    # Checkpoints are of what is not done, and of the compacted copy there is one.
    of_everything = ("checkpoints/", "compacted/")
    assert listed and all("/digits/mlp/" in each or each.endswith(of_everything) for each in listed)
    # Nor is data fetched.
    assert not s3.count("GET", "/predictions/digits/mlp/brier")


def test_each_operation_is_one_request(remote: Store, s3: Proxy) -> None:
    folder = remote.folder
    s3.requests.clear()
    for operation, method in (
        (lambda: folder.write("trials/a.parquet", b"x" * 1000), "PUT"),
        (lambda: folder.write("trials/b.parquet", b"y", exclusive=True), "PUT"),
        (lambda: folder.write("trials/b.parquet", b"z", exclusive=True), "PUT"),
        (lambda: folder.read("trials/a.parquet"), "GET"),
        (lambda: folder.exists("trials/a.parquet"), "HEAD"),
        (lambda: folder.exists("trials/c.parquet"), "HEAD"),
        (lambda: list(folder.list("trials")), "LIST"),
        (lambda: folder.delete("trials/a.parquet"), "DELETE"),
        (lambda: folder.delete("trials/c.parquet"), "DELETE"),
        (lambda: folder.place_exists(), "LIST"),
    ):
        operation()
        assert [request.method for request in s3.requests] == [method]
        s3.requests.clear()
    assert folder.read("trials/b.parquet") == b"y"


def test_late_answers_are_awaited(remote: Store, s3: Proxy) -> None:
    remote.folder.write("trials/a.parquet", b"a")
    s3.requests.clear()
    s3.delay(4.0)
    with ThreadPoolExecutor() as executor:
        created = executor.submit(remote.folder.write, "trials/b.parquet", b"b", exclusive=True)
        listed = executor.submit(lambda: [info.path for info in remote.folder.list("trials")])
        assert remote.folder.read("trials/a.parquet") == b"a"
        assert created.result() is True
    assert "trials/a.parquet" in listed.result()
    # At the first attempt.
    assert s3.counts() == {"PUT": 1, "LIST": 1, "GET": 1}


@pytest.mark.parametrize("fate", ["refuse", "break_off", "lose", "cut"])
def test_a_commit_survives_faults_in_its_middle(remote: Store, s3: Proxy, fate: str) -> None:
    arguments = arguments_of_commit(trial_of())
    spoil = getattr(s3, fate)
    # Every other request fails, or the first of them several times.
    spoil(None, every=2)
    assert remote.commit(**arguments)
    s3.rules.clear()
    spoil(None, times=3)
    assert remote.survey([trial_of()]).states == {trial_of().key: State.DONE}
    spoil(None, times=3)
    assert len(remote.trials()) == 1 and not remote.trials().attrs["damaged"]


def test_an_exclusive_write_knows_its_winner_after_a_lost_answer(remote: Store, s3: Proxy) -> None:
    s3.lose("PUT", times=2)
    assert remote.folder.write("trials/a.parquet", b"mine", exclusive=True)
    s3.lose("PUT", times=1)
    assert not remote.folder.write("trials/a.parquet", b"yours", exclusive=True)
    assert remote.folder.read("trials/a.parquet") == b"mine"
    # Amazon's word for two that write at once, of whom none may have succeeded.
    s3.refuse("PUT", status=409, code="ConditionalRequestConflict", times=1)
    assert remote.folder.write("trials/b.parquet", b"mine", exclusive=True)


def test_a_large_object_is_sent_in_parts_with_retries(remote: Store, s3: Proxy) -> None:
    content = bytes(range(256)) * (4096 * 20)
    s3.refuse("PUT", every=3)
    remote.folder.write("checkpoints/a/1.pt", content)
    assert s3.count("PUT") > 2 and remote.folder.read("checkpoints/a/1.pt") == content


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ExpiredToken"),
        (400, "AuthorizationHeaderMalformed"),
        (301, "PermanentRedirect"),
        (403, "RequestTimeTooSkewed"),
        (403, "AccessDenied"),
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (404, "NoSuchBucket"),
        (501, "NotImplemented"),
        (507, "XMinioStorageFull"),
    ],
)
def test_a_permanent_fault_is_one_line_at_once(remote: Store, s3: Proxy, status: int, code: str) -> None:
    s3.refuse(status=status, code=code)
    remote.folder.wait_out_outages()
    for action, operation in (
        ("write", lambda: remote.folder.write("a.parquet", b"x", exclusive=True)),
        ("read", lambda: remote.folder.read("a.parquet")),
        ("read", lambda: list(remote.folder.list("trials"))),
        ("delete", lambda: remote.folder.delete("a.parquet")),
    ):
        s3.requests.clear()
        with pytest.raises(
            StoreError, match=rf"^cannot {action} s3://\S+: {re.escape(PERMANENT[code])}"
        ) as error:
            operation()
        assert "\n" not in str(error.value) and len(s3.requests) == 1


def test_a_permanent_outage_is_one_line(remote: Store, s3: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("results.store.outages.COMMAND_SECONDS", 3.0)
    s3.refuse()
    with pytest.raises(StoreError, match=rf"cannot write s3://\S+trials/a\.parquet: {BUSY}"):
        remote.folder.write("trials/a.parquet", b"x")
    assert 3 < len(s3.requests) < 30
    s3.rules.clear()
    assert not remote.folder.exists("trials/a.parquet")


def test_a_run_waits_out_an_outage_and_reports_it(
    remote: Store, s3: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    message: list[str] = []
    # A worker may start while the store is away: no answer has come yet.
    remote.folder.wait_out_outages(message.append)
    monkeypatch.setattr("results.store.outages.FIRST_SECONDS", 0.0)
    monkeypatch.setattr("results.store.outages.COMMAND_SECONDS", 0.0)
    monkeypatch.setattr("results.store.outages.REPORT_AFTER_SECONDS", 0.5)
    s3.vanish()
    back = threading.Timer(2.0, s3.listen)
    back.start()
    with ThreadPoolExecutor() as executor:
        writes = [
            executor.submit(remote.folder.write, f"trials/{name}.parquet", b"x", exclusive=True)
            for name in "abcd"
        ]
        assert all(write.result() for write in writes)
    back.join()
    # Once for all that wait.
    assert len(message) == 2 and re.search(r"unreachable for 0:0\d", message[0])
    assert "reachable again" in message[1]


def test_an_unknown_host_is_reported_soon(s3: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("results.store.outages.FIRST_SECONDS", 0.3)
    s3.vanish()
    with pytest.raises(StoreError, match=r"127\.0\.0\.1 is unreachable"):
        Store(s3.uri("store")).folder.check_writable()
    with pytest.raises(StoreError, match=r"no-such-host\.invalid cannot be resolved"):
        Store("s3://bucket/x?endpoint_override=no-such-host.invalid").folder.check_writable()


def test_a_wrong_scheme_is_named(s3: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("results.store.outages.FIRST_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"speaks http, not https.* scheme=http"):
        Store(s3.uri("x").replace("scheme=http", "scheme=https")).folder.check_writable()
    assert not s3.requests and time.monotonic() < began + 30
    # As an https server does on plain http.
    s3.break_off()
    with pytest.raises(StoreError, match=r"every attempt.* https.* scheme=http"):
        Store(s3.uri("x")).folder.check_writable()


def test_a_missing_bucket_is_distinguished_from_an_empty_one(remote: Store, s3: Proxy) -> None:
    elsewhere = Folder(s3.uri("x", bucket="no-such-bucket"))
    assert remote.folder.place_exists() and not elsewhere.place_exists()
    for operation in (
        elsewhere.check_writable,
        lambda: elsewhere.read("a"),
        lambda: list(elsewhere.list("")),
    ):
        with pytest.raises(StoreError, match=NO_BUCKET):
            operation()


def test_objects_of_other_programs_are_skipped(remote: Store, s3: Proxy) -> None:
    for key in ("store/", "store/checkpoints/", "store/checkpoints/abc/", "store/odd%20(1)%25.txt"):
        s3.direct("PUT", f"/{s3.bucket}/{key}", b"hi" if key.endswith("txt") else b"")
    assert [info.path for info in remote.folder.list("")] == ["odd (1)%.txt"]
    assert remote.folder.read("odd (1)%.txt") == b"hi"
    s3.direct("PUT", f"/{s3.bucket}/store/trials//a.parquet", b"x")
    assert list(remote.folder.list("trials")) == []
    assert remote.folder.odd_names == ("trials//a.parquet",)


def test_refused_credentials_are_one_line(remote: Store, s3: Proxy) -> None:
    def identities(checked: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", s3.server)
        connection.request("POST", "/moto-api/reset-auth", checked.encode(), {"Content-Type": "text/plain"})
        assert connection.getresponse().read()
        connection.close()

    identities("0")
    try:
        with pytest.raises(StoreError, match="access denied"):
            remote.folder.check_writable()
    finally:
        identities("inf")
    remote.folder.check_writable()
