"""An account's states and limits, and the errors that people meet on the way in.

    unconfirmed --link and password--> active
    unconfirmed --reset by mail------> active
    unconfirmed --two days later-----> ending --claims, sealed fields and keys gone--> no more
    active <--> deactivated            the keys are on hold meanwhile
    active or deactivated --erased---> ending --claims, keys and data gone--> a tombstone

A *decoy* is an unconfirmed account that answers a registration of an address which has one
already: it is written, signs in and is refused just like any other, but its mail goes nowhere and
it can never be confirmed (G7). It ends after two days like any other that nobody confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from chalicelib.core.clock import DAY, HOUR, MINUTE, SECOND
from chalicelib.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    TooMany,
    Unauthorized,
)
from chalicelib.core.ids import derived_id

LINK_LIFE = DAY
UNCONFIRMED_LIFE = 2 * DAY
SESSION_LIFE = 30 * DAY
ATTEMPTS = 10
ATTEMPT_WINDOW = 15 * MINUTE
FORGOT_WINDOW = 5 * MINUTE
RESEND_WINDOW = HOUR
# Mails that strangers can cause to one address in a day, known or not.
RESETS_A_DAY = 5
RESENDS_A_DAY = 3
CHANGES_A_DAY = 5
OPT_INS_A_DAY = 5
UNDO_LIFE = 7 * DAY
HOME = "/account"
NOBODY = "acc_nobody"


class State(StrEnum):
    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    ENDING = "ending"


class LinkKind(StrEnum):
    CONFIRM = "confirm"
    RESET = "reset"
    EMAIL = "email"
    EMAIL_STOP = "email_stop"
    EMAIL_UNDO = "email_undo"
    INVITATION = "invitation"
    RIGHTS = "rights"
    ERASURE_STOP = "erasure_stop"
    OPT_IN = "opt_in"


class LoginTaken(InvalidInput):
    """Someone else signs in by this login name."""

    def __init__(self) -> None:
        super().__init__(errors={"login": "This login name is taken. Choose another."})


class SameAddress(InvalidInput):
    """The account has this address already."""

    def __init__(self) -> None:
        super().__init__(errors={"email": "This is the address of your account already."})


class AddressTaken(Conflict):
    """Somebody else was faster between the link and its use."""

    code = "address_taken"
    title = "This address cannot be used any more"
    detail = "The address now belongs to another account, so nothing was changed."


class TooManyChanges(TooMany):
    code = "too_many_changes"
    detail = "An account can ask to move to another address five times a day. Try again tomorrow."

    def __init__(self) -> None:
        super().__init__(DAY // SECOND)


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
    detail = "Open the link that was mailed to your address."


class Deactivated(Forbidden):
    """The password was right; the account rests until its owner takes it up again."""

    code = "account_deactivated"
    title = "This account is deactivated"
    detail = "Nothing of it is used meanwhile. You can reactivate it, or have it erased."


class TooManyWishes(TooMany):
    """Each wish is a mail."""

    code = "too_many_wishes"
    detail = "We have mailed you five links for this today. Use the newest, or try again tomorrow."

    def __init__(self) -> None:
        super().__init__(DAY // SECOND)


class LinkEnded(NotFound):
    """The link was used, has ended, or never was; all look alike."""

    code = "link_ended"
    title = "This link no longer works"
    detail = "It was used already, its time is over, or something since then has ended it."


class ErasedSince(NotFound):
    """The account that had moved away was erased: there is nothing to take back."""

    code = "account_erased"
    title = "The account was erased"
    detail = (
        "It had moved away from this address, and whoever had it then had it erased. "
        "Nothing of it is left, so nothing can be taken back. You can open a new account."
    )


class AccountGone(Conflict):
    """The account is not in a state in which this can be done."""

    code = "account_state"
    title = "The account has changed"
    detail = "The account is not in a state in which this can be done. Sign in again."


@dataclass(frozen=True, slots=True)
class Account:
    """Instants in milliseconds; `epoch` rises with each sign-out everywhere.

    `addressed_at` is when it came to its present address, if that is not its first. `undone` are
    the spans of moves that were taken back: from the one whose link did it to the last before that.
    `opted_out_at` is when a browser's Global Privacy Control was taken for an answer, which happens
    once. `indexed` is whether the index that it belongs to knows it.
    """

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
    addressed_at: int = 0
    undone: tuple[tuple[int, int], ...] = ()
    opted_out_at: int | None = None
    indexed: bool = field(default=False, compare=False)

    @property
    def active(self) -> bool:
        return self.state is State.ACTIVE

    @property
    def known(self) -> bool:
        """Whether its address was confirmed, and it is still there."""
        return self.state in {State.ACTIVE, State.DEACTIVATED}

    @property
    def ends_at(self) -> int:
        """When it ends, unless somebody confirms it."""
        return self.created_at + UNCONFIRMED_LIFE

    def undone_by(self, link: Link, now: int) -> tuple[tuple[int, int], ...]:
        """The spans once this link is used; those whose links have all ended are left out."""
        known = [span for span in self.undone if now < span[1] + UNDO_LIFE]
        return (*known, (link.made_at, max(now, self.addressed_at)))

    def may_still_confirm(self, now: int) -> bool:
        """Whether a link that is mailed now would work for all its life."""
        return now + LINK_LIFE <= self.ends_at


@dataclass(frozen=True, slots=True)
class Session:
    """`used_on` is the day of its last use, in UTC: a finer time could be laid beside a visit."""

    account: str
    epoch: int
    created_at: int
    ends_at: int
    used_on: str = ""

    def name(self, hashed: str) -> str:
        """What a page calls it: it sorts by start, and opens nothing."""
        return f"{self.created_at:013d}_{derived_id('sig', hashed)}"


@dataclass(frozen=True, slots=True)
class Link:
    """A single-use mail link: `target` is an account to confirm, or the email claim to reset.

    A link to reset remembers whose address it was, when, and the epoch then. A new password and a
    sign-out everywhere raise the epoch, and they and another address leave such links dead.
    """

    kind: LinkKind
    target: str
    ends_at: int
    used: bool = False
    account: str | None = None
    epoch: int | None = None
    made_at: int = 0

    def open(self, kind: LinkKind, now: int) -> bool:
        return self.kind is kind and not self.used and now < self.ends_at

    def was_mailed_to(self, account: Account) -> bool:
        """Whether nothing that ends such links has happened to the account since."""
        same = (self.account, self.epoch) == (account.id, account.epoch)
        return same and (not account.addressed_at or self.made_at > account.addressed_at)

    def was_undone(self, account: Account) -> bool:
        """Whether an older mailbox has taken back the move that this link tells of: it wins."""
        return any(since < self.made_at <= until for since, until in account.undone)


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
