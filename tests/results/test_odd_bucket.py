"""A bucket that is not there, one in which nothing is, and one with objects of odd names."""

from __future__ import annotations

import boto3
import pytest

from orchestrator.commands import compaction, tables
from orchestrator.commands.verify import verify
from results.errors import StoreError
from results.store import Store
from results.survey import State
from results.terminal import Terminal
from trainables.errors import ConfigurationError

from ..s3_proxy import Proxy
from .conftest import commit, inspected, trial_of

pytestmark = pytest.mark.slow


def test_a_bucket_that_is_not_there_is_no_empty_store(s3: Proxy) -> None:
    away = s3.uri("store", bucket="no-such-bucket")
    for command in (
        lambda: verify(away, Terminal()),
        lambda: compaction.compact(away, Terminal()),
        lambda: tables.show(None, away, None, None, None, False, [], Terminal()),
        lambda: Store(away).check_place(),
    ):
        with pytest.raises(StoreError, match="no-such-bucket"):
            command()
    Store(s3.uri("new")).check_place()
    with pytest.raises(ConfigurationError, match="no finished trial"):
        tables.show(None, s3.uri("new"), None, None, None, False, [], Terminal())


@pytest.mark.parametrize("name", ["%2e%2e/x.parquet", "ä/"])
def test_an_object_of_an_odd_name_ends_no_command(s3: Proxy, name: str) -> None:
    store = Store(s3.uri("store"))
    commit(store, trial_of(0))
    put(s3, f"store/trials/digits/mlp/{name}")
    assert store.survey([trial_of(0)]).states == {trial_of(0).key: State.DONE}
    assert len(store.trials()) == 1
    assert len(inspected(store).findings) == 1


@pytest.mark.parametrize("name", ["//x.parquet", "../x.parquet"])
def test_an_object_whose_name_is_no_path_is_named(s3: Proxy, name: str) -> None:
    store = Store(s3.uri("store"))
    put(s3, f"store/trials/digits/mlp/{name}")
    with pytest.raises(StoreError, match=rf"digits/mlp/{name}: delete it") as told:
        store.trials()
    assert "\n" not in str(told.value)


def put(s3: Proxy, key: str) -> None:
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{s3.server}")
    client.put_object(Bucket=s3.bucket, Key=key, Body=b"x")
