"""What the control surface shows of tables, buckets and queues."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from . import dynamo
from . import queues as waiting
from .items import attributes
from .keeper import jsonable
from .names import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .store import Store

Json = dict[str, Any]


def _named(template: Json, physical: Mapping[str, str], kind: str) -> Iterator[tuple[str, str]]:
    for logical, resource in template["Resources"].items():
        if resource["Type"] == kind and logical in physical:
            yield logical, physical[logical]


def dump(template: Json, physical: Mapping[str, str]) -> Json:
    """Every item of every table, ordered by key, and every object key."""
    with dynamo.lock:
        tables = {
            logical: {"name": name, "items": _items(name)}
            for logical, name in _named(template, physical, "AWS::DynamoDB::Table")
        }
    buckets = {
        logical: {"name": name, "keys": sorted(_bucket(name).keys)}
        for logical, name in _named(template, physical, "AWS::S3::Bucket")
    }
    return {"tables": tables, "buckets": buckets}


def _items(name: str) -> list[Any]:
    from moto.dynamodb.models import dynamodb_backends

    table = dynamodb_backends[ACCOUNT][REGION].tables[name]
    return [jsonable(attributes(item)) for item in table.all_items()]


def _bucket(name: str) -> Any:
    from moto.s3.models import s3_backends

    return s3_backends[ACCOUNT]["aws"].buckets[name]


def find_object(bucket: str, key: str) -> Any:
    """moto's object, or None."""
    from moto.s3.models import s3_backends

    backend = s3_backends[ACCOUNT]["aws"]
    return backend.get_object(bucket, key) if bucket in backend.buckets else None


def open_object(store: Store, bucket: str, key: str) -> tuple[Any, int] | None:
    """The object's kept file, open, and its length."""
    body = store.get("object", bucket, key)
    if body is None:
        return None
    opened = (store.files / body["file"]).open("rb")
    return opened, os.fstat(opened.fileno()).st_size


def queues(template: Json, physical: Mapping[str, str]) -> Json:
    found = waiting.contents()
    return {
        logical: {"name": name, "messages": found.get(name, [])}
        for logical, url in _named(template, physical, "AWS::SQS::Queue")
        for name in (url.rsplit("/", 1)[-1],)
    }
