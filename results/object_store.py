"""Stores by URI: s3://, gs:// and whatever else Arrow knows."""

from __future__ import annotations

import os
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
from pyarrow import fs

from results.errors import StoreError, reason
from trainables.registry import closest

S3_ATTEMPTS = 8
"""Of each request, with growing pauses: an outage of half a minute is sat out."""

S3_CONNECT_SECONDS = 10
S3_OPTIONS = ("endpoint_override", "region", "scheme")
"""What the query of an s3:// URI may say."""


def connect(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI, and the path in it.

    Raises:
        StoreError: A URI that cannot be used.
    """
    if urlsplit(uri).username is not None:
        # A URI is printed, logged and shown in lists of processes.
        raise StoreError(
            "credentials do not belong in --store: give them to the environment (AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY) or to the profile of this machine."
        )
    try:
        if uri.startswith("s3://"):
            return _s3(uri)
        file_system, path = fs.FileSystem.from_uri(uri)
        return file_system, path
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"cannot use the store {uri}: {reason(error)}; choose another --store.") from error


def _s3(uri: str) -> tuple[fs.FileSystem, str]:
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query))
    for name in options:
        if name not in S3_OPTIONS:
            raise StoreError(f"cannot use the store {uri}: no option {name!r}.{closest(name, S3_OPTIONS)}")
    told = {"AWS_REGION", "AWS_DEFAULT_REGION"} & os.environ.keys()
    if not options.keys() & {"region", "endpoint_override"} and not told:
        options["region"] = fs.resolve_s3_region(parts.netloc)
    file_system = fs.S3FileSystem(
        **options,
        connect_timeout=S3_CONNECT_SECONDS,
        # One request for a small object, not three.
        allow_delayed_open=True,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=S3_ATTEMPTS),
    )
    return file_system, f"{parts.netloc}{parts.path}".rstrip("/")
