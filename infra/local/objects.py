"""Keeps S3 objects on disk as they change, and brings them back."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .names import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .store import Store
    from .wire import Call

KIND = "object"
_ONE_KEY = {
    "PutObject",
    "CopyObject",
    "CompleteMultipartUpload",
    "DeleteObject",
    "PutObjectTagging",
    "DeleteObjectTagging",
}
_WHOLE_BUCKET = {"DeleteObjects", "PostObject"}
_CREATED = {
    "PutObject": "ObjectCreated:Put",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
    "PostObject": "ObjectCreated:Post",
}


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """An object was created or removed; `name` is S3's name of the event."""

    name: str
    bucket: str
    key: str
    size: int
    etag: str


class Objects:
    """Objects by (bucket, key); of several versions the newest alone survives a restart."""

    def __init__(self, store: Store) -> None:
        from moto.s3.models import s3_backends

        self._store = store
        self._backend = s3_backends[ACCOUNT]["aws"]
        self._kept: dict[tuple[str, str], Any] = {}
        self._lock = threading.RLock()

    def load(self) -> list[str]:
        """Bring back what was kept; the names of buckets that no longer exist."""
        missing = set()
        for bucket, key, body in self._store.all(KIND):
            if bucket in self._backend.buckets:
                self._restore(bucket, key, body)
            else:
                missing.add(bucket)
        return sorted(missing)

    def _restore(self, bucket: str, key: str, body: Any) -> None:
        data = (self._store.files / body["file"]).read_bytes()
        made = self._backend.put_object(
            bucket,
            key,
            data,
            storage=body["storage"],
            etag=body["etag"],
            encryption=body["encryption"],
            kms_key_id=body["kms_key_id"],
            checksum_value=body["checksum_value"],
            lock_mode=body.get("lock_mode"),
            lock_until=body.get("lock_until"),
            disable_notification=True,
        )
        made.checksum_algorithm = body["checksum_algorithm"]
        made.last_modified = dt.datetime.fromisoformat(body["last_modified"])
        made.set_metadata(dict(body["metadata"]), replace=True)
        self._backend.tagger.tag_resource(made.arn, body["tags"])
        self._kept[bucket, key] = body

    def keep(self, call: Call) -> list[ObjectEvent]:
        """Write what a call changed; what it created or removed."""
        bucket, key = call.parameters.get("Bucket", ""), call.parameters.get("Key")
        if call.action in _ONE_KEY and key is not None:
            names = [key]
        elif call.action in _WHOLE_BUCKET:
            names = self._names(bucket)
        else:
            return []
        with self._lock:
            return [event for name in names for event in self._keep(call.action, bucket, name)]

    def _names(self, bucket: str) -> list[str]:
        kept = {key for owner, key in self._kept if owner == bucket}
        return sorted(kept | set(self._backend.get_bucket(bucket).keys))

    def _keep(self, action: str, bucket: str, key: str) -> Iterator[ObjectEvent]:
        found = self._backend.get_object(bucket, key)
        before = self._kept.get((bucket, key))
        if found is None:
            if before:
                self._store.remove(KIND, bucket, key)
                self._drop(before)
                del self._kept[bucket, key]
                yield ObjectEvent("ObjectRemoved:Delete", bucket, key, 0, "")
            return
        body = self._described(found)
        if before and {**before, "file": ""} == {**body, "file": ""}:
            return
        body["file"] = self._write(bucket, key, found)
        self._store.put(KIND, bucket, key, body)
        self._kept[bucket, key] = body
        if before:
            self._drop(before)
        if action in _CREATED:
            yield ObjectEvent(_CREATED[action], bucket, key, found.size, body["etag"])

    def _described(self, found: Any) -> dict[str, Any]:
        tags = self._backend.tagger.get_tag_dict_for_resource(found.arn)
        return {
            "file": "",
            "storage": found.storage_class,
            "etag": found.etag.strip('"'),
            "version": found.version_id,
            "encryption": found.encryption,
            "kms_key_id": found.kms_key_id,
            "checksum_value": found.checksum_value,
            "checksum_algorithm": found.checksum_algorithm,
            "lock_mode": found.lock_mode,
            "lock_until": found.lock_until,
            "last_modified": found.last_modified.isoformat(),
            "metadata": dict(found.metadata),
            "tags": tags,
        }

    def _write(self, bucket: str, key: str, found: Any) -> str:
        """A new file for each state, so that a crash leaves the old state or the new one whole."""
        digest = hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest()[:24]
        name = f"{digest}-{secrets.token_hex(4)}"
        partial = self._store.files / f".{name}"
        partial.write_bytes(found.value)
        partial.replace(self._store.files / name)
        return name

    def _drop(self, body: Any) -> None:
        (self._store.files / body["file"]).unlink(missing_ok=True)
