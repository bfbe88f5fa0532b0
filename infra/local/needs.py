"""Which permissions a cloud call needs: actions as IAM names them, and the resources it names."""

from __future__ import annotations

import base64
import re
from email import message_from_bytes, policy
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

from .iam import Context, Need
from .names import ACCOUNT, REGION, arn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .wire import Call

_S3 = {
    "HeadObject": "GetObject",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "HeadBucket": "ListBucket",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "PostObject": "PutObject",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "ListBuckets": "ListAllMyBuckets",
}
_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}


def needs(call: Call) -> list[Need]:
    """All must be allowed for the call to go on; an empty list is a call that anybody may make."""
    if call.service == "sts" and call.action == "GetCallerIdentity":
        return []
    reader = {"dynamodb": _dynamodb, "s3": _s3, "sqs": _sqs, "kms": _kms, "ssm": _ssm}.get(
        call.service
    )
    if call.service in {"ses", "sesv2"}:
        return list(_ses(call))
    if reader:
        return list(reader(call))
    return [Need(f"{call.service}:{call.action}", "*", {})]


def _dynamodb(call: Call) -> Iterator[Need]:
    body = call.parameters
    if "TransactItems" in body:
        for entry in body["TransactItems"]:
            kind, item = next(iter(entry.items()))
            yield _table_need(_TRANSACTION[kind], item)
    elif "RequestItems" in body:
        for table, wanted in body["RequestItems"].items():
            keys = _batch_keys(wanted)
            yield Need(f"dynamodb:{call.action}", _table(table), _leading(table, keys))
    else:
        yield _table_need(call.action, body)


def _batch_keys(wanted: Any) -> list[dict[str, Any]]:
    if isinstance(wanted, dict):
        return list(wanted["Keys"])
    requests = [next(iter(request.values())) for request in wanted]
    return [request.get("Item") or request.get("Key") for request in requests]


def _table_need(action: str, item: dict[str, Any]) -> Need:
    resource = _table(item["TableName"]) if "TableName" in item else "*"
    if "IndexName" in item:
        resource += f"/index/{item['IndexName']}"
    keys = [item.get("Item") or item["Key"]] if "Item" in item or "Key" in item else []
    context = _queried(item) if "KeyConditionExpression" in item else _leading(item, keys)
    told = _told(item) if action == "GetItem" else {}
    return Need(f"dynamodb:{action}", resource, {**context, **told})


def _told(item: dict[str, Any]) -> Context:
    """What a GetItem asks to be told, as AWS says it: the key's names count among the attributes.

    Without a projection it is every attribute, whichever those are.
    """
    names = item.get("ExpressionAttributeNames", {})
    paths = [path.strip() for path in item.get("ProjectionExpression", "").split(",") if path]
    tops = [re.split(r"[.\[]", path)[0] for path in paths]
    wanted = {*(names.get(top, top) for top in tops), *item.get("AttributesToGet", ())}
    return {
        "dynamodb:Attributes": sorted({*item.get("Key", ()), *wanted}),
        "dynamodb:Select": ["SPECIFIC_ATTRIBUTES" if wanted else "ALL_ATTRIBUTES"],
    }


def _table(name: str) -> str:
    return name if name.startswith("arn:") else arn("dynamodb", f"table/{name}")


def _hash_key(name: str, index: str | None = None) -> str | None:
    from moto.dynamodb.models import dynamodb_backends

    table = dynamodb_backends[ACCOUNT][REGION].tables.get(name.rsplit("/", 1)[-1])
    if table is None:
        return None
    found = next((entry for entry in table.all_indexes() if entry.name == index), None)
    schema = found.schema if found else table.schema
    return next(str(key["AttributeName"]) for key in schema if key["KeyType"] == "HASH")


def _leading(table: Any, keys: list[dict[str, Any]]) -> Context:
    name = _hash_key(table if isinstance(table, str) else table.get("TableName", ""))
    values = [str(next(iter(key[name].values()))) for key in keys if name in key]
    return {"dynamodb:LeadingKeys": values} if values else {}


def _queried(query: dict[str, Any]) -> Context:
    """The partition a Query names: its condition reads `<name> = :value`, or `#n = :value`."""
    wanted = _hash_key(query["TableName"], query.get("IndexName"))
    names = query.get("ExpressionAttributeNames", {})
    for name, value in re.findall(r"(#?[\w.]+)\s*=\s*(:\w+)", query["KeyConditionExpression"]):
        if names.get(name, name) == wanted:
            found = query.get("ExpressionAttributeValues", {}).get(value, {"S": ""})
            return {"dynamodb:LeadingKeys": [str(next(iter(found.values())))]}
    return {}


def _s3(call: Call) -> Iterator[Need]:
    bucket, key = call.parameters.get("Bucket"), call.parameters.get("Key")
    action = f"s3:{_S3.get(call.action, call.action)}"
    if bucket is None:
        yield Need(action, "*", {})
        return
    if action in {"s3:GetObject", "s3:DeleteObject"} and "versionId" in call.parameters:
        action += "Version"
    context: Context = {}
    if action in {"s3:ListBucket", "s3:ListBucketVersions"}:
        context = {"s3:prefix": [call.parameters.get("prefix", "")]}
    elif none_match := call.headers.get("if-none-match"):
        context = {"s3:if-none-match": [none_match]}
    whole = call.action in {"DeleteObjects", "PostObject"}
    path = f"/{key}" if key is not None else "/*" if whole else ""
    yield Need(action, f"arn:aws:s3:::{bucket}{path}", context)
    source = call.headers.get("x-amz-copy-source")
    if call.action == "CopyObject" and source:
        yield Need("s3:GetObject", f"arn:aws:s3:::{source.lstrip('/')}", {})


def _sqs(call: Call) -> Iterator[Need]:
    url = call.parameters.get("QueueUrl") or call.parameters.get("QueueName") or "*"
    name = url.rsplit("/", 1)[-1]
    yield Need(f"sqs:{call.action.removesuffix('Batch')}", arn("sqs", name), {})


def _kms(call: Call) -> Iterator[Need]:
    body = call.parameters
    given = body.get("EncryptionContext") or {}
    context: dict[str, list[str]] = {f"kms:EncryptionContext:{k}": [v] for k, v in given.items()}
    if given:
        context["kms:EncryptionContextKeys"] = list(given)
    key = body.get("KeyId") or _sealing_key(body.get("CiphertextBlob", ""))
    yield Need(f"kms:{call.action}", key_arn(key), context)


def _sealing_key(blob: str) -> str:
    """moto's ciphertext begins with the key's id, so Decrypt need not name it."""
    return base64.b64decode(blob)[:36].decode("ascii", "replace") if blob else "*"


def key_arn(key: str) -> str:
    from moto.kms.models import kms_backends

    name = key.split(":", 5)[-1]
    if name.startswith("alias/"):
        name = kms_backends[ACCOUNT][REGION].get_key_id_from_alias(name) or name
    return arn("kms", name if name.startswith(("key/", "alias/")) else f"key/{name}")


def _ssm(call: Call) -> Iterator[Need]:
    body = call.parameters
    names = body.get("Names") or [body.get("Name") or body.get("Path") or "*"]
    for name in names:
        resource = name if name.startswith("arn:") else arn("ssm", f"parameter/{name.lstrip('/')}")
        yield Need(f"ssm:{call.action}", resource, {})


def _ses(call: Call) -> Iterator[Need]:
    sender = _sender(call)
    action = f"ses:{call.action}"
    if not call.action.startswith("Send"):
        yield Need(action, "*", {})
        return
    context = {"ses:FromAddress": [sender]}
    identity = arn("ses", f"identity/{sender.rpartition('@')[2]}")
    yield Need(action, identity, context, "ses:SendRawEmail")
    configuration = call.parameters.get("ConfigurationSetName")
    if configuration:
        yield Need(
            action, arn("ses", f"configuration-set/{configuration}"), context, "ses:SendRawEmail"
        )


def _sender(call: Call) -> str:
    body = call.parameters
    given = body.get("FromEmailAddress") or body.get("Source")
    raw = body.get("RawMessage.Data") or body.get("Content", {}).get("Raw", {}).get("Data")
    if not given and raw:
        message = message_from_bytes(base64.b64decode(raw), policy=policy.default)
        given = str(message["From"] or "")
    return parseaddr(given or "")[1]
