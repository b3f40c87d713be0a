"""A bucket that is not there, one in which nothing is, and one with objects of odd names."""

from __future__ import annotations

import boto3
import pytest

from orchestrator.use_cases.compact import compact
from orchestrator.use_cases.tables import tables
from orchestrator.use_cases.verify import verify
from results.store.errors import StoreError
from results.store.finding import FOREIGN
from results.store.store import Store
from results.store.survey import State
from trainables.errors import ConfigurationError

from ..s3_proxy import Proxy
from .conftest import commit, inspected, trial_of

pytestmark = pytest.mark.slow


def test_a_missing_bucket_is_not_an_empty_store(s3: Proxy) -> None:
    away = s3.uri("store", bucket="no-such-bucket")
    for command in (
        lambda: verify(away),
        lambda: compact(away),
        lambda: tables(away),
        lambda: Store(away).check_place(),
    ):
        with pytest.raises(StoreError, match="no-such-bucket"):
            command()
    Store(s3.uri("new")).check_place()
    assert Store(s3.uri("new")).folder.is_empty()
    with pytest.raises(ConfigurationError, match="no finished trial"):
        tables(s3.uri("new"))


@pytest.mark.parametrize("name", ["%2e%2e/x.parquet", "ä/", "//x.parquet", "../x.parquet", "a\x7fb.parquet"])
@pytest.mark.parametrize("folder", ["store", ""])
def test_an_object_of_an_odd_name_ends_no_command(s3: Proxy, name: str, folder: str) -> None:
    store = Store(s3.uri(folder))
    commit(store, trial_of(0))
    before = list(store.folder.list("trials"))
    put(s3, f"{folder}/trials/digits/mlp/{name}".removeprefix("/"))
    assert [info for info in store.folder.list("trials") if "brier" in info.path] == before
    assert store.survey([trial_of(0)]).states == {trial_of(0).key: State.DONE}
    store.check_place()
    assert not store.folder.is_empty()
    assert len(store.trials()) == 1
    (finding,) = inspected(store).findings
    assert finding.kind == FOREIGN and finding.path.startswith("trials/digits/mlp/")


def test_a_listing_with_odd_names_retries_and_fails_like_others(s3: Proxy) -> None:
    store = Store(s3.uri("store"))
    put(s3, "store/trials/a//b")
    assert list(store.folder.list("")) == []
    s3.refuse("LIST", every=2, times=1)
    assert list(store.folder.list("")) == []
    s3.refuse("LIST", status=403, code="AccessDenied", every=2)
    with pytest.raises(StoreError, match="access denied"):
        list(store.folder.list(""))


def put(s3: Proxy, key: str) -> None:
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{s3.server}")
    client.put_object(Bucket=s3.bucket, Key=key, Body=b"x")
