"""The part of the composition root that makes mailings; `chalicelib/wiring.py` asks it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.settings import settings
from chalicelib.storage import aws

if TYPE_CHECKING:
    from chalicelib.mail.letters import Letterhead
    from chalicelib.mail.rules import Lane
    from chalicelib.mail.service import Mailer
    from chalicelib.mailings.planner import MailingPlanner
    from chalicelib.mailings.service import Mailings
    from chalicelib.privacy.rules import Purpose


def letterhead() -> Letterhead:
    from chalicelib.mail.letters import Letterhead

    found = settings()
    return Letterhead(found.mail_from, found.mail_domain, found.base_url)


def mailer(lane: Lane) -> Mailer:
    """The mailer of one lane; what a mailing says it reads where staff approved it."""
    from chalicelib.mail.post import Post
    from chalicelib.mail.service import Mailer
    from chalicelib.mail.store import MailStore
    from chalicelib.mail.templates import TEMPLATES

    found = settings()
    post = Post(aws.client("sesv2"), found.mail_from, found.mail_configuration_set)
    return Mailer(
        MailStore(wiring.accounts_table(), lane), wiring.directory(), wiring.vault(), post,
        wiring.keyed(), letterhead(), wiring.now, TEMPLATES, lambda m: wiring.mailings().text_of(m),
        wiring.link_key,
    )  # fmt: skip


def mailings() -> Mailings:
    from chalicelib.edge.exits import link_out
    from chalicelib.mail.store import MailStore
    from chalicelib.mailings.service import Mailings
    from chalicelib.mailings.store import MailingStore
    from chalicelib.privacy.ledger import Ledger

    table = wiring.accounts_table()
    return Mailings(
        MailingStore(table), MailStore(table).tally, Ledger(table),
        lambda url: link_out(url, wiring.keyed()), wiring.now,
    )  # fmt: skip


def planner() -> MailingPlanner:
    from chalicelib.accounts.store import SHARDS
    from chalicelib.mailings.planner import MailingPlanner, Members
    from chalicelib.mailings.store import MailingStore

    members = Members(
        SHARDS, wiring.account_store().active, wiring.accounts().account, wiring.vault().granted,
        wiring.payment_store().orders, owns,
    )  # fmt: skip
    return MailingPlanner(
        MailingStore(wiring.accounts_table()), wiring.outbox(), members, wiring.now
    )


def owns(account_id: str, application: str) -> bool:
    """Whether the account has, or had, a license of the application."""
    found = wiring.licenses().of_account(account_id)
    return any(owned.application == application for owned in found)


def ask_again(account_id: str, purpose: Purpose, address: str) -> None:
    """A new yes lifts what a click, a mail or a complaint had stopped of this mail."""
    from chalicelib.mail.rules import LAWS

    for mail_class, law in LAWS.items():
        if law.promotes and purpose in law.purposes:
            wiring.stops().yes_again(account_id, mail_class, purpose)
            wiring.notices().ask_again(account_id, mail_class, address)
