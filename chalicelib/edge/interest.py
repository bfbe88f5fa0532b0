"""The interest cookie: read and written here alone, by code that is never told who is signed in.

A view that knows its caller neither sees the cookie nor sets it: it names what its page is about,
and the word is put into the browser's cookie when the answer leaves, unless the browser says no.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.core.interests import INTERESTS, OFF, OTHER
from chalicelib.edge.cookies import INTEREST
from chalicelib.edge.request import opts_out, read_cookies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalice.app import Response

ABOUT = "Cetrus-About"


def about(answer: Response, interest: str) -> Response:
    """The answer, which says what its page is about."""
    answer.headers[ABOUT] = interest
    return answer


def interest_of(headers: Mapping[str, str], cookies: Mapping[str, str]) -> str:
    """What this browser last looked at, or `off`; "" where it is not known, or not to be used."""
    held = cookies.get(INTEREST.name, "")
    return held if held in {*INTERESTS, OFF} and not opts_out(headers) else ""


def remember(answer: dict[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """The proxy answer without the word, and with the cookie where the browser may have it."""
    told = answer.get("headers") or {}
    if ABOUT not in told:
        return answer
    interest = told[ABOUT]
    answer = {**answer, "headers": {n: v for n, v in told.items() if n != ABOUT}}
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    held = read_cookies(headers.get("cookie", "")).get(INTEREST.name)
    if opts_out(headers) or held == OFF or interest not in INTERESTS or interest == OTHER:
        return answer
    several = dict(answer.get("multiValueHeaders") or {})
    several["Set-Cookie"] = [*several.get("Set-Cookie", []), INTEREST.holding(interest)]
    return {**answer, "multiValueHeaders": several}
