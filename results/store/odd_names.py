"""Lists a bucket in which some name is not a valid path, such as `a//b` or `../x`.

obstore fails on such a listing as a whole. This module lists through boto3 instead, and skips those names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from results.store.faults import SdkError

if TYPE_CHECKING:
    import datetime

ATTEMPTS = 3


class Listed(TypedDict):
    """An object in the form of obstore's listings."""

    path: str
    size: int
    last_modified: datetime.datetime
    e_tag: str | None


class WholeListing:
    """Lists all of an S3 bucket.

    Args:
        bucket: Its name.
        region: Its region; None to take it from the environment.
        endpoint: Address of an S3 server other than Amazon's; None for Amazon's.
        connect_seconds: Timeout for the connection, in seconds.
        read_seconds: Timeout for silence of the server, in seconds.
    """

    def __init__(
        self,
        bucket: str,
        region: str | None,
        endpoint: str | None,
        connect_seconds: float,
        read_seconds: float,
    ):
        import boto3
        from botocore.config import Config

        self.bucket = bucket
        config = Config(
            connect_timeout=connect_seconds,
            read_timeout=read_seconds,
            retries={"mode": "standard", "max_attempts": ATTEMPTS},
            s3={"addressing_style": "path" if endpoint else "auto"},
        )
        self.client: Any = boto3.Session().client(
            "s3", region_name=region, endpoint_url=endpoint, config=config
        )

    def objects(self, prefix: str) -> tuple[list[Listed], list[str]]:
        """Returns the objects under a prefix, and the names there that are not valid paths.

        Args:
            prefix: Without a trailing slash; '' for the whole bucket.

        Raises:
            SdkError: The server refused the request, or did not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        found: list[Listed] = []
        odd: list[str] = []
        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{prefix}/" if prefix else ""
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    name = each["Key"].removesuffix("/")
                    if is_path(name):
                        found.append(_listed(name, each))
                    else:
                        odd.append(each["Key"])
        except ClientError as error:
            answer = error.response
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise SdkError(str(error), answer.get("Error", {}).get("Code", ""), status) from error
        except BotoCoreError as error:
            raise SdkError(str(error)) from error
        return found, odd


def is_path(name: str) -> bool:
    """Whether obstore can request an object of this name."""
    parts = name.split("/")
    return not {"", ".", ".."} & set(parts) and not any(ord(char) < 32 or ord(char) == 127 for char in name)


def _listed(path: str, entry: Any) -> Listed:
    return {
        "path": path,
        "size": entry["Size"],
        "last_modified": entry["LastModified"],
        "e_tag": entry.get("ETag"),
    }
