"""Parses --store: a local folder, or a place in an object store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from results.store.errors import StoreError
from trainables.registry import closest

OPTIONS = {"s3": ("endpoint_override", "region", "scheme"), "gs": (), "az": ()}
"""Options allowed in the query of a URI, by scheme."""

KEPT_OUT = re.compile(r"key|secret|token|password|credential|sas", re.IGNORECASE)
"""Names of options that would put a secret into the URI."""

SCHEME = re.compile("[a-z][a-z0-9+.-]*:", re.IGNORECASE)
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]+")
REGION = re.compile(r"[a-z0-9-]+")
ENDPOINT = re.compile(r"(https?://)?([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?/?")


@dataclass(frozen=True)
class Place:
    """A bucket (Azure: container) and the store's prefix in it, without a slash at either end."""

    scheme: str
    bucket: str
    prefix: str
    options: Mapping[str, str]


def place_of(uri: str) -> Place | str:
    """Parses the address of a store: a place in an object store, or the path of a folder.

    Raises:
        StoreError: `uri` is neither. The message contains no secret, since messages are logged.
    """
    if not uri.strip():
        raise StoreError(
            "--store is empty (an unset variable?): give a folder, or an address with s3://, gs:// or az://."
        )
    scheme, colon, rest = uri.partition(":")
    scheme = scheme.lower()
    if not colon or not (re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) and rest.startswith("/")):
        if scheme in OPTIONS and colon:
            raise _no_slashes(uri, scheme)
        return uri
    if scheme in OPTIONS or scheme == "file":
        if not rest.startswith("//"):
            raise _no_slashes(uri, scheme)
        return _local(uri) if scheme == "file" else _remote(uri, scheme)
    if "@" in uri:
        raise _with_credentials()
    raise StoreError(
        f"cannot use the store {redacted(uri)}: {scheme}:// is not supported; give a folder, or "
        "s3://, gs:// or az://."
    )


def _remote(uri: str, scheme: str) -> Place:
    try:
        parts = urlsplit(uri)
        credentials = "@" in parts.netloc
    except ValueError as error:
        raise StoreError(f"cannot use the store {redacted(uri)}: {error}; choose another --store.") from error
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if credentials or any(KEPT_OUT.search(name) for name in options):
        # A URI is printed, logged and shown in lists of processes.
        raise _with_credentials()
    if not BUCKET.fullmatch(parts.netloc):
        fault = f"{parts.netloc!r} is not a valid bucket name" if parts.netloc else "the bucket is missing"
        raise StoreError(f"cannot use the store {redacted(uri)}: {fault}; write {scheme}://BUCKET/FOLDER.")
    prefix = unquote(parts.path).removeprefix("/").removesuffix("/")
    if parts.fragment or (prefix and {"", ".", ".."} & set(prefix.split("/"))):
        raise StoreError(
            f"cannot use the store {redacted(uri)}: a folder has no empty parts, '.', '..' or '#'; "
            "choose another --store."
        )
    for name, value in options.items():
        if name not in OPTIONS[scheme]:
            raise StoreError(
                f"cannot use the store {redacted(uri)}: no option {name!r}.{closest(name, OPTIONS[scheme])}"
            )
        fits = {"region": REGION, "endpoint_override": ENDPOINT, "scheme": re.compile("https?")}[name]
        if not fits.fullmatch(value):
            raise StoreError(f"cannot use the store {redacted(uri)}: invalid {name} {value!r}.")
    return Place(scheme, parts.netloc, prefix, options)


def _local(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise StoreError(
            f"cannot use the store {redacted(uri)}: file:// needs a local path, as in file:///data/store."
        )
    return unquote(parts.path)


def _with_credentials() -> StoreError:
    return StoreError(
        "credentials do not belong in --store: put them in the environment (such as AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY) or in a profile."
    )


def _no_slashes(uri: str, scheme: str) -> StoreError:
    where = "/FOLDER" if scheme == "file" else "BUCKET/FOLDER"
    return StoreError(f"cannot use the store {redacted(uri)}: write it with two slashes, {scheme}://{where}.")


def redacted(uri: str) -> str:
    """The address for messages: a folder as it is, a URI without its query, which may contain secrets."""
    return uri.partition("?")[0] if SCHEME.match(uri) else uri
