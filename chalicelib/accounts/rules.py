"""An account's states and limits, and the errors that people meet on the way in.

    unconfirmed --link and password--> active
    unconfirmed --reset by mail------> active

A *decoy* is an unconfirmed account that answers a registration of an address which has one
already: it is written, signs in and is refused just like any other, but its mail goes nowhere and
it can never be confirmed (G7).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthorized

LINK_LIFE = DAY
SESSION_LIFE = 30 * DAY
ATTEMPTS = 10
ATTEMPT_WINDOW = 15 * MINUTE
FORGOT_WINDOW = 5 * MINUTE
RESEND_WINDOW = HOUR
HOME = "/account"


class State(StrEnum):
    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"


class LinkKind(StrEnum):
    CONFIRM = "confirm"
    RESET = "reset"


class LoginTaken(InvalidInput):
    """Someone else signs in by this login name."""

    def __init__(self) -> None:
        super().__init__(errors={"login": "This login name is taken. Choose another."})


class WrongCredentials(Unauthorized):
    """Unknown name and wrong password look alike."""

    code = "wrong_credentials"
    title = "That did not match"
    detail = (
        "The login name or the password is not right. "
        "A new account signs in by its login name until its address is confirmed."
    )


class NotConfirmed(Forbidden):
    """The password was right; the mailed link was not used yet."""

    code = "not_confirmed"
    title = "Confirm your email address first"
    detail = "A link to confirm it is on its way to your address."


class LinkEnded(NotFound):
    """The link was used, has ended, or never was; all look alike."""

    code = "link_ended"
    title = "This link no longer works"
    detail = "It was used already, or it is older than 24 hours."


class AccountGone(Conflict):
    """The account is not in a state in which this can be done."""

    code = "account_state"
    title = "The account has changed"
    detail = "The account is not in a state in which this can be done. Sign in again."


@dataclass(frozen=True, slots=True)
class Account:
    """Instants in milliseconds; `epoch` rises with each sign-out everywhere."""

    id: str
    state: State
    subject: str
    email_claim: str = field(repr=False)
    login_claim: str = field(repr=False)
    password: str = field(repr=False)
    created_at: int
    epoch: int = 0
    confirmed_at: int | None = None
    decoy: bool = False

    @property
    def active(self) -> bool:
        return self.state is State.ACTIVE


@dataclass(frozen=True, slots=True)
class Session:
    account: str
    epoch: int
    created_at: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class Link:
    """A single-use mail link: `target` is an account to confirm, or the email claim to reset."""

    kind: LinkKind
    target: str
    ends_at: int
    used: bool = False

    def open(self, kind: LinkKind, now: int) -> bool:
        return self.kind is kind and not self.used and now < self.ends_at


def admits(session: Session, account: Account | None, now: int) -> bool:
    """Whether the session still stands for its account."""
    if account is None or not account.active:
        return False
    return now < session.ends_at and session.epoch == account.epoch


def window(now: int, length: int) -> tuple[int, int]:
    """The number of the window that `now` is in, and the milliseconds until it ends."""
    number, passed = divmod(now, length)
    return number, length - passed


def own_path(text: str) -> str:
    """`text` where it is a path of this site, else the account's page; never another site's."""
    try:
        parts = urlsplit(text) if text.isprintable() and "\\" not in text else None
    except ValueError:  # such as half an IPv6 address
        parts = None
    if (
        parts is None
        or not text.isascii()
        or parts.scheme
        or parts.netloc
        or not parts.path.startswith("/")
    ):
        return HOME
    return HOME if parts.path.startswith("//") or " " in text else text
