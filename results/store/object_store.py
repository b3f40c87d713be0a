"""Files of a store in an object store: S3, Google Cloud Storage or Azure, through obstore."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from results.store.errors import StoreError
from results.store.faults import fault_of
from results.store.file_info import FileInfo
from results.store.odd_names import Listed, WholeListing
from results.store.outages import Outages, RequestError
from results.store.place import Place

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Config, S3Store

    Client: TypeAlias = AzureStore | GCSStore | S3Store

CONNECT_SECONDS = 10

TIMEOUT_SECONDS = 60
"""Retry a request after the server has sent nothing for this long."""

LARGE_SECONDS = 3600

PART_BYTES = 8 * 1024 * 1024
"""Larger objects are sent in parts."""

PARTS_AT_ONCE = 4

PART_RETRIES, PART_RETRY_SECONDS = 10, 30
"""Retries of one part, inside obstore: on a bad line an upload that restarted as a whole would never end."""

SUFFIXES = (".parquet", ".pt", ".json")
"""Suffixes of our files. An empty object without one of them is a folder marker."""

CREDENTIALS_SECONDS = 300
"""How long credentials from a profile are cached. botocore renews them ten minutes before they expire."""

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
REGION_HEADER = "x-amz-bucket-region"


class ObjectStore:
    """The objects under a prefix of a bucket, by relative path.

    A method makes one request, or one for each thousand objects it lists (two if a name is not a valid
    path). Methods raise RequestError, and FileNotFoundError for a missing object. The first call connects.
    """

    readers = 64

    def __init__(self, place: Place):
        self.place = place
        self.outages = Outages()
        self._lock = threading.Lock()
        self._clients: dict[int, Client] = {}
        self.markers: set[str] = set()
        """Folder markers seen in listings, without the trailing slash of their names."""
        self.odd_names: set[str] = set()
        """Names seen in listings that are not valid paths. obstore cannot request these objects."""
        self._whole: WholeListing | None = None

    def place_exists(self) -> bool:
        try:
            self.is_empty()
        except RequestError as error:
            if error.fault.no_bucket:
                return False
            raise
        return True

    def is_empty(self) -> bool:
        try:
            return not self.outages.request(lambda again: next(iter(self._single().list()), None))
        except RequestError as error:
            if error.fault.no_path:
                return False
            raise

    def read(self, path: str) -> bytes:
        return self.outages.request(lambda again: self._single().get(path).bytes().to_bytes())

    def write(self, path: str, content: bytes, exclusive: bool) -> bool:
        if exclusive:
            made = self.outages.request(lambda again: self._create(path, content, again))
            if made is not None:
                return made
            try:
                return self.read(path) == content
            except FileNotFoundError:
                return self.write(path, content, exclusive)
        if len(content) > PART_BYTES:
            self.outages.request(
                lambda again: self._in_parts().put(
                    path, content, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
                )
            )
        else:
            self.outages.request(lambda again: self._single().put(path, content, use_multipart=False))
        return True

    def _create(self, path: str, content: bytes, again: bool) -> bool | None:
        """Creates an object. None if it exists, perhaps from an earlier attempt whose answer was lost."""
        from obstore.exceptions import AlreadyExistsError

        try:
            self._single().put(path, content, mode="create")
            return True
        except AlreadyExistsError as error:
            if fault_of(error).passes:
                raise
            return None if again else False

    def exists(self, path: str) -> bool:
        try:
            self.outages.request(lambda again: self._single().head(path))
        except FileNotFoundError:
            return False
        return True

    def list(self, folder: str) -> Iterable[FileInfo]:
        for each in self._found(folder):
            # Consoles and other clients create folder markers.
            is_marker = each["size"] == 0 and PurePosixPath(each["path"]).suffix not in SUFFIXES
            if is_marker:
                self.markers.add(each["path"])
            else:
                modified = each["last_modified"]
                nanoseconds = int(modified.timestamp()) * 1_000_000_000 + modified.microsecond * 1000
                yield FileInfo(each["path"], each["size"], nanoseconds, each["e_tag"] or "")

    def _found(self, folder: str) -> Sequence[ObjectMeta | Listed]:
        try:
            return self.outages.request(lambda again: self._single().list(folder or None).collect())
        except RequestError as error:
            if not error.fault.no_path or self.place.scheme != "s3":
                raise
        above = f"{self.place.prefix}/" if self.place.prefix else ""
        whole = self._whole_listing()
        found, odd = self.outages.request(lambda again: whole.objects((above + folder).removesuffix("/")))
        self.odd_names.update(name.removeprefix(above) for name in odd)
        return [{**each, "path": each["path"].removeprefix(above)} for each in found]

    def _whole_listing(self) -> WholeListing:
        region = _region_in(self._single()).get("region")
        with self._lock:
            if self._whole is None:
                self._whole = WholeListing(
                    self.place.bucket, region, _endpoint(self.place), CONNECT_SECONDS, TIMEOUT_SECONDS
                )
            return self._whole

    def delete(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.outages.request(lambda again: self._single().delete(path))

    def delete_marker(self, path: str) -> None:
        """Deletes an object whose name ends with a slash, which obstore cannot express as a path."""
        if self.place.scheme != "s3":
            return
        whole = PurePosixPath(self.place.bucket, quote(self.place.prefix or ""), quote(path))
        # An S3 server reads everything after the bucket in the address as the start of the name.
        options = {**self.place.options, **_region_in(self._single())}
        place = dataclasses.replace(self.place, bucket=str(whole), prefix="", options=options)
        self.outages.request(lambda again: _client(place, 0).delete(""))
        self.markers.discard(path)

    def move(self, source: str, target: str) -> None:
        self.outages.request(lambda again: self._single().rename(source, target))

    def _single(self) -> Client:
        """A client without retries: `outages` retries, and reports them."""
        return self._client(0)

    def _in_parts(self) -> Client:
        return self._client(PART_RETRIES)

    def _client(self, retries: int) -> Client:
        with self._lock:
            if retries not in self._clients:
                self._clients[retries] = _client(self.place, retries)
            return self._clients[retries]


def _region_in(client: Any) -> dict[str, str]:
    return {"region": client.config["region"]} if "region" in client.config else {}


def _client(place: Place, retries: int) -> Client:
    from obstore import store

    endpoint = _endpoint(place)
    options: ClientConfig = {
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=TIMEOUT_SECONDS),
        # For the whole request. A large object may take that long while data keeps arriving.
        "timeout": timedelta(seconds=LARGE_SECONDS),
        "allow_http": endpoint is not None and endpoint.startswith("http://"),
    }
    retry: RetryConfig = {
        "max_retries": retries,
        "retry_timeout": timedelta(seconds=PART_RETRY_SECONDS),
    }
    prefix = place.prefix or None
    if place.scheme == "gs":
        return store.GCSStore(place.bucket, prefix=prefix, client_options=options, retry_config=retry)
    if place.scheme == "az":
        return store.AzureStore(place.bucket, prefix=prefix, client_options=options, retry_config=retry)
    config: S3Config = {"conditional_put": "etag", "disable_bulk_delete": True}
    if endpoint is not None:
        config["aws_endpoint_url_s3"] = endpoint
    provider = _profile()
    region = place.options.get("region") or _configured_region(provider)
    if region is None and endpoint is None:
        region = _region_of(place.bucket)
    if region is not None:
        config["region"] = region
    return store.S3Store(
        place.bucket,
        prefix=prefix,
        config=config,
        client_options=options,
        retry_config=retry,
        credential_provider=provider,
    )


def _endpoint(place: Place) -> str | None:
    """The address of an S3 server other than Amazon's."""
    endpoint = place.options.get("endpoint_override")
    if endpoint is None:
        return next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), None)
    scheme = place.options.get("scheme", "https")
    return endpoint if "://" in endpoint else f"{scheme}://{endpoint}"


def _profile() -> Boto3CredentialProvider | None:
    """Credentials of the profile in ~/.aws; None if the environment or a role provides them."""
    files = [
        Path(os.environ.get(name) or path).expanduser()
        for name, path in (
            ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
            ("AWS_CONFIG_FILE", "~/.aws/config"),
        )
    ]
    if "AWS_ACCESS_KEY_ID" in os.environ or not any(file.exists() for file in files):
        return None
    import boto3
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider(boto3.Session(), ttl=timedelta(seconds=CREDENTIALS_SECONDS))
    except BotoCoreError as error:
        raise StoreError(f"cannot use the AWS profile: {error}.") from error
    except ValueError:
        return None  # The profile has no credentials.


def _configured_region(provider: Boto3CredentialProvider | None) -> str | None:
    region = next((os.environ[name] for name in REGIONS if os.environ.get(name)), None)
    if region is None and provider is not None:
        region = provider.config.get("region")
    return region


def _region_of(bucket: str) -> str | None:
    """The region of a bucket on Amazon, which answers without credentials; None if unknown."""
    request = urllib.request.Request(f"https://s3.amazonaws.com/{bucket}", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=CONNECT_SECONDS) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    region: str | None = headers.get(REGION_HEADER)
    return region
