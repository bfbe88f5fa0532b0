"""Every mail that Cetrus sends: its class, what it is told, and whom it may go to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.mail.rules import MailClass, Unsendable, sendable
from chalicelib.privacy.rules import Mailed, Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.mail.rules import Argument

ANYONE = frozenset({"active", "unconfirmed"})
RESTING, LEFT = "deactivated", "ending"
ASKED_BY_WHOEVER = ANYONE | {RESTING}
"""Also whoever rests: it is the way back or out that they asked for themselves."""
MEMBERS = frozenset({"active"})
GUESTS = frozenset({"guest"})
STAFF = frozenset({"staff"})


@dataclass(frozen=True, slots=True)
class Template:
    """What a mail is, and `why` it is sent: the sentence at its foot.

    `audience` is the states of an account that it may go to; `link` the page that its single-use
    token opens. `topic` is what a person calls the notices of this kind, where they are optional.
    `purpose` is what the address was given for; `older` what it was given for by people whose
    policy did not name `purpose` yet.
    """

    mail_class: MailClass
    why: str
    audience: frozenset[str] = MEMBERS
    link: str | None = None
    arguments: Mapping[str, type] = field(default_factory=dict)
    topic: str | None = None
    purpose: Mailed = Purpose.ACCOUNT
    older: Mailed | None = None


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
        "You get this mail because somebody tried to use this address for another account.",
        audience=ANYONE,
    ),
    "partner_opt_in": Template(
        MailClass.ACCOUNT,
        "You get this mail because mail of partners was asked for in your account.",
        link="/choices/{token}",
    ),
    "password_reset": Template(
        MailClass.ACCOUNT,
        "You get this mail because a new password was asked for with this address.",
        audience=ASKED_BY_WHOEVER,
        link="/reset/{token}",
    ),
    "password_changed": Template(
        MailClass.ACCOUNT,
        "You get this mail because the password of your account was changed.",
    ),
    "email_change": Template(
        MailClass.ACCOUNT,
        "You get this mail because an account is to be moved to this address.",
        audience=GUESTS,
        link="/email/{token}",
    ),
    "email_change_asked": Template(
        MailClass.ACCOUNT,
        "You get this mail because your account is to be moved to another address.",
        link="/email/stop/{token}",
    ),
    "email_changed": Template(
        MailClass.ACCOUNT,
        "You get this mail because this was the address of your account until now.",
        audience=GUESTS,
        link="/email/undo/{token}",
    ),
    "email_taken_back": Template(
        MailClass.ACCOUNT,
        "You get this mail because this was the address of your account until now.",
        audience=GUESTS,
    ),
    "erasure_planned": Template(
        MailClass.ACCOUNT,
        "You get this mail because your account is to be erased.",
        link="/rights/stop/{token}",
        arguments={"hours": int},
    ),
    "invitation": Template(
        MailClass.NOTICE,
        "You get this mail because somebody who uses Cetrus gave us your address to invite you.",
        audience=GUESTS,
        link="/invitations/{token}",
        arguments={"application": str, "role": str},
        purpose=Purpose.INVITATION,
    ),
    "receipt": Template(
        MailClass.ACCOUNT,
        "You get this mail because you placed this order.",
        arguments={
            "order": str, "application": str, "plan": str, "kind": str, "price": str, "seats": int,
            "charged": str, "until": str, "at": str, "card": str,
        },
    ),
    "receipt_copy": Template(
        MailClass.ACCOUNT,
        "You get this mail because you accepted to see the bills of this license.",
        arguments={
            "order": str, "application": str, "plan": str, "price": str, "seats": int,
            "charged": str, "until": str, "at": str, "license": str,
        },
    ),
    "payment_failed": Template(
        MailClass.ACCOUNT,
        "You get this mail because you have this subscription.",
        arguments={"application": str, "amount": str, "card": str, "next": str, "until": str},
    ),
    "subscription_canceled": Template(
        MailClass.ACCOUNT,
        "You get this mail because this subscription was canceled in your account.",
        arguments={"application": str, "until": str},
    ),
    "subscription_ended": Template(
        MailClass.ACCOUNT,
        "You get this mail because you had this subscription.",
        arguments={"application": str, "plan": str},
    ),
    "refunded": Template(
        MailClass.ACCOUNT,
        "You get this mail because you paid for this order.",
        arguments={"application": str, "order": str, "amount": str, "left": str},
    ),
    "download_ready": Template(
        MailClass.ACCOUNT,
        "You get this mail because you ordered this application.",
        arguments={"application": str},
    ),
    "card_expiring": Template(
        MailClass.ACCOUNT,
        "You get this mail because your account pays by this card.",
        arguments={"card": str, "ends": str},
    ),
    "trial_ending": Template(
        MailClass.ACCOUNT,
        "You get this mail because you ordered this trial.",
        arguments={"application": str, "slug": str, "plan": str, "ends": str},
    ),
    "subscription_renewing": Template(
        MailClass.ACCOUNT,
        "You get this mail because you have this subscription.",
        arguments={"application": str, "plan": str, "seats": int, "price": str, "on": str},
    ),
    "policy_changed": Template(
        MailClass.POLICY_CHANGE,
        "You get this mail because you have an account and the policy says that we tell you.",
        arguments={"version": int, "since": str, "changes": list},
        purpose=Purpose.POLICY_NOTICE,
        older=Purpose.ACCOUNT,
    ),
    "usage_summary": Template(
        MailClass.NOTICE,
        "You get this mail because your account used applications in that week.",
        arguments={"week": str, "total": str, "lines": list},
        topic="Weekly summary of what you used",
    ),
    "installer_updated": Template(
        MailClass.NOTICE,
        "You get this mail because you have a license of this application.",
        arguments={"application": str, "version": str},
        topic="New versions of applications that you have a license of",
    ),
    "case_received": Template(
        MailClass.ACCOUNT,
        "You get this mail because a message with this address reached us.",
        audience=GUESTS,
        arguments={"case": str, "about": str, "until": str},
        purpose=Purpose.SUPPORT,
    ),
    "removal_confirmed": Template(
        MailClass.ACCOUNT,
        "You get this mail because a mail from this address asked for no more material.",
        audience=GUESTS,
        purpose=Purpose.SUPPORT,
    ),
    "rights_link": Template(
        MailClass.ACCOUNT,
        "You get this mail because a mail from this address asked us about your data.",
        audience=ASKED_BY_WHOEVER,
        link="/rights/{token}",
    ),
    "case_waiting": Template(
        MailClass.ACCOUNT,
        "You get this mail because you see to privacy at Cetrus.",
        audience=STAFF,
        arguments={"case": str, "about": str, "since": str, "due": str},
        purpose=Purpose.STAFF,
    ),
    "case_overdue": Template(
        MailClass.ACCOUNT,
        "You get this mail because you see to privacy at Cetrus.",
        audience=STAFF,
        arguments={"case": str, "about": str, "since": str, "due": str},
        purpose=Purpose.STAFF,
    ),
    "staff_quarter": Template(
        MailClass.ACCOUNT,
        "You get this mail because you work at Cetrus.",
        audience=STAFF,
        arguments={"quarter": str, "everybody": list, "duties": list},
        purpose=Purpose.STAFF,
    ),
    "staff_policy": Template(
        MailClass.ACCOUNT,
        "You get this mail because you work at Cetrus.",
        audience=STAFF,
        arguments={"version": str, "changes": list},
        purpose=Purpose.STAFF,
    ),
    "announcement": Template(
        MailClass.ANNOUNCEMENT,
        "You get this mail because you have an account. It cannot be switched off, and it never "
        "advertises anything.",
        arguments={"mailing": str},
    ),
    "service_notice": Template(
        MailClass.NOTICE,
        "You get this mail because you have a license of this application.",
        arguments={"mailing": str},
        topic="Maintenance and changes of applications that you have a license of",
    ),
    "offer": Template(
        MailClass.OFFER,
        "You get this mail because you said yes to mail about products, deals and news.",
        arguments={"mailing": str},
        purpose=Purpose.MARKETING,
    ),
    "partner_mail": Template(
        MailClass.PARTNER,
        "You get this mail because you said yes to material of our partners. They do not have your "
        "address.",
        arguments={"mailing": str},
        purpose=Purpose.PARTNER_MAIL,
    ),
}  # fmt: skip


TOPICS = {name: kind.topic for name, kind in TEMPLATES.items() if kind.topic}
"""Optional notices by template, as people call them."""


def check_arguments(template: Template, arguments: Mapping[str, Argument]) -> None:
    """ValueError unless exactly the arguments that the template names are given, of their types."""
    if arguments.keys() != template.arguments.keys():
        raise ValueError(f"arguments: {sorted(template.arguments)}")
    for name, kind in template.arguments.items():
        if type(arguments[name]) is not kind:
            raise ValueError(f"{name}: {kind.__name__}")
        try:
            for text in texts(arguments[name]):
                sendable(text)
        except Unsendable:
            raise ValueError(f"{name} holds a control character") from None


def texts(argument: Argument) -> list[str]:
    return list(argument) if isinstance(argument, list) else [str(argument)]
