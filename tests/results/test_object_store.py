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


def test_one_of_two_commits_stands_with_its_own_data(remote: Store) -> None:
    race(remote.uri, pairs=60, window=0.1)
    assert_whole(remote, 60)


def test_a_run_mends_all_that_was_found(remote: Store) -> None:
    check_that_all_is_mended(remote)


def test_other_sweeps_are_not_even_listed(remote: Store, s3: Proxy) -> None:
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


def test_answers_that_come_late_are_waited_for(remote: Store, s3: Proxy) -> None:
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
def test_faults_in_mid_commit_are_sat_out(remote: Store, s3: Proxy, fate: str) -> None:
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


def test_who_made_an_object_is_known_though_the_answer_was_lost(remote: Store, s3: Proxy) -> None:
    s3.lose("PUT", times=2)
    assert remote.folder.write("trials/a.parquet", b"mine", exclusive=True)
    s3.lose("PUT", times=1)
    assert not remote.folder.write("trials/a.parquet", b"yours", exclusive=True)
    assert remote.folder.read("trials/a.parquet") == b"mine"
    # Amazon's word for two that write at once, of whom none may have succeeded.
    s3.refuse("PUT", status=409, code="ConditionalRequestConflict", times=1)
    assert remote.folder.write("trials/b.parquet", b"mine", exclusive=True)


def test_a_large_object_goes_in_parts_each_tried_again(remote: Store, s3: Proxy) -> None:
    content = bytes(range(256)) * (4096 * 20)
    s3.refuse("PUT", every=3)
    remote.folder.write("checkpoints/a/1.pt", content)
    assert s3.count("PUT") > 2 and remote.folder.read("checkpoints/a/1.pt") == content


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (400, "ExpiredToken", "token has expired: log in"),
        (400, "AuthorizationHeaderMalformed", "another region: put .?region="),
        (301, "PermanentRedirect", "another region: put .?region="),
        (403, "RequestTimeTooSkewed", "clock is wrong: set it"),
        (403, "AccessDenied", "refused: check the credentials and the bucket's policy"),
        (403, "InvalidAccessKeyId", "key is unknown: check AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "secret key is wrong: check AWS_SECRET_ACCESS_KEY"),
        (404, "NoSuchBucket", "no such bucket: create it"),
        (501, "NotImplemented", "only where there is none: choose another"),
        (507, "XMinioStorageFull", "full: make room"),
    ],
)
def test_what_will_not_pass_is_one_line_at_once(
    remote: Store, s3: Proxy, status: int, code: str, told: str
) -> None:
    s3.refuse(status=status, code=code)
    remote.folder.sit_out_outages()
    for action, operation in (
        ("write", lambda: remote.folder.write("a.parquet", b"x", exclusive=True)),
        ("read", lambda: remote.folder.read("a.parquet")),
        ("read", lambda: list(remote.folder.list("trials"))),
        ("delete", lambda: remote.folder.delete("a.parquet")),
    ):
        s3.requests.clear()
        with pytest.raises(StoreError, match=rf"^cannot {action} s3://\S+: .*{told}") as error:
            operation()
        assert "\n" not in str(error.value) and len(s3.requests) == 1


def test_a_server_that_stays_away_is_one_line(
    remote: Store, s3: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("results.store.outages.COMMAND_SECONDS", 3.0)
    s3.refuse()
    with pytest.raises(
        StoreError, match=r"cannot write s3://\S+trials/a\.parquet: the server .* every attempt"
    ):
        remote.folder.write("trials/a.parquet", b"x")
    assert 3 < len(s3.requests) < 30
    s3.rules.clear()
    assert not remote.folder.exists("trials/a.parquet")


def test_an_outage_in_a_run_is_sat_out_and_told(
    remote: Store, s3: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    # A worker may start while the store is away: no answer has come yet.
    remote.folder.sit_out_outages(told.append)
    monkeypatch.setattr("results.store.outages.FIRST_SECONDS", 0.0)
    monkeypatch.setattr("results.store.outages.COMMAND_SECONDS", 0.0)
    monkeypatch.setattr("results.store.outages.TOLD_AFTER_SECONDS", 0.5)
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
    assert len(told) == 2 and re.search(r"out of reach since 0:0\d, trying again", told[0])
    assert "answers again" in told[1]


def test_a_host_that_is_not_there_is_said_soon(s3: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("results.store.outages.FIRST_SECONDS", 0.3)
    s3.vanish()
    with pytest.raises(StoreError, match=r"127\.0\.0\.1 cannot be reached"):
        Store(s3.uri("store")).folder.check_writable()
    with pytest.raises(StoreError, match=r"no-such-host\.invalid is not known"):
        Store("s3://bucket/x?endpoint_override=no-such-host.invalid").folder.check_writable()


def test_a_wrong_scheme_is_named(s3: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("results.store.outages.FIRST_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(StoreError, match="speaks http, not https: put scheme=http"):
        Store(s3.uri("x").replace("scheme=http", "scheme=https")).folder.check_writable()
    assert not s3.requests and time.monotonic() < began + 30
    # What a server of https makes of plain words.
    s3.break_off()
    with pytest.raises(StoreError, match=r"broke off every attempt: .* https, leave scheme=http out"):
        Store(s3.uri("x")).folder.check_writable()


def test_a_bucket_that_is_not_there_is_told_from_an_empty_one(remote: Store, s3: Proxy) -> None:
    elsewhere = Folder(s3.uri("x", bucket="no-such-bucket"))
    assert remote.folder.place_exists() and not elsewhere.place_exists()
    for operation in (
        elsewhere.check_writable,
        lambda: elsewhere.read("a"),
        lambda: list(elsewhere.list("")),
    ):
        with pytest.raises(StoreError, match="there is no such bucket"):
            operation()


def test_what_other_programs_leave_in_a_bucket_is_no_file_of_ours(remote: Store, s3: Proxy) -> None:
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
        with pytest.raises(StoreError, match="access was refused"):
            remote.folder.check_writable()
    finally:
        identities("inf")
    remote.folder.check_writable()
