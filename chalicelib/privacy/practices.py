"""What the site does with data: each route and each function belongs to one of these practices.

The statement tells of every practice (PS-01). A route that begins with none of the words below, or
a function that is not listed, is a practice that nobody was told of: the app does not start.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Practice(StrEnum):
    READING = "reading"
    INTERESTS = "interests"
    VISITS = "visits"
    ACCOUNTS = "accounts"
    PAYMENTS = "payments"
    LICENSES = "licenses"
    VENDORS = "vendors"
    PARTNERS = "partners"
    MAIL = "mail"
    CHOICES = "choices"
    RIGHTS = "rights"
    SUPPORT = "support"
    STAFF = "staff"
    CHANGES = "changes"
    RECORDS = "records"


# By the words that a route begins with; the longest that fits counts.
ROUTES = {
    "/": Practice.READING,
    "/apps": Practice.READING,
    "/apps/{slug}": Practice.INTERESTS,
    "/apps/{slug}/orders": Practice.PAYMENTS,
    "/assets": Practice.READING,
    "/.well-known": Practice.READING,
    "/status": Practice.READING,
    "/problems": Practice.READING,
    "/privacy": Practice.READING,
    "/privacy/cookies": Practice.INTERESTS,
    "/privacy/proof": Practice.RECORDS,
    "/exit": Practice.VISITS,
    "/contact": Practice.SUPPORT,
    "/register": Practice.ACCOUNTS,
    "/verify": Practice.ACCOUNTS,
    "/login": Practice.ACCOUNTS,
    "/logout": Practice.ACCOUNTS,
    "/forgot": Practice.ACCOUNTS,
    "/reset": Practice.ACCOUNTS,
    "/email": Practice.ACCOUNTS,
    "/account": Practice.ACCOUNTS,
    "/account/setup": Practice.RIGHTS,
    "/account/privacy": Practice.CHOICES,
    "/choices": Practice.CHOICES,
    "/account/notices": Practice.MAIL,
    "/account/subscriptions": Practice.PAYMENTS,
    "/account/downloads": Practice.LICENSES,
    "/account/usage": Practice.LICENSES,
    "/account/computers": Practice.LICENSES,
    "/account/licenses": Practice.LICENSES,
    "/account/shared": Practice.LICENSES,
    "/invitations": Practice.LICENSES,
    "/device": Practice.LICENSES,
    "/orders": Practice.PAYMENTS,
    "/webhooks": Practice.PAYMENTS,
    "/unsubscribe": Practice.MAIL,
    "/account/privacy/deactivate": Practice.RIGHTS,
    "/account/privacy/erase": Practice.RIGHTS,
    "/account/privacy/export": Practice.RIGHTS,
    "/account/privacy/export.json": Practice.RIGHTS,
    "/account/privacy/export.html": Practice.RIGHTS,
    "/reactivate": Practice.RIGHTS,
    "/rights": Practice.RIGHTS,
    "/partners": Practice.PARTNERS,
    "/v1": Practice.LICENSES,
    "/v1/vendor": Practice.VENDORS,
    "/staff": Practice.STAFF,
    "/staff/policy": Practice.CHANGES,
    "/staff/trends": Practice.VISITS,
}
FUNCTIONS = {
    "mail_sender": Practice.MAIL,
    "mail_feedback": Practice.MAIL,
    "mail_planner": Practice.MAIL,
    "mail_sweep": Practice.MAIL,
    "mailing_planner": Practice.MAIL,
    "campaign_sweep": Practice.MAIL,
    "inbound_mail": Practice.SUPPORT,
    "case_sweep": Practice.SUPPORT,
    "payment_worker": Practice.PAYMENTS,
    "payment_sweep": Practice.PAYMENTS,
    "renewal_sweep": Practice.PAYMENTS,
    "license_sweep": Practice.LICENSES,
    "event_log": Practice.LICENSES,
    "account_sweep": Practice.ACCOUNTS,
    "visit_rollup": Practice.VISITS,
    "visit_sweep": Practice.VISITS,
    "policy_notices": Practice.CHANGES,
    "erasure_sweep": Practice.RIGHTS,
    "ledger_heads": Practice.RECORDS,
    "privacy_check": Practice.RECORDS,
    "partner_report": Practice.PARTNERS,
    "staff_reminders": Practice.STAFF,
}


class Undeclared(LookupError):
    """A route or function that the statement does not tell of."""


def of_route(path: str) -> Practice:
    """The practice of a route; Undeclared where it begins with none of the words."""
    begins = path
    while begins not in ROUTES:
        begins = begins.rpartition("/")[0]
        if not begins:
            raise Undeclared(f"{path}: name its practice in chalicelib/privacy/practices.py")
    return ROUTES[begins]


def of_function(name: str) -> Practice:
    """The practice of a function beside the front door; Undeclared where none is listed."""
    if name not in FUNCTIONS:
        raise Undeclared(f"{name}: name its practice in chalicelib/privacy/practices.py")
    return FUNCTIONS[name]


def declared(functions: Iterable[str]) -> None:
    """Undeclared where one of them is of no practice."""
    for name in functions:
        of_function(name)
