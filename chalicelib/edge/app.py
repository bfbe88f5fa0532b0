"""The one Chalice subclass: it never shows an address to a view, and finishes every answer."""

from __future__ import annotations

import copy
import json
from typing import Any

from chalice import Chalice

from chalicelib.core.errors import CetrusError, NotFound, UnsupportedMedia
from chalicelib.edge import hosts
from chalicelib.edge.errors import answer_error
from chalicelib.edge.headers import finish
from chalicelib.edge.interest import remember
from chalicelib.edge.request import read_request
from chalicelib.settings import settings

# What tells who or where a visitor is, or joins a visit to a request elsewhere (PS-31).
BLINDED = frozenset(
    {
        "x-forwarded-for",
        "x-real-ip",
        "forwarded",
        "via",
        "true-client-ip",
        "cf-connecting-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "user-agent",
        "referer",
        "x-amzn-trace-id",
        "x-amz-cf-id",
        "cloudfront-viewer-address",
        "cloudfront-viewer-asn",
        "cloudfront-viewer-country",
    }
)


def blind(event: dict[str, Any]) -> dict[str, Any]:
    """A copy of the event without anything that tells where a visitor is."""
    event = copy.deepcopy(event)
    event["requestContext"].pop("identity", None)
    for kind in ("headers", "multiValueHeaders"):
        headers = event.get(kind) or {}
        for name in [name for name in headers if name.lower() in BLINDED]:
            del headers[name]
    return event


def own_error(answer: dict[str, Any]) -> CetrusError | None:
    """Chalice's own refusals (405, 415, 400) as ours; None where the answer is a view's."""
    if answer["statusCode"] < 400:  # noqa: PLR2004 - the class of HTTP errors
        return None
    try:
        code = json.loads(answer["body"]).get("Code")
    except (ValueError, AttributeError):
        return None
    kinds: dict[str, type[CetrusError]] = {
        "UnsupportedMediaType": UnsupportedMedia,
        "MethodNotAllowedError": NotFound,
        "NotFoundError": NotFound,
    }
    return kinds.get(code, CetrusError)() if code else None


class Cetrus(Chalice):  # type: ignore[misc]  # Chalice publishes no types
    def functions(self) -> list[str]:
        """The names of all that runs beside the front door."""
        return [it.name for it in (*self.event_sources, *self.pure_lambda_functions)]

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        event = blind(event)
        if not hosts.is_ours(event):
            refused = answer_error(read_request(event, b""), hosts.Misdirected()).to_dict(())
            return finish(refused, settings().processor_origin)
        answer: dict[str, Any] = super().__call__(event, context)
        if error := own_error(answer):
            answer = answer_error(read_request(event, b""), error).to_dict(())
        answer = remember(answer, event)
        return finish(answer, settings().processor_origin)
