"""The only code that speaks to S3."""

from __future__ import annotations

from typing import Any


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

    def delete(self, key: str) -> None:
        """Again is harmless."""
        self.client.delete_object(Bucket=self.name, Key=key)

    def write(self, key: str, data: bytes, *, content_type: str) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data, ContentType=content_type)
