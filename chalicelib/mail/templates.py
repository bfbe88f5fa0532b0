"""Every mail that Cetrus sends: its class, what it is told, and whom it may go to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.mail.rules import MailClass, Unsendable, sendable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.mail.rules import Argument

ANYONE = frozenset({"active", "unconfirmed"})
MEMBERS = frozenset({"active"})


@dataclass(frozen=True, slots=True)
class Template:
    """What a mail is, and `why` it is sent: the sentence at its foot.

    `audience` is the states of an account that it may go to; `link` the page that its single-use
    token opens.
    """

    mail_class: MailClass
    why: str
    audience: frozenset[str] = MEMBERS
    link: str | None = None
    arguments: Mapping[str, type] = field(default_factory=dict)


TEMPLATES: dict[str, Template] = {
    "welcome": Template(
        MailClass.ACCOUNT,
        "You get this mail because an account was created with this address.",
        audience=ANYONE,
        link="/verify/{token}",
    ),
    "confirm_address": Template(
        MailClass.ACCOUNT,
        "You get this mail because somebody signed in to a new account with this address.",
        audience=frozenset({"unconfirmed"}),
        link="/verify/{token}",
    ),
    "already_registered": Template(
        MailClass.ACCOUNT,
        "You get this mail because somebody tried to create an account with this address.",
        audience=ANYONE,
    ),
    "password_reset": Template(
        MailClass.ACCOUNT,
        "You get this mail because a new password was asked for with this address.",
        audience=ANYONE,
        link="/reset/{token}",
    ),
    "password_changed": Template(
        MailClass.ACCOUNT,
        "You get this mail because the password of your account was changed.",
    ),
    "receipt": Template(
        MailClass.ACCOUNT,
        "You get this mail because you placed this order.",
        arguments={
            "order": str, "application": str, "plan": str, "price": str, "at": str, "card": str,
        },
    ),
    "download_ready": Template(
        MailClass.ACCOUNT,
        "You get this mail because you ordered this application.",
        arguments={"application": str},
    ),
}  # fmt: skip


def check_arguments(template: Template, arguments: Mapping[str, Argument]) -> None:
    """ValueError unless exactly the arguments that the template names are given, of their types."""
    if arguments.keys() != template.arguments.keys():
        raise ValueError(f"arguments: {sorted(template.arguments)}")
    for name, kind in template.arguments.items():
        if type(arguments[name]) is not kind:
            raise ValueError(f"{name}: {kind.__name__}")
        try:
            sendable(str(arguments[name]))
        except Unsendable:
            raise ValueError(f"{name} holds a control character") from None
