"""Who works here, what for, and for how long they are signed in.

CetrusError
├── Unauthorized
│   └── WrongStaffCredentials   an unknown name, a wrong password, somebody who left: all alike
├── Conflict
│   ├── StaffNameTaken          the name belongs to somebody here
│   └── NobodyOfThatName        there is nobody to end
└── TooMany
    └── TooManyTries            attempts with one name, known or not
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from chalicelib.core.clock import HOUR
from chalicelib.core.errors import Conflict, TooMany, Unauthorized

# A working session and no longer; nothing prolongs it.
SESSION_LIFE = 2 * HOUR
HOME = "/staff"


class Role(StrEnum):
    """What somebody is here for; one person may have several."""

    OPERATOR = "operator"
    BILLING = "billing"
    SERVICE = "service"
    PRIVACY = "privacy"


class State(StrEnum):
    ACTIVE = "active"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of staff. `name_claim` is a keyed hash; a session of an older epoch is dead."""

    id: str
    name_claim: str
    password: str = field(repr=False)
    roles: frozenset[Role]
    state: State
    epoch: int
    created_at: int

    @property
    def active(self) -> bool:
        return self.state is State.ACTIVE


@dataclass(frozen=True, slots=True)
class StaffSession:
    member: str
    epoch: int
    ends_at: int


class WrongStaffCredentials(Unauthorized):
    code = "wrong_staff_credentials"
    title = "That did not match"
    detail = "The name or the password is not right."


class StaffNameTaken(Conflict):
    code = "staff_name_taken"
    detail = "Somebody of the staff has this name."


class NobodyOfThatName(Conflict):
    code = "nobody_of_that_name"
    detail = "Nobody of the staff has this name, or they have left."


class TooManyTries(TooMany):
    code = "too_many_tries"
    detail = "There were too many attempts with this name. Wait until they are forgotten."


def admits(session: StaffSession, member: Member, now: int) -> bool:
    """Whether the session lets its holder in: neither over, nor of somebody who left."""
    return now < session.ends_at and session.epoch == member.epoch and member.active


def own_path(text: str) -> str:
    """`text` where it is a page for staff, else their first page; never another site's."""
    plain = text.isascii() and text.isprintable() and "\\" not in text and " " not in text
    inside = text == HOME or text.startswith((f"{HOME}/", f"{HOME}?"))
    return text if plain and inside and "//" not in text.partition("?")[0] else HOME
