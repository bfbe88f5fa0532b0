"""Where opened data may go: each sink takes the secrets of its own purpose; nothing else does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar, get_args

from chalicelib.privacy.rules import Mailed, Purpose, PurposeDenied, ReadByStaff, Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

P_co = TypeVar("P_co", bound=Purpose, covariant=True)


class Secret(Generic[P_co]):
    """One subject's fields, opened for one purpose: printed it says only what it is for."""

    __slots__ = ("_fields", "purpose", "subject")

    def __init__(self, subject: str, purpose: P_co, fields: Mapping[str, str]) -> None:
        self.subject, self.purpose, self._fields = subject, purpose, dict(fields)

    def __repr__(self) -> str:
        return f"<secret for {self.purpose}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not copied or stored")


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a mail is for: the address it goes to and the names it speaks of."""

    address: str = field(repr=False)
    name: str = field(repr=False)
    account_name: str = field(repr=False)
    login: str = field(repr=False)
    invited_by: str = field(default="", repr=False)


def page(secret: Secret[Shown], owner: str) -> dict[str, str]:
    """For the person's own pages: `owner` is the subject of whoever is signed in."""
    if secret.subject != owner:
        raise PurposeDenied
    if secret.purpose not in get_args(Shown):
        raise PurposeDenied
    return dict(secret._fields)


def staff(secret: Secret[ReadByStaff], subject: str) -> dict[str, str]:
    """For the operator's commands: `subject` is whose case or record it is."""
    if secret.subject != subject:
        raise PurposeDenied
    if secret.purpose not in get_args(ReadByStaff):
        raise PurposeDenied
    return dict(secret._fields)


MAILED_FOR: Mapping[str, frozenset[Purpose]] = {
    "account": frozenset({Purpose.ACCOUNT, Purpose.SUPPORT, Purpose.STAFF}),
    "notice": frozenset({Purpose.ACCOUNT, Purpose.INVITATION}),
    "announcement": frozenset({Purpose.ACCOUNT}),
    "offer": frozenset({Purpose.MARKETING, Purpose.SURVEYS}),
    "partner": frozenset({Purpose.PARTNER_MAIL}),
    "policy_change": frozenset({Purpose.POLICY_NOTICE, Purpose.ACCOUNT}),
}


def mail(secret: Secret[Mailed], mail_class: str) -> Recipient:
    """For a mail of this class; PurposeDenied where the address was not given for that."""
    if secret.purpose not in MAILED_FOR[mail_class]:
        raise PurposeDenied
    found = secret._fields
    return Recipient(
        found["email"], found.get("name", ""), found.get("account_name", ""),
        found.get("login", ""), found.get("invited_by", ""),
    )  # fmt: skip
