"""Listings of a bucket in which a name is no path, such as `a//b` or `../x`.

obstore gives none of the objects of such a listing. So it is asked for through boto3 then, and those whose
names are no paths are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from results.store.faults import SdkError

if TYPE_CHECKING:
    import datetime

ATTEMPTS = 3


class Listed(TypedDict):
    """An object, as obstore would list it."""

    path: str
    size: int
    last_modified: datetime.datetime
    e_tag: str | None


class WholeListing:
    """Lists all of an S3 bucket.

    Args:
        bucket: Its name.
        region: Where it is; None for what the environment says.
        endpoint: Of a server that is not Amazon's; None for Amazon's.
        connect_seconds: How long to try to connect, in seconds.
        read_seconds: How long a server may send nothing, in seconds.
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
        """The objects below a prefix that have a path, and the names of those that have none.

        Args:
            prefix: Without a slash at its end; '' for the whole bucket.

        Raises:
            SdkError: The server refused it, or did not answer.
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
    """Whether obstore can ask for an object of this name."""
    parts = name.split("/")
    return not {"", ".", ".."} & set(parts) and not any(ord(char) < 32 or ord(char) == 127 for char in name)


def _listed(path: str, told: Any) -> Listed:
    return {
        "path": path,
        "size": told["Size"],
        "last_modified": told["LastModified"],
        "e_tag": told.get("ETag"),
    }
