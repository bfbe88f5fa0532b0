"""The only code that speaks to S3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 256 * 1024
TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the bucket lists it; `arrived_at` is when it was written."""

    key: str
    etag: str
    arrived_at: int


@dataclass(frozen=True, slots=True)
class Version:
    """One of all that was ever put under a name; a marker was put by a deletion, over the rest."""

    key: str
    id: str
    arrived_at: int
    is_marker: bool


class Bucket:
    """One bucket by name."""

    def __init__(self, client: Any, name: str) -> None:
        self.client, self.name = client, name

    def presign_get(self, key: str, *, seconds: int, filename: str) -> str:
        """A link to one object that dies after `seconds` and downloads under `filename`."""
        link: str = self.client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.name,
                "Key": key,
                "ResponseContentDisposition": f'attachment; filename="{filename}"',
            },
            ExpiresIn=seconds,
        )
        return link

    def read(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def find(self, key: str) -> bytes | None:
        """The bytes; None where there is no object, which takes the right to list the bucket."""
        try:
            return self.read(key)
        except self.client.exceptions.NoSuchKey:
            return None

    def listed(self, prefix: str = "") -> Iterator[Stored]:
        """Every object below a prefix by key, page after page as they are consumed."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        for page in pages:
            for found in page.get("Contents", ()):
                arrived_at = round(found["LastModified"].timestamp() * 1000)
                yield Stored(found["Key"], found["ETag"], arrived_at)

    def versions(self, prefix: str = "") -> Iterator[Version]:
        """All that was ever put below a prefix, and every marker; of one name the newest first."""
        pages = self.client.get_paginator("list_object_versions").paginate(
            Bucket=self.name, Prefix=prefix
        )
        for page in pages:
            for name in ("Versions", "DeleteMarkers"):
                for found in page.get(name, ()):
                    arrived_at = round(found["LastModified"].timestamp() * 1000)
                    marker = name == "DeleteMarkers"
                    yield Version(found["Key"], found["VersionId"], arrived_at, marker)

    def read_version(self, version: Version) -> bytes:
        """These very bytes, whatever lies over them."""
        found = self.client.get_object(Bucket=self.name, Key=version.key, VersionId=version.id)
        data: bytes = found["Body"].read()
        return data

    def stream(self, stored: Stored) -> Iterator[bytes] | None:
        """These very bytes, piece by piece; None where the object is gone or another by now."""
        try:
            answer = self.client.get_object(Bucket=self.name, Key=stored.key, IfMatch=stored.etag)
        except self.client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in {"NoSuchKey", "PreconditionFailed"}:
                raise
            return None
        pieces: Iterator[bytes] = answer["Body"].iter_chunks(CHUNK)
        return pieces

    def delete(self, key: str) -> None:
        """Again is harmless."""
        self.client.delete_object(Bucket=self.name, Key=key)

    def create(self, key: str, data: bytes, *, content_type: str) -> bool:
        """False where there is an object of this name, or one is being put at this moment."""
        try:
            self.client.put_object(
                Bucket=self.name, Key=key, Body=data, ContentType=content_type, IfNoneMatch="*"
            )
        except self.client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in TAKEN:
                raise
            return False
        return True

    def write(self, key: str, data: bytes, *, content_type: str) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data, ContentType=content_type)
