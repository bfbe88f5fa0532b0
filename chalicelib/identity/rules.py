"""Signing a computer in (RFC 8628): codes, lifetimes, and what OAuth calls what went wrong."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from chalicelib.core.clock import DAY, MINUTE, SECOND
from chalicelib.core.errors import NotFound, TooMany, Unauthorized

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH_GRANT = "refresh_token"
CODE_LIFE = 10 * MINUTE
ACCESS_LIFE = 10 * MINUTE
# Longer than the resume grace of any plan, so that a launch that slept can be resumed.
REFRESH_LIFE = 30 * DAY
INTERVAL_S = 5
SLOWER_S = 5
ATTEMPTS, ATTEMPT_WINDOW = 20, 10 * MINUTE
MOST_LICENSES = 20
# RFC 8628, 6.1: no vowels, so no words, and nothing that reads as something else.
CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
CODE_LENGTH = 8
SEPARATORS = re.compile(r"[\s\u2010-\u2015-]")  # every dash that a keyboard may make
CODE = re.compile(rf"[{CODE_LETTERS}]{{{CODE_LENGTH}}}")
PENDING, APPROVED, DENIED, USED = "pending", "approved", "denied", "used"
LIVE, DEAD = "live", "dead"
CURRENT = "current"


class TokenInvalid(Unauthorized):
    code = "token_invalid"
    title = "The access token is not valid"
    detail = "The access token is not one of this service, or its sign-in has ended."

    def __init__(self) -> None:
        super().__init__()
        self.headers["WWW-Authenticate"] = 'DPoP error="invalid_token"'


class TokenExpired(TokenInvalid):
    code = "token_expired"
    title = "The access token has expired"
    detail = "Refresh the access token and send the call again."


class NoSuchCode(NotFound):
    code = "no_such_code"
    title = "This code is not known"
    detail = "This code is mistyped, was used before, or is older than ten minutes."


class TooManyCodes(TooMany):
    code = "too_many_codes"
    detail = "There were too many codes for now. Wait a few minutes, then try again."


class Refusal(Exception):
    """An error of the device flow, by the names of RFC 6749, RFC 8628 and RFC 9449."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        self.error, self.description, self.status = error, description, status
        super().__init__(error)


@dataclass(frozen=True, slots=True)
class Device:
    """A computer that waits for a person's word."""

    hash: str
    application: str
    application_name: str
    state: str
    interval_s: int
    expires_at: int
    computer: str | None = None
    polled_at: int | None = None
    account: str | None = None
    epoch: int | None = None

    def open(self, now: int) -> bool:
        return self.state == PENDING and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Family:
    """One sign-in of one computer: the chain of its refresh tokens."""

    id: str
    account: str
    application: str
    computer: str
    epoch: int
    state: str
    ends_at: int


@dataclass(frozen=True, slots=True)
class Tokens:
    access: str = field(repr=False)
    refresh: str = field(repr=False)


def new_user_code() -> str:
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))


def shown_code(code: str) -> str:
    return f"{code[:4]}-{code[4:]}"


def typed_code(text: str) -> str | None:
    """What a person typed, with spaces, dashes and small letters allowed; None if it is none."""
    code = SEPARATORS.sub("", text).upper()
    return code if CODE.fullmatch(code) else None


def too_soon(device: Device, now: int) -> bool:
    return device.polled_at is not None and now - device.polled_at < device.interval_s * SECOND
