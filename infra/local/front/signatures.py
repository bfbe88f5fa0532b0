"""Judges presigned S3 links and POST policies as S3 does: AWS Signature Version 4, in the query.

Errors (all Refused, answered as S3's XML): missing or malformed parameters 400; unknown key, no
session token, wrong signature, not yet or no longer valid 403; a wrong session token 400.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

Keys = Callable[[str], tuple[str, str | None] | None]
"""Secret and session token (None for a lasting key) of an access key, or None if unknown."""

ALGORITHM = "AWS4-HMAC-SHA256"
LONGEST = 604_800
"""Seconds that a link may live."""
EARLY = timedelta(minutes=15)
"""How far in the future a link's date may lie."""
REQUIRED = frozenset(
    f"X-Amz-{name}"
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
)


class Refused(Exception):
    """What S3 answers instead of serving: its code, sentence and status."""

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass(frozen=True, slots=True)
class Link:
    """The signed parts of a presigned request."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    def parameter(self, name: str) -> str:
        return dict(self.query).get(name, "")


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a browser's upload that stand before its file, names lowered, and its size."""

    fields: Mapping[str, str]
    size: int


@dataclass(frozen=True, slots=True)
class _Signer:
    secret: str
    scope: tuple[str, ...]

    def sign(self, text: str) -> str:
        key = b"AWS4" + self.secret.encode()
        for part in (*self.scope, text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key.hex()


def check_link(
    method: str, target: str, headers: Mapping[str, str], keys: Keys, now: datetime
) -> None:
    """Raise Refused unless the signature of a presigned request holds now."""
    path, _, query = target.partition("?")
    lower = {name.lower(): value for name, value in headers.items()}
    link = Link(method, path, tuple(parse_qsl(query, keep_blank_values=True)), lower)
    _check_shape(link)
    signer = _signer(link.parameter("X-Amz-Credential"), _token(link), keys)
    _check_time(link, signer, now)
    _check_signed_headers(link)
    if not _same(signer.sign(_text(link, signer)), link.parameter("X-Amz-Signature")):
        raise _mismatch()


def check_form(bucket: str, form: Form, keys: Keys, now: datetime) -> None:
    """Raise Refused unless a form's policy is signed, unexpired, and allows its fields and size."""
    if "policy" not in form.fields:
        raise Refused("AccessDenied", "Access Denied")
    token = form.fields.get("x-amz-security-token")
    signer = _signer(form.fields.get("x-amz-credential", ""), token, keys)
    signature = form.fields.get("x-amz-signature", "")
    if not _same(signer.sign(form.fields["policy"]), signature):
        raise _mismatch()
    policy = _policy(form.fields["policy"])
    if now >= datetime.fromisoformat(policy["expiration"]):
        raise Refused("AccessDenied", "Invalid according to Policy: Policy expired.")
    _check_conditions(policy["conditions"], bucket, form)


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogateescape"))


def _mismatch() -> Refused:
    return Refused(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
    )


def _malformed(what: str) -> Refused:
    return Refused("AuthorizationQueryParametersError", what, 400)


def _check_shape(link: Link) -> None:
    names = [name for name, _ in link.query]
    if len(set(names)) != len(names):
        raise Refused("InvalidArgument", "A query parameter stands twice", 400)
    if REQUIRED - set(names) or link.parameter("X-Amz-Algorithm") != ALGORITHM:
        six = "Query-string authentication version 4 requires the X-Amz-Algorithm, "
        raise _malformed(
            six + "Credential, Signature, Date, SignedHeaders, and Expires parameters."
        )
    if not re.fullmatch(r"[0-9]{1,7}", link.parameter("X-Amz-Expires")):
        raise _malformed("X-Amz-Expires should be a number")
    if not 1 <= int(link.parameter("X-Amz-Expires")) <= LONGEST:
        raise _malformed("X-Amz-Expires must be between 1 and 604800 seconds")


def _token(link: Link) -> str | None:
    return link.parameter("X-Amz-Security-Token") or link.headers.get("x-amz-security-token")


def _signer(credential: str, token: str | None, keys: Keys) -> _Signer:
    """Find whose key signed; a temporary key counts only together with its session token."""
    access_key, *scope = credential.rsplit("/", 4)
    if len(scope) != 4 or scope[2:] != ["s3", "aws4_request"]:
        raise _malformed("Error parsing the X-Amz-Credential parameter")
    known = keys(access_key)
    if known is None or (known[1] is not None and not token):
        unknown = "The AWS Access Key Id you provided does not exist in our records."
        raise Refused("InvalidAccessKeyId", unknown)
    if token and not _same(known[1] or "", token):
        invalid = "The provided token is malformed or otherwise invalid."
        raise Refused("InvalidToken", invalid, 400)
    return _Signer(known[0], tuple(scope))


def _check_time(link: Link, signer: _Signer, now: datetime) -> None:
    date = link.parameter("X-Amz-Date")
    try:
        begins = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _malformed("X-Amz-Date must be in the ISO8601 Long Format") from None
    if signer.scope[0] != date[:8]:
        raise _malformed("Invalid credential date")
    if now < begins - EARLY:
        raise Refused("AccessDenied", "Request is not yet valid")
    if now >= begins + timedelta(seconds=int(link.parameter("X-Amz-Expires"))):
        raise Refused("AccessDenied", "Request has expired")


def _check_signed_headers(link: Link) -> None:
    signed = link.parameter("X-Amz-SignedHeaders").split(";")
    unsigned = [n for n in link.headers if n.startswith("x-amz-") and n not in signed]
    if "host" not in signed or unsigned:
        unsaid = "There were headers present in the request which were not signed"
        raise Refused("AccessDenied", unsaid)


def _text(link: Link, signer: _Signer) -> str:
    """Build the string to sign of a presigned request."""
    names = link.parameter("X-Amz-SignedHeaders")
    payload = link.headers.get("x-amz-content-sha256") or "UNSIGNED-PAYLOAD"
    canonical = "\n".join(
        [
            link.method,
            quote(unquote(link.path), safe="/-_.~"),
            _canonical_query(link),
            *(f"{n}:{' '.join(link.headers.get(n, '').split())}" for n in names.split(";")),
            "",
            names,
            link.parameter("X-Amz-Content-Sha256") or payload,
        ]
    )
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return "\n".join([ALGORITHM, link.parameter("X-Amz-Date"), "/".join(signer.scope), digest])


def _canonical_query(link: Link) -> str:
    encoded = [
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in link.query
        if name != "X-Amz-Signature"
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _policy(text: str) -> dict[str, Any]:
    """Decode a signed policy; one that was signed and is still malformed is the signer's fault."""
    try:
        policy = json.loads(base64.b64decode(text, validate=True))
        if isinstance(policy["expiration"], str) and isinstance(policy["conditions"], list):
            return dict(policy)
    except (binascii.Error, ValueError, KeyError, TypeError):
        pass  # said below, in one place
    raise Refused("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.", 400)


def _check_conditions(conditions: list[Any], bucket: str, form: Form) -> None:
    named = {"policy", "x-amz-signature", "file"}
    for condition in conditions:
        if isinstance(condition, list) and condition[0] == "content-length-range":
            _check_size(form.size, int(condition[1]), int(condition[2]))
        else:
            named.add(_check_field(condition, {**form.fields, "bucket": bucket}))
    extra = [f for f in form.fields if f not in named and not f.startswith("x-ignore-")]
    if extra:
        fields = ", ".join(extra)
        raise Refused("AccessDenied", f"Invalid according to Policy: Extra input fields: {fields}")


def _check_size(size: int, least: int, most: int) -> None:
    if size > most:
        raise Refused(
            "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400
        )
    if size < least:
        small = "Your proposed upload is smaller than the minimum allowed size"
        raise Refused("EntityTooSmall", small, 400)


def _check_field(condition: Any, fields: Mapping[str, str]) -> str:
    """Check `{"field": value}`, `["eq" | "starts-with", "$field", value]`; return the field."""
    operator, field, wanted = (
        ("eq", *next(iter(condition.items()))) if isinstance(condition, dict) else condition
    )
    field = field.lstrip("$").lower()
    value = fields.get(field, "")
    if not (value == wanted if operator == "eq" else value.startswith(wanted)):
        failed = json.dumps(condition)
        raise Refused(
            "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {failed}"
        )
    return str(field)
