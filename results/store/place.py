"""What --store names: a folder of this machine, or a place in an object store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from results.store.errors import StoreError
from trainables.registry import closest

OPTIONS = {"s3": ("endpoint_override", "region", "scheme"), "gs": (), "az": ()}
"""What the query of a URI may say, by its scheme."""

KEPT_OUT = re.compile(r"key|secret|token|password|credential|sas", re.IGNORECASE)
"""In the name of an option: its value is no business of a URI."""

SCHEME = re.compile("[a-z][a-z0-9+.-]*:", re.IGNORECASE)
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]+")
REGION = re.compile(r"[a-z0-9-]+")
ENDPOINT = re.compile(r"(https?://)?([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?/?")


@dataclass(frozen=True)
class Place:
    """A bucket (Azure: container) and the prefix of a store in it, without slashes at either end."""

    scheme: str
    bucket: str
    prefix: str
    options: Mapping[str, str]


def place_of(uri: str) -> Place | str:
    """Where a store is: a place in an object store, or the path of a folder.

    Raises:
        StoreError: What names neither. What is secret in it is not told again: messages are logged.
    """
    if not uri.strip():
        raise StoreError(
            "the store has no name (is a variable not set?): choose a folder, or s3://, gs://, az://, for "
            "--store."
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
        f"cannot use the store {told(uri)}: {scheme}:// is no object store known here; choose a folder, or "
        "s3://, gs://, az://, for --store."
    )


def _remote(uri: str, scheme: str) -> Place:
    try:
        parts = urlsplit(uri)
        credentials = "@" in parts.netloc
    except ValueError as error:
        raise StoreError(f"cannot use the store {told(uri)}: {error}; choose another --store.") from error
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if credentials or any(KEPT_OUT.search(name) for name in options):
        # A URI is printed, logged and shown in lists of processes.
        raise _with_credentials()
    if not BUCKET.fullmatch(parts.netloc):
        what = f"{parts.netloc!r} is no bucket's name" if parts.netloc else "it names no bucket"
        raise StoreError(f"cannot use the store {told(uri)}: {what}; it is {scheme}://BUCKET/FOLDER.")
    prefix = unquote(parts.path).removeprefix("/").removesuffix("/")
    if parts.fragment or (prefix and {"", ".", ".."} & set(prefix.split("/"))):
        raise StoreError(
            f"cannot use the store {told(uri)}: its folder has an empty name, '.', '..' or '#' in it; "
            "choose another --store."
        )
    for name, value in options.items():
        if name not in OPTIONS[scheme]:
            raise StoreError(
                f"cannot use the store {told(uri)}: no option {name!r}.{closest(name, OPTIONS[scheme])}"
            )
        fits = {"region": REGION, "endpoint_override": ENDPOINT, "scheme": re.compile("https?")}[name]
        if not fits.fullmatch(value):
            raise StoreError(f"cannot use the store {told(uri)}: {value!r} is no {name}.")
    return Place(scheme, parts.netloc, prefix, options)


def _local(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise StoreError(
            f"cannot use the store {told(uri)}: file:// takes the path of this machine, as in file:///data/store."
        )
    return unquote(parts.path)


def _with_credentials() -> StoreError:
    return StoreError(
        "credentials do not belong in --store: give them to the environment (such as AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY) or to the profile of this machine."
    )


def _no_slashes(uri: str, scheme: str) -> StoreError:
    where = "/FOLDER" if scheme == "file" else "BUCKET/FOLDER"
    return StoreError(f"cannot use the store {told(uri)}: write it with two slashes, {scheme}://{where}.")


def told(uri: str) -> str:
    """A folder as it is; a URI without its query, which may hold what nobody else should read."""
    return uri.partition("?")[0] if SCHEME.match(uri) else uri
