"""What the front door itself answers, when a request never reaches the app.

Browsers get a small page, programs an RFC 9457 problem; the `Accept` header decides. The page
has the site's frame and stands alone: it needs no stylesheet, and its links are whole, since no
prefix is known here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.edge.headers import PRIVATE, SECURITY_HEADERS

HEADERS = {
    **SECURITY_HEADERS,
    "Cache-Control": PRIVATE,
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "style-src 'unsafe-inline'; img-src data:"
    ),
}

RETRY_SECONDS = 5

PAGE = Path(__file__).with_name("gateway.html").read_text()


@dataclass(frozen=True, slots=True)
class Answer:
    """One kind of answer: the gateway's name for it, and what people and programs are told."""

    kind: str
    status: int
    code: str
    title: str
    detail: str
    retry: bool = False
    heading: str = ""  # what people read instead of title and detail
    words: str = ""

    def properties(self) -> dict[str, Any]:
        """The SAM form of this answer."""
        headers = HEADERS | ({"Retry-After": str(RETRY_SECONDS)} if self.retry else {})
        return {
            "StatusCode": self.status,
            "ResponseParameters": {
                "Headers": {name: quoted(value) for name, value in headers.items()}
            },
            "ResponseTemplates": {
                "application/problem+json": {"Fn::Sub": json.dumps(self.problem())},
                "text/html": {"Fn::Sub": self.page()},
            },
        }

    def page(self) -> str:
        heading, words = self.heading or self.title, self.words or self.detail
        return PAGE.replace("TITLE", heading).replace("DETAIL", words)

    def problem(self) -> dict[str, Any]:
        return {
            "type": f"${{BaseUrl}}/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }


def nothing_here(kind: str) -> Answer:
    return Answer(
        kind,
        404,
        "not_found",
        "There is nothing here",
        "No call has this address and method.",
        heading="There is no page at this address",
        words="The address may be mistyped, or the link may be old.",
    )


ANSWERS = (
    nothing_here("MISSING_AUTHENTICATION_TOKEN"),
    nothing_here("RESOURCE_NOT_FOUND"),
    Answer(
        "REQUEST_TOO_LARGE",
        413,
        "too_large",
        "That was too much at once",
        "A request may hold at most 10 MB. Nothing of it was kept.",
    ),
    Answer(
        "UNSUPPORTED_MEDIA_TYPE",
        415,
        "unsupported_media",
        "That kind of content is not taken",
        "The content type of this request is not one that this address takes.",
    ),
    Answer(
        "THROTTLED",
        429,
        "too_many_requests",
        "Too many requests",
        "More came than can be answered now. Please try again in a few seconds.",
        retry=True,
    ),
    Answer(
        "WAF_FILTERED",
        403,
        "forbidden",
        "This request was refused",
        "The network it came from sent too much, or the request looked like an attack.",
    ),
    Answer(
        "ACCESS_DENIED",
        403,
        "forbidden",
        "This request was refused",
        "It is not allowed from where it came.",
    ),
    Answer(
        "INTEGRATION_TIMEOUT",
        504,
        "unavailable",
        "That took too long",
        "There was no answer in time. What was asked may have been done: look before trying again.",
        retry=True,
    ),
    Answer(
        "DEFAULT_4XX",
        400,
        "malformed",
        "This request was not understood",
        "It could not be read. Nothing of it was kept.",
    ),
    Answer(
        "DEFAULT_5XX",
        502,
        "unavailable",
        "Something went wrong on our side",
        "It has been noted, and somebody is told. Please try again in a moment.",
        retry=True,
    ),
)


def quoted(value: str) -> str:
    """A fixed header value as the gateway wants it: the outer quotes mark it as text."""
    return f"'{value}'"


def responses() -> dict[str, dict[str, Any]]:
    """All gateway responses of the template, by the gateway's name for them."""
    return {answer.kind: answer.properties() for answer in ANSWERS}
