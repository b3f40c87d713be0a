"""Who a bucket is asked as: the environment, a profile of this machine, or the role of a machine or a pod."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from results.store.errors import StoreError
from results.store.files import Folder

from ..s3_proxy import CREDENTIALS, Proxy

pytestmark = pytest.mark.slow

GIVEN = {"Code": "Success", "AccessKeyId": "of-the-role", "SecretAccessKey": "s", "Token": "t"}
EXPIRES = "2099-01-01T00:00:00Z"


@pytest.fixture
def nobody(s3: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """A bucket, and an environment that says nothing about who asks."""
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setattr("results.store.outages.FIRST_SECONDS", 0.5)
    return s3


@pytest.fixture
def metadata() -> Iterator[str]:
    """The address of what a cloud's machine asks for the credentials of its role."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            is_role = self.path.endswith("/benchmarks")
            text = json.dumps(GIVEN | {"Expiration": EXPIRES}) if is_role else "benchmarks"
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = answer

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_the_environment_comes_first(s3: Proxy) -> None:
    Folder(s3.uri("store")).check_writable()
    assert {request.signed_by for request in s3.requests} == {"test"}


@pytest.mark.parametrize("profile", ["default", "other"])
def test_a_profile_of_this_machine(
    nobody: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = default\naws_secret_access_key = s\n"
        "[other]\naws_access_key_id = other\naws_secret_access_key = s\n"
    )
    if profile != "default":
        monkeypatch.setenv("AWS_PROFILE", profile)
    Folder(nobody.uri("store")).check_writable()
    assert {request.signed_by for request in nobody.requests} == {profile}
    monkeypatch.setenv("AWS_PROFILE", "none-such")
    with pytest.raises(StoreError, match="none-such"):
        Folder(nobody.uri("store")).check_writable()


@pytest.mark.parametrize("config", [None, "[default]\nregion = eu-west-1\n"])
def test_the_role_of_a_machine(
    nobody: Proxy, metadata: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str | None
) -> None:
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", metadata)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)
    if config is not None:
        (tmp_path / "config").write_text(config)
    Folder(nobody.uri("store")).check_writable()
    assert {request.signed_by for request in nobody.requests} == {"of-the-role"}


def test_the_identity_of_a_pod(
    nobody: Proxy, metadata: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("x" * 32)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata}/v1/benchmarks")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    Folder(nobody.uri("store")).check_writable()
    assert {request.signed_by for request in nobody.requests} == {"of-the-role"}


def test_the_role_of_a_pod_is_requested(
    nobody: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # obstore asks for it by https alone, which no server here speaks with a certificate that is trusted.
    (tmp_path / "token").write_text("x" * 32)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/benchmarks")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://127.0.0.1:1")
    with pytest.raises(StoreError, match="the role in AWS_ROLE_ARN"):
        Folder(nobody.uri("store")).check_writable()


def test_no_advice_on_logging_in_is_printed(nobody: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match="no credentials were found: set AWS_ACCESS_KEY_ID"):
        Folder(nobody.uri("store")).check_writable()
    assert not nobody.requests
