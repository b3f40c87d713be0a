"""Turns a refused or unanswered request to an object store into one line with its cause and remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

REFUSED = "access denied: check the credentials and the bucket's policy"
NO_BUCKET = "the bucket does not exist: create it, or choose another --store"
REGION = "the bucket is in another region: append ?region=REGION to --store, or set AWS_REGION"
BUSY = "the server is overloaded and refused every attempt: rerun the command later"
FAILED = "the server failed on every attempt: rerun the command later"
EXPIRED = "access denied, the session token has expired: log in again, then rerun the command"

PERMANENT = {
    "AccessDenied": REFUSED,
    "AuthorizationFailure": REFUSED,
    "AuthorizationPermissionMismatch": REFUSED,
    "AuthenticationFailed": REFUSED,
    "InvalidAccessKeyId": "access denied, the access key is unknown: check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "access denied, the secret key is wrong: check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "InvalidToken": "access denied, the session token is invalid: check AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "the clock of this machine is wrong: set it, then rerun the command",
    "AuthorizationHeaderMalformed": REGION,
    "PermanentRedirect": REGION,
    "TemporaryRedirect": REGION,
    "NoSuchBucket": NO_BUCKET,
    "ContainerNotFound": NO_BUCKET,
    "InvalidBucketName": "not a valid bucket name: choose another --store",
    "NotImplemented": "the server has no conditional writes (If-None-Match): choose another --store",
    "QuotaExceeded": "the bucket's quota is used up: free some space, then rerun the command",
    "XMinioStorageFull": "the server's disks are full: free some space, then rerun the command",
}
"""Permanent faults, by the error code of S3, Google or Azure."""

TRANSIENT = {
    "SlowDown": BUSY,
    "ServiceUnavailable": BUSY,
    "ServerBusy": BUSY,
    "TooManyRequests": BUSY,
    "RequestTimeout": "the server timed out waiting for the upload: rerun the command later",
    "ConditionalRequestConflict": "another writer interfered: rerun the command",
    # An attempt whose answer was lost completed it, or the bucket's lifecycle rules removed it.
    "NoSuchUpload": "a multipart upload was lost: rerun the command",
    "OperationAborted": "another writer interfered: rerun the command",
}

LOGIN = {
    "S3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or create a profile with 'aws configure'",
    "GCS": "run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS",
    "MicrosoftAzure": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}

IDENTITY_HOSTS = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "metadata.google.internal")
IDENTITY_PATHS = ("/latest/api/token", "/latest/meta-data/", "/computeMetadata/", "/metadata/identity/")
"""Metadata endpoints from which cloud machines get their credentials."""

REDACTED = "REDACTED"
"""obstore prints this instead of the address that serves a role's credentials."""

FINAL_STATUS = (501, 505, 507)


class SdkError(Exception):
    """A request through boto3 failed.

    Args:
        code: S3's error code; '' without an answer.
        status: HTTP status; 0 without an answer.
    """

    def __init__(self, text: str, code: str = "", status: int = 0):
        super().__init__(text)
        self.code, self.status = code, status


@dataclass(frozen=True)
class Fault:
    """Why a request failed.

    Attributes:
        reason: Cause and remedy.
        passes: Transient: a retry may succeed.
        answered: The store answered.
        no_object: The bucket exists, the object does not.
        no_path: obstore cannot read the listing, because an object's name is not a valid path.
        hint: A further possible cause, for a server that has never answered.
    """

    reason: str
    passes: bool = False
    answered: bool = True
    no_object: bool = False
    no_path: bool = False
    hint: str = ""

    @property
    def no_bucket(self) -> bool:
        """Whether the bucket does not exist."""
        return self.reason == NO_BUCKET


def fault_of(error: Exception) -> Fault:
    """Classifies an error of obstore by its text, which contains the full answer; it has no other fields."""
    text, _, debug = str(error).partition("\n\nDebug source:")
    if isinstance(error, SdkError):
        code, status = error.code or None, error.status
        if not status:
            return Fault(f"{_shortened(text)}: rerun the command later", True, answered=False)
    else:
        code = _first(r"<Code>(\w+)</Code>", text)
        status = int(_first(r"status code: (\d{3})", text) or 0)
    url = urlsplit(_first(r"performing [A-Z]+ (\S+) in", text) or "")
    if url.hostname in IDENTITY_HOSTS or url.path.startswith(IDENTITY_PATHS):
        store = _first(r"Generic (\w+) error", text) or "S3"
        return Fault(f"no credentials were found: {LOGIN.get(store, LOGIN['S3'])}", True, answered=False)
    if code in PERMANENT:
        return Fault(PERMANENT[code] + _region(code, text))
    if code in TRANSIENT:
        return Fault(TRANSIENT[code], True)
    if isinstance(error, FileNotFoundError):
        return Fault("the object does not exist", no_object=True)
    if status or "redirect without LOCATION" in text:
        return _fault_of_status(status, text)
    if "object with invalid path" in text:
        name = _first(r'Path "([^"]*)"', text) or ""
        return Fault(
            f"the name of the object {name} is not a valid path, which blocks the listing: delete it",
            no_path=True,
        )
    if url.path == REDACTED:
        return Fault("the role in AWS_ROLE_ARN has no credentials: check it", True, answered=False)
    return _unanswered(url.hostname or "the server", url.scheme, text, debug)


def _fault_of_status(status: int, text: str) -> Fault:
    if status in (401, 403):
        return Fault(REFUSED)
    if status in (0, 301, 302, 307, 308):
        return Fault(REGION)
    if status == 429 or status == 503:
        return Fault(BUSY, True)
    if status == 400 and "HTTPS" in text:
        return Fault("the server speaks https, not http: remove scheme=http from --store")
    if status == 408 or (status >= 500 and status not in FINAL_STATUS):
        return Fault(FAILED, True)
    return Fault(_shortened(text))


def _unanswered(host: str, scheme: str, text: str, debug: str) -> Fault:
    again = "rerun the command later"
    if "InvalidContentType" in debug or "InvalidMessage" in debug:
        return Fault(
            f"{host} speaks http, not https: add scheme=http to the query of --store", answered=False
        )
    if "InvalidCertificate" in debug or "UnknownIssuer" in debug:
        return Fault(
            f"the certificate of {host} is not trusted: set SSL_CERT_FILE to its issuer's certificate",
            answered=False,
        )
    if "dns error" in debug:
        return Fault(f"the host name {host} cannot be resolved: check it, or {again}", True, answered=False)
    if "kind: Timeout," in debug or "TimedOut" in debug:
        return Fault(f"{host} did not answer in time: {again}", True, answered=False)
    if "kind: Connect," in debug:
        return Fault(f"{host} is unreachable: check its name and port, or {again}", True, answered=False)
    if "HttpError" in debug or "reqwest" in debug or "hyper" in debug:
        hint = "; if it speaks https, remove scheme=http from --store" if scheme == "http" else ""
        return Fault(
            f"{host} closed the connection on every attempt: {again}", True, answered=False, hint=hint
        )
    return Fault(_shortened(text), answered=False)


def _region(code: str | None, text: str) -> str:
    region = _first(r"<Region>([a-z0-9-]+)</Region>", text)
    return f" (it is {region})" if region and PERMANENT[code or ""] == REGION else ""


def _shortened(text: str) -> str:
    message = _first(r"<Message>([^<]+)</Message>", text)
    return message or (text.strip() or "no reason given").splitlines()[0]


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[1] if found else None
