"""HTTP to one server: bounded in time and size, no redirects, every failure is one of ours."""

from __future__ import annotations

import json
import re
import socket
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from cetrus.errors import CetrusError, Problem, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION = "0.2.0"
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
MAX_ANSWER = 1_000_000
TOTAL_SECONDS = 30.0
TIMEOUT = httpx.Timeout(10.0, connect=5.0)
OK, REDIRECT, CLIENT_ERROR, TOO_MANY, SERVER_ERROR = 200, 300, 400, 429, 500
# RuntimeError and ValueError: httpx's own, for a closed client and an answer it cannot decode.
TROUBLE = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    OSError,
    RuntimeError,
    ValueError,
)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def is_local(url: str) -> bool:
    return urlsplit(url).hostname in LOCAL_HOSTS


def check_base_url(url: str) -> str:
    """The base URL without a trailing slash; plain HTTP only for this machine itself."""
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_local(url))
    if not secure or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise CetrusError(
            f"{plain(url)} is not an address that this program may speak to.",
            hint="Use an https:// address; http:// is for localhost alone.",
        )
    return url.rstrip("/")


def plain(text: Any, limit: int = 500) -> str:
    """Text of others, safe to print: one line, no control characters, of bounded length."""
    return CONTROL.sub(" ", str(text))[:limit].strip()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any] | None
    retry_after: float | None
    date: float | None
    location: str | None = None
    server: str = ""


class Wire:
    """Calls below one base URL. Thread-safe, as httpx.Client is."""

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.base_url = check_base_url(base_url)
        self._http = httpx.Client(
            transport=transport,
            timeout=TIMEOUT,
            follow_redirects=False,
            # A proxy named in the environment cannot reach this machine's own ports.
            trust_env=not is_local(base_url),
            headers={"Accept": "application/json", "User-Agent": f"cetrus-python/{VERSION}"},
        )

    def close(self) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json_body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; Unreachable where no whole answer came in time."""
        try:
            with self._http.stream(
                method, url, headers=dict(headers or {}), json=json_body, data=form
            ) as response:
                return _read(response)
        except TROUBLE as error:
            raise _unreachable(self.base_url, error) from error


def _unreachable(server: str, error: BaseException) -> Unreachable:
    """Says what is wrong as far as it can be told; may name the server, never what was sent."""
    causes = list(_causes(error))
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Unreachable(
            f"{server} has no certificate that this computer trusts.",
            hint="Check the address, and the date of this computer: certificates hang on it.",
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Unreachable(
            f"{server} cannot be found.",
            hint="Check the network connection, and the address in --server or CETRUS_SERVER.",
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Unreachable(
            f"Nothing answers at {server}.",
            hint="Check the address in --server or CETRUS_SERVER, or try again in a minute.",
        )
    if isinstance(error, httpx.TimeoutException):
        return Unreachable(f"{server} did not answer in time.")
    return Unreachable(f"{server} gave no usable answer.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _read(response: httpx.Response) -> Answer:
    deadline = time.monotonic() + TOTAL_SECONDS
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > MAX_ANSWER or time.monotonic() > deadline:
            raise Unreachable("The answer is longer or slower than an answer of Cetrus can be.")
    return Answer(
        response.status_code,
        _object(bytes(data)),
        _seconds(response.headers.get("Retry-After")),
        _epoch(response.headers.get("Date")),
        response.headers.get("Location"),
        f"{response.url.scheme}://{response.url.netloc.decode()}",
    )


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _epoch(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds, from either of its two forms."""
    if not text:
        return None
    if text.strip().isdecimal() and text.isascii():
        return float(text.strip()[:9])
    moment = _epoch(text)
    return None if moment is None else max(0.0, moment - time.time())


def expect_ok(answer: Answer) -> dict[str, Any]:
    """The body of a 200; else Problem for the caller's fault, Unreachable for all the rest."""
    if answer.status == OK and answer.body is not None:
        return answer.body
    if answer.status == TOO_MANY:
        wait = answer.retry_after or 0
        raise Unreachable(
            f"Cetrus asks to wait {wait:.0f} seconds before the next call.",
            hint="Wait, then try again.",
            retry_after=answer.retry_after,
        )
    if CLIENT_ERROR <= answer.status < SERVER_ERROR and answer.body is not None:
        body = answer.body
        detail = plain(body.get("detail") or body.get("title") or "The request was rejected.")
        raise Problem(answer.status, plain(body.get("code") or ""), detail)
    if answer.status >= SERVER_ERROR:
        raise Unreachable(
            f"Cetrus cannot answer at the moment (status {answer.status}).",
            hint="Try again in a minute.",
            retry_after=answer.retry_after,
        )
    raise Unreachable(
        f"What answers at {answer.server} is not Cetrus (status {answer.status}).",
        hint=(
            "Check the address in --server or CETRUS_SERVER. A network that asks to sign in does "
            "this too: open a web page, then try again."
        ),
    )
