"""What it means when an object store refuses a request, or does not answer: one line, with the mend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

REFUSED = "access was refused: check the credentials and the bucket's policy"
NO_BUCKET = "there is no such bucket: create it, or choose another --store"
REGION = "the bucket is in another region: put ?region=REGION behind --store, or set AWS_REGION"
BUSY = "the server is overloaded and refused every attempt: run the same command again later"
FAILED = "the server failed every attempt: run the same command again later"
EXPIRED = (
    "access was refused, since the session's token has expired: log in anew, then run the same command again"
)

FOR_GOOD = {
    "AccessDenied": REFUSED,
    "AuthorizationFailure": REFUSED,
    "AuthorizationPermissionMismatch": REFUSED,
    "AuthenticationFailed": REFUSED,
    "InvalidAccessKeyId": "access was refused, since the access key is unknown: check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "access was refused, since the secret key is wrong: check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "InvalidToken": "access was refused, since the session's token is none: check AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "this machine's clock is wrong: set it, then run the same command again",
    "AuthorizationHeaderMalformed": REGION,
    "PermanentRedirect": REGION,
    "TemporaryRedirect": REGION,
    "NoSuchBucket": NO_BUCKET,
    "ContainerNotFound": NO_BUCKET,
    "InvalidBucketName": "that is no name of a bucket: choose another --store",
    "NotImplemented": "the server cannot create an object only where there is none: choose another --store",
    "QuotaExceeded": "the bucket's quota is used up: make room, then run the same command again",
    "XMinioStorageFull": "the server's disks are full: make room, then run the same command again",
}
"""By the codes that S3, Google and Azure give."""

PASSING = {
    "SlowDown": BUSY,
    "ServiceUnavailable": BUSY,
    "ServerBusy": BUSY,
    "TooManyRequests": BUSY,
    "RequestTimeout": "the server waited in vain for what was sent: run the same command again later",
    "ConditionalRequestConflict": "another writer was in the way: run the same command again",
    # Completed by an attempt whose answer was lost, or tidied away by the bucket's own rules.
    "NoSuchUpload": "a large upload was lost: run the same command again",
    "OperationAborted": "another writer was in the way: run the same command again",
}

LOGIN = {
    "S3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or make a profile by 'aws configure'",
    "GCS": "run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS",
    "MicrosoftAzure": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}

IDENTITY_HOSTS = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "metadata.google.internal")
IDENTITY_PATHS = ("/latest/api/token", "/latest/meta-data/", "/computeMetadata/", "/metadata/identity/")
"""Where machines of a cloud ask who they are, wherever that is."""

REDACTED = "REDACTED"
"""What obstore tells in place of the address at which a role's credentials are asked for."""

FINAL_STATUS = (501, 505, 507)


class SdkError(Exception):
    """What boto3 says of a request that failed.

    Args:
        code: As S3 gives it; '' where no answer came.
        status: Of HTTP; 0 likewise.
    """

    def __init__(self, text: str, code: str = "", status: int = 0):
        super().__init__(text)
        self.code, self.status = code, status


@dataclass(frozen=True)
class Fault:
    """Why a request failed.

    Attributes:
        reason: What it means and what to do.
        passes: Whether it is worth while to try again.
        answered: Whether it was an answer of the store.
        no_object: Whether it says that there is no such object, in a bucket that is there.
        no_path: Whether it was an answer that obstore cannot read: it lists an object whose name is no path.
        hint: What else it may be, where the server never answered before.
    """

    reason: str
    passes: bool = False
    answered: bool = True
    no_object: bool = False
    no_path: bool = False
    hint: str = ""

    @property
    def no_bucket(self) -> bool:
        """Whether it says that there is no such bucket."""
        return self.reason == NO_BUCKET


def fault_of(error: Exception) -> Fault:
    """What an error of obstore means. It has no more than its text, in which the answer is told in full."""
    text, _, debug = str(error).partition("\n\nDebug source:")
    if isinstance(error, SdkError):
        code, status = error.code or None, error.status
        if not status:
            return Fault(f"{_shortened(text)}: run the same command again later", True, answered=False)
    else:
        code = _first(r"<Code>(\w+)</Code>", text)
        status = int(_first(r"status code: (\d{3})", text) or 0)
    url = urlsplit(_first(r"performing [A-Z]+ (\S+) in", text) or "")
    if url.hostname in IDENTITY_HOSTS or url.path.startswith(IDENTITY_PATHS):
        store = _first(r"Generic (\w+) error", text) or "S3"
        return Fault(f"no credentials were found: {LOGIN.get(store, LOGIN['S3'])}", True, answered=False)
    if code in FOR_GOOD:
        return Fault(FOR_GOOD[code] + _region(code, text))
    if code in PASSING:
        return Fault(PASSING[code], True)
    if isinstance(error, FileNotFoundError):
        return Fault("there is no such object", no_object=True)
    if status or "redirect without LOCATION" in text:
        return _by_status(status, text)
    if "object with invalid path" in text:
        name = _first(r'Path "([^"]*)"', text) or ""
        return Fault(f"an object of a name that is no path is in the way, {name}: delete it", no_path=True)
    if url.path == REDACTED:
        return Fault("no credentials were given for the role in AWS_ROLE_ARN: check it", True, answered=False)
    return _unanswered(url.hostname or "the server", url.scheme, text, debug)


def _by_status(status: int, text: str) -> Fault:
    if status in (401, 403):
        return Fault(REFUSED)
    if status in (0, 301, 302, 307, 308):
        return Fault(REGION)
    if status == 429 or status == 503:
        return Fault(BUSY, True)
    if status == 400 and "HTTPS" in text:
        return Fault("the server speaks https, not http: leave scheme=http out of --store")
    if status == 408 or (status >= 500 and status not in FINAL_STATUS):
        return Fault(FAILED, True)
    return Fault(_shortened(text))


def _unanswered(host: str, scheme: str, text: str, debug: str) -> Fault:
    again = "run the same command again once it can"
    if "InvalidContentType" in debug or "InvalidMessage" in debug:
        return Fault(
            f"{host} speaks http, not https: put scheme=http into --store, behind ? or &", answered=False
        )
    if "InvalidCertificate" in debug or "UnknownIssuer" in debug:
        return Fault(
            f"the certificate of {host} is not trusted here: name its issuer's file in SSL_CERT_FILE",
            answered=False,
        )
    if "dns error" in debug:
        return Fault(
            f"the name {host} is not known to the network: check it, or {again}", True, answered=False
        )
    if "kind: Timeout," in debug or "TimedOut" in debug:
        return Fault(f"{host} did not answer in time: {again}", True, answered=False)
    if "kind: Connect," in debug:
        return Fault(f"{host} cannot be reached: check its name and port, or {again}", True, answered=False)
    if "HttpError" in debug or "reqwest" in debug or "hyper" in debug:
        hint = "; if it speaks https, leave scheme=http out of --store" if scheme == "http" else ""
        return Fault(f"{host} broke off every attempt: {again}", True, answered=False, hint=hint)
    return Fault(_shortened(text), answered=False)


def _region(code: str | None, text: str) -> str:
    told = _first(r"<Region>([a-z0-9-]+)</Region>", text)
    return f" (it is {told})" if told and FOR_GOOD[code or ""] == REGION else ""


def _shortened(text: str) -> str:
    message = _first(r"<Message>([^<]+)</Message>", text)
    return message or (text.strip() or "no reason was given").splitlines()[0]


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[1] if found else None
