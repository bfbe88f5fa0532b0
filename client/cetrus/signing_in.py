"""Signing in on this computer: the OAuth device flow, approved in any browser."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cetrus.api import OAuthError
from cetrus.credentials import SignIn, from_tokens
from cetrus.errors import SignInDenied, SignInExpired, Unreachable
from cetrus.wire import check_base_url, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from cetrus.session import Session

SLOW_DOWN_S = 5.0
DEFAULT_INTERVAL_S = 5


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the person needs to approve this computer; the code lives `expires_in` seconds."""

    application: str
    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


def begin_sign_in(session: Session, application: str) -> DeviceCode:
    body = session.api.device_code(application)
    names = ("device_code", "user_code", "verification_uri")
    if any(not isinstance(body.get(name), str) for name in names):
        raise Unreachable("The answer to the sign-in cannot be read.")
    address = plain(body["verification_uri"])
    check_base_url(address.partition("?")[0])
    complete = body.get("verification_uri_complete")
    return DeviceCode(
        application,
        body["device_code"],
        plain(body["user_code"]),
        address,
        plain(complete) if isinstance(complete, str) else address,
        _seconds(body, "expires_in", 600),
        _seconds(body, "interval", DEFAULT_INTERVAL_S),
    )


def _seconds(body: dict[str, Any], name: str, default: int) -> int:
    value = body.get(name)
    return value if type(value) is int and value > 0 else default


def finish_sign_in(
    session: Session, code: DeviceCode, *, sleep: Callable[[float], Any] = time.sleep
) -> SignIn:
    """Waits for the approval and stores the sign-in; SignInDenied or SignInExpired otherwise."""
    interval = float(code.interval)
    deadline = session.clock.steady() + code.expires_in
    while session.clock.steady() < deadline:
        sleep(interval)
        try:
            body = session.api.device_token(code.application, code.device_code)
        except OAuthError as error:
            interval += _wait_more(error)
        except Unreachable as error:
            # RFC 8628: slow down on a connection that does not answer.
            interval = max(interval * 2, error.retry_after or 0.0)
        else:
            sign_in = from_tokens(code.application, body, session.clock.wall_ms())
            session.sign_ins.write(sign_in)
            return sign_in
    raise SignInExpired("The code was not approved in time.")


def _wait_more(error: OAuthError) -> float:
    if error.code == "authorization_pending":
        return 0.0
    if error.code == "slow_down":
        return SLOW_DOWN_S
    if error.code == "access_denied":
        raise SignInDenied("The sign-in was declined.") from error
    if error.code == "expired_token":
        raise SignInExpired("The code was not approved in time.") from error
    raise error
