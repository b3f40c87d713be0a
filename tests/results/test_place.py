"""Addresses that --store takes, and those that it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.store.errors import StoreError
from results.store.files import Folder
from results.store.place import Place, place_of

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("uri", "cause"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("s3://", "bucket"),
        ("s3:///x", "bucket"),
        ("s3://-/x", "bucket name"),
        ("s3://bucket//x", "empty parts"),
        ("s3://bucket/x//y", "empty parts"),
        ("s3://bucket/../x", "empty parts"),
        ("s3://bucket/x#y", "empty parts"),
        ("s3://[x", "cannot use the store"),
        ("s3:/bucket", "two slashes"),
        ("s3:bucket/x", "two slashes"),
        ("file:/data", "two slashes"),
        ("file://elsewhere/data", "local path"),
        ("hdfs://node/x", "hdfs://"),
        ("https://bucket.s3.amazonaws.com/x", "https://"),
        ("s3://bucket/x?regoin=eu-west-1", "'region'"),
        ("s3://bucket/x?region=no region", "region 'no region'"),
        ("s3://bucket/x?scheme=ftp", "scheme 'ftp'"),
        ("s3://bucket/x?endpoint_override=a b", "endpoint_override 'a b'"),
        ("gs://bucket/x?region=eu-west-1", "no option 'region'"),
        (f"s3://key:{SECRET}@bucket/x", "credentials"),
        (f"hdfs://key:{SECRET}@node/x", "credentials"),
        (f"s3://bucket/x?secret_key={SECRET}", "credentials"),
        (f"az://bucket/x?sas_token={SECRET}", "credentials"),
    ],
)
def test_an_invalid_address_is_refused_in_one_line(uri: str, cause: str) -> None:
    with pytest.raises(StoreError, match=cause) as error:
        Folder(uri)
    assert "\n" not in str(error.value) and SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://bucket", Place("s3", "bucket", "", {})),
        ("S3://bucket/a/b/", Place("s3", "bucket", "a/b", {})),
        ("gs://my.bucket/a%20b", Place("gs", "my.bucket", "a b", {})),
        ("az://container/x", Place("az", "container", "x", {})),
        (
            "s3://bucket/x?endpoint_override=localhost:9000&scheme=http&region=eu-west-1",
            Place(
                "s3",
                "bucket",
                "x",
                {"endpoint_override": "localhost:9000", "scheme": "http", "region": "eu-west-1"},
            ),
        ),
        ("./s3:/x", "./s3:/x"),
        ("store", "store"),
        ("file:///data/a%20b", "/data/a b"),
    ],
)
def test_a_place_is_a_bucket_or_a_folder(uri: str, place: Place | str) -> None:
    assert place_of(uri) == place


def test_a_file_uri_is_a_folder_of_this_machine(tmp_path: Path) -> None:
    Folder(f"{tmp_path.as_uri()}/store").write("trials/a", b"x")
    assert (tmp_path / "store/trials/a").read_bytes() == b"x"


def test_a_message_names_the_place_and_not_how_it_is_reached() -> None:
    assert Folder("s3://bucket/x?region=eu-west-1").name("a") == "s3://bucket/x/a"
    assert Folder("really?").name("a") == "really?/a"
