"""The composition root: settings -> clients -> stores -> services, each made once a process.

Features are imported inside the functions, so that a function pays for what it uses alone.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from chalicelib.core.clock import now_ms
from chalicelib.settings import settings
from chalicelib.storage.aws import client
from chalicelib.storage.declared import Declared
from chalicelib.storage.dynamo import Database, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.accounts.address_store import AddressStore
    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.choosing import Choosing
    from chalicelib.accounts.cleanup import Cleanup
    from chalicelib.accounts.email_change import EmailChange
    from chalicelib.accounts.email_move import EmailMove
    from chalicelib.accounts.guests import Directory, Guests
    from chalicelib.accounts.labels import Labels
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.opt_ins import OptIns
    from chalicelib.accounts.own_privacy import OwnPrivacy
    from chalicelib.accounts.recovery import Recovery
    from chalicelib.accounts.registration import Registration
    from chalicelib.accounts.service import Accounts
    from chalicelib.accounts.session_store import SessionStore
    from chalicelib.accounts.sessions import Sessions
    from chalicelib.accounts.store import AccountStore
    from chalicelib.billing.service import Books
    from chalicelib.cases.service import Cases
    from chalicelib.catalog.service import Catalog
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.downloads.service import Downloads
    from chalicelib.identity.service import Identity
    from chalicelib.licenses.answers import Answers
    from chalicelib.licenses.event_log import EventLog
    from chalicelib.licenses.keys import KeyRing
    from chalicelib.licenses.leases import Leases
    from chalicelib.licenses.member_store import MemberStore
    from chalicelib.licenses.members import Lapsing, Members
    from chalicelib.licenses.paying import LicensePayments
    from chalicelib.licenses.service import Licenses
    from chalicelib.licenses.sweep import LicenseSweep
    from chalicelib.mail.feedback import MailFeedback
    from chalicelib.mail.inbound import InboundMail
    from chalicelib.mail.notices import Notices
    from chalicelib.mail.outbox import Outbox
    from chalicelib.mail.planner import MailPlanner
    from chalicelib.mail.service import Mailer
    from chalicelib.mail.stopping import Stopping
    from chalicelib.mail.stops import Stops
    from chalicelib.mail.wishes import WishStore
    from chalicelib.mailings.planner import MailingPlanner
    from chalicelib.mailings.service import Mailings
    from chalicelib.partners.service import PartnerReports, Partners
    from chalicelib.partners.store import PartnerStore
    from chalicelib.payments.fulfillment import Fulfillment
    from chalicelib.payments.on_file import OnFile
    from chalicelib.payments.processor import Biller, Processor
    from chalicelib.payments.renewals import Renewals
    from chalicelib.payments.service import Inbox, Orders, Payments
    from chalicelib.payments.store import PaymentStore
    from chalicelib.payments.subscription_store import SubscriptionStore
    from chalicelib.payments.subscriptions import Subscriptions
    from chalicelib.payments.taken_store import TakenStore
    from chalicelib.payments.telling import Telling
    from chalicelib.privacy.disclosures import Disclosures
    from chalicelib.privacy.notifying import PolicyNotices
    from chalicelib.privacy.published import Published
    from chalicelib.privacy.publishing import Publishing
    from chalicelib.privacy.seals import Seals
    from chalicelib.privacy.service import Vault
    from chalicelib.privacy.timings import Times
    from chalicelib.staff.mail import StaffMail
    from chalicelib.staff.service import Staff
    from chalicelib.staff.store import StaffStore
    from chalicelib.storage.objects import Bucket
    from chalicelib.storage.queues import FifoQueue
    from chalicelib.storage.secrets import Secrets
    from chalicelib.usage.service import Usage
    from chalicelib.vendors.service import Vendors
    from chalicelib.visits.rollup import Rollup
    from chalicelib.visits.service import ExitCounts, Trends
    from chalicelib.visits.store import VisitStore
    from chalicelib.visits.sweep import VisitSweep

clock = now_ms


def now() -> int:
    """The server's time; looked up at each call, so that a test may set `clock`."""
    return clock()


@cache
def database() -> Database:
    return Database(client("dynamodb"), declared())


def declared() -> Mapping[str, Declared] | None:
    """What may be written where: the inventory names it all (PS-02)."""
    from chalicelib.privacy.inventory import ACCOUNTS, KEYS, USAGE, shapes

    found = settings()
    names = {ACCOUNTS: found.accounts_table, USAGE: found.usage_table, KEYS: found.keys_table}
    return {name: Declared.of(shapes(table)) for table, name in names.items()}


@cache
def accounts_table() -> Table:
    return Table(database(), settings().accounts_table)


@cache
def usage_table() -> Table:
    return Table(database(), settings().usage_table)


@cache
def keys_table() -> Table:
    return Table(database(), settings().keys_table)


@cache
def installers() -> Bucket:
    from chalicelib.storage.objects import Bucket

    return Bucket(client("s3"), settings().installers_bucket)


@cache
def secrets() -> Secrets:
    from chalicelib.storage.secrets import Secrets

    return Secrets(client("ssm"), settings().secrets_prefix)


@cache
def keyed() -> KeyedHash:
    """The service's keyed hash; its key never changes, or claims and tokens would be lost."""
    from chalicelib.core.keyed import KeyedHash

    return KeyedHash(secrets().get("hash-key").encode())


@cache
def link_key() -> KeyedHash:
    """Of single-use links alone: whoever has it could open any account by a password reset."""
    from chalicelib.core.keyed import KeyedHash

    return KeyedHash(secrets().get("link-key").encode())


@cache
def vault() -> Vault:
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.service import Vault
    from chalicelib.privacy.store import VaultStore

    store = VaultStore(accounts_table(), keys_table())
    return Vault(
        store, Ledger(accounts_table()), client("kms"), settings().vault_key_id,
        published().number, now,
    )  # fmt: skip


@cache
def published() -> Published:
    from chalicelib.privacy.published import Published

    return Published(accounts_table())


@cache
def publishing() -> Publishing:
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.notice_jobs import NoticeJobs
    from chalicelib.privacy.publishing import Publishing

    table = accounts_table()
    return Publishing(published(), NoticeJobs(table), Ledger(table), now)


@cache
def seals() -> Seals:
    from chalicelib.privacy.seals import Seals

    return Seals(client("kms"), settings().ledger_key_id)


@cache
def policy_notices() -> PolicyNotices:
    from chalicelib.accounts.store import SHARDS
    from chalicelib.privacy.notice_jobs import NoticeJobs
    from chalicelib.privacy.notifying import PolicyNotices

    return PolicyNotices(
        NoticeJobs(accounts_table()), published(), account_store(), SHARDS, vault(), outbox(),
        staff_mail().tell, now,
    )  # fmt: skip


@cache
def outbox() -> Outbox:
    from chalicelib.mail.outbox import Outbox
    from chalicelib.mail.store import MailStore

    return Outbox(MailStore(accounts_table()), client("sqs"), settings().mail_queue_url)


@cache
def account_store() -> AccountStore:
    from chalicelib.accounts.store import AccountStore

    return AccountStore(accounts_table(), usage_table())


@cache
def session_store() -> SessionStore:
    from chalicelib.accounts.session_store import SessionStore

    return SessionStore(accounts_table(), usage_table())


@cache
def accounts() -> Accounts:
    from chalicelib.accounts.service import Accounts

    return Accounts(account_store(), vault(), now)


@cache
def labels() -> Labels:
    from chalicelib.accounts.labels import Labels

    return Labels(accounts(), vault())


@cache
def links() -> Links:
    from chalicelib.accounts.links import Links

    return Links(account_store(), link_key)


@cache
def attempts() -> Attempts:
    from chalicelib.accounts.attempts import Attempts

    return Attempts(account_store())


@cache
def registration() -> Registration:
    from chalicelib.accounts.passwords import Passwords
    from chalicelib.accounts.registration import Registration

    return Registration(
        account_store(), vault(), opt_ins(), outbox(), links(), Passwords(), keyed(), now
    )


@cache
def own_privacy() -> OwnPrivacy:
    from chalicelib.accounts.own_privacy import OwnPrivacy

    support = f"support@{settings().mail_domain}"
    return OwnPrivacy(accounts(), vault(), settings().base_url, support)


@cache
def choosing() -> Choosing:
    from chalicelib.accounts.choosing import Choosing
    from chalicelib.mailings import wiring as made

    return Choosing(
        account_store(), opt_ins(), vault(), outbox(), links(), attempts(), now, made.ask_again,
        notices().stopped,
    )  # fmt: skip


@cache
def opt_ins() -> OptIns:
    from chalicelib.accounts.opt_ins import OptIns

    return OptIns(accounts_table())


@cache
def sessions() -> Sessions:
    """What every page of a signed-in person needs: no password library, no vault."""
    from chalicelib.accounts.passwords import Passwords
    from chalicelib.accounts.sessions import Sessions

    return Sessions(
        account_store(), session_store(), outbox(), links(), Passwords(), attempts(), keyed(), now
    )


@cache
def recovery() -> Recovery:
    from chalicelib.accounts.passwords import Passwords
    from chalicelib.accounts.recovery import Recovery

    return Recovery(
        account_store(),
        outbox(),
        links(),
        Passwords(),
        attempts(),
        sessions(),
        choosing(),
        keyed(),
        now,
    )


@cache
def address_store() -> AddressStore:
    from chalicelib.accounts.address_store import AddressStore

    return AddressStore(accounts_table())


@cache
def guests() -> Guests:
    from chalicelib.accounts.guests import Guests

    return Guests(address_store(), vault(), now)


@cache
def email_change() -> EmailChange:
    from chalicelib.accounts.email_change import EmailChange
    from chalicelib.accounts.passwords import Passwords

    return EmailChange(
        account_store(), address_store(), guests(), outbox(), links(), Passwords(), attempts(),
        keyed(), now,
    )  # fmt: skip


@cache
def email_move() -> EmailMove:
    from chalicelib.accounts.email_move import EmailMove
    from chalicelib.rights import wiring as rights

    return EmailMove(
        account_store(), address_store(), accounts(), guests(), outbox(), links(),
        opt_ins(), wishes(), keyed(), rights.deactivation(), rights.erasure(), now,
    )  # fmt: skip


@cache
def cleanup() -> Cleanup:
    from chalicelib.accounts.cleanup import Cleanup

    return Cleanup(account_store(), guests(), opt_ins(), lapsing().lapse, now)


@cache
def member_store() -> MemberStore:
    from chalicelib.licenses.member_store import MemberStore

    return MemberStore(accounts_table(), usage_table())


@cache
def members() -> Members:
    from chalicelib.licenses.members import Members

    return Members(
        member_store(), licenses(), accounts(), guests(), outbox(), links(), attempts(), keyed(),
        now,
    )  # fmt: skip


@cache
def lapsing() -> Lapsing:
    from chalicelib.licenses.members import Lapsing

    return Lapsing(member_store(), now)


@cache
def wishes() -> WishStore:
    from chalicelib.mail.wishes import WishStore

    return WishStore(accounts_table())


@cache
def directory() -> Directory:
    from chalicelib.accounts.guests import Directory

    return Directory(accounts().account, accounts().by_claim, staff_mail().works_here)


@cache
def mailer() -> Mailer:
    from chalicelib.mail.rules import Lane
    from chalicelib.mailings import wiring as made

    return made.mailer(Lane.SERVICE)


@cache
def campaign_mailer() -> Mailer:
    """Hands over offers and partner mail, and nothing else."""
    from chalicelib.mail.rules import Lane
    from chalicelib.mailings import wiring as made

    return made.mailer(Lane.CAMPAIGN)


@cache
def mailings() -> Mailings:
    from chalicelib.mailings import wiring as made

    return made.mailings()


@cache
def mailing_planner() -> MailingPlanner:
    from chalicelib.mailings import wiring as made

    return made.planner()


@cache
def stopping() -> Stopping:
    from chalicelib.mail.stopping import Stopping

    return Stopping(
        wishes(), keyed(), now, times(), stops().commit, account_store().standing, stops().at_once
    )


@cache
def stops() -> Stops:
    from chalicelib.mail.stops import Stops

    def subject_of(account_id: str) -> str | None:
        found = account_store().account(account_id)
        return found.subject if found else None

    return Stops(accounts_table(), vault(), subject_of, now)


@cache
def times() -> Times:
    from chalicelib.privacy.timings import Times

    return Times(usage_table())


@cache
def notices() -> Notices:
    from chalicelib.mail.agenda import AgendaStore
    from chalicelib.mail.notices import Notices

    agendas = AgendaStore(accounts_table())
    return Notices(wishes(), agendas, accounts().subject_of, vault(), keyed(), now)


@cache
def mail_feedback() -> MailFeedback:
    from chalicelib.mail.feedback import MailFeedback

    return MailFeedback(wishes(), accounts(), keyed())


@cache
def on_file() -> OnFile:
    from chalicelib.payments.on_file import OnFile
    from chalicelib.payments.subscription_store import SubscriptionStore

    return OnFile(payment_store(), SubscriptionStore(accounts_table()))


@cache
def mail_planner() -> MailPlanner:
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.walk import LicenseWalk
    from chalicelib.mail.agenda import AgendaStore
    from chalicelib.mail.facts import Facts
    from chalicelib.mail.planner import MailPlanner

    facts = Facts(licenses(), usage(), catalog(), on_file().card, on_file().charges)
    walk, agendas = LicenseWalk(LicenseStore(usage_table())), AgendaStore(accounts_table())
    return MailPlanner(agendas, wishes(), outbox(), accounts(), walk, facts, now)


@cache
def inbound_mail() -> InboundMail:
    from chalicelib.cases import wiring as made

    return made.inbound_mail()


@cache
def cases() -> Cases:
    from chalicelib.cases import wiring as made

    return made.cases()


@cache
def catalog() -> Catalog:
    from chalicelib.catalog.service import Catalog
    from chalicelib.catalog.store import CatalogStore

    return Catalog(CatalogStore(accounts_table()), now)


@cache
def vendors() -> Vendors:
    from chalicelib.vendors.service import Vendors
    from chalicelib.vendors.store import VendorStore

    return Vendors(VendorStore(accounts_table()), keyed(), now)


@cache
def downloads() -> Downloads:
    from chalicelib.downloads.service import Downloads

    return Downloads(catalog(), licenses(), installers(), now)


@cache
def licenses() -> Licenses:
    from chalicelib.licenses.service import Licenses
    from chalicelib.licenses.store import LicenseStore

    return Licenses(
        LicenseStore(usage_table()), accounts_table(), catalog(), keyed, now,
        lambda application: mailings().screens(application, now()),
    )  # fmt: skip


@cache
def key_ring() -> KeyRing:
    from chalicelib.licenses.keys import KeyRing

    return KeyRing(accounts_table(), client("kms"), settings().signing_key_id, now)


@cache
def leases() -> Leases:
    from chalicelib.licenses.leases import Leases

    return Leases(key_ring(), settings().base_url)


@cache
def answers() -> Answers:
    from chalicelib.licenses.answers import Answers

    return Answers(leases(), now)


@cache
def identity() -> Identity:
    from chalicelib.identity.service import Identity
    from chalicelib.identity.store import IdentityStore

    return Identity(
        IdentityStore(usage_table()),
        accounts(),
        catalog(),
        licenses(),
        key_ring(),
        keyed,
        settings().base_url,
        now,
    )


@cache
def usage() -> Usage:
    from chalicelib.usage.service import Usage
    from chalicelib.usage.store import UsageStore

    return Usage(UsageStore(usage_table()), licenses())


@cache
def license_sweep() -> LicenseSweep:
    from chalicelib.licenses.sweep import LicenseSweep

    return LicenseSweep(licenses(), usage(), now)


@cache
def event_log() -> EventLog:
    from chalicelib.licenses.event_log import EventLog
    from chalicelib.storage.objects import Bucket

    bucket = Bucket(client("s3"), settings().logs_bucket)
    return EventLog(licenses().store, bucket, now)


@cache
def books() -> Books:
    from chalicelib.billing.service import Books
    from chalicelib.billing.store import BooksStore

    return Books(BooksStore(accounts_table()))


@cache
def staff() -> Staff:
    from chalicelib.accounts.passwords import Passwords
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.staff.service import Staff

    ledger = Ledger(accounts_table())
    return Staff(staff_store(), Passwords(), attempts(), ledger, vault(), keyed(), now)


@cache
def staff_store() -> StaffStore:
    from chalicelib.staff.store import StaffStore

    return StaffStore(accounts_table(), usage_table())


@cache
def staff_mail() -> StaffMail:
    """Mail to those who work here: `tell` writes one to each."""
    from chalicelib.staff.mail import StaffMail

    return StaffMail(staff_store(), outbox(), now)


@cache
def exit_counts() -> ExitCounts:
    from chalicelib.visits.service import ExitCounts

    return ExitCounts(visit_store(), now)


@cache
def trends() -> Trends:
    from chalicelib.visits.service import Trends

    return Trends(visit_store(), now)


@cache
def visit_store() -> VisitStore:
    from chalicelib.visits.store import VisitStore

    return VisitStore(usage_table())


@cache
def visitor_logs() -> Bucket:
    from chalicelib.storage.objects import Bucket

    return Bucket(client("s3"), settings().visitor_logs_bucket)


@cache
def visit_rollup() -> Rollup:
    from urllib.parse import urlsplit

    from chalicelib.visits.rollup import Rollup

    own = urlsplit(settings().base_url).hostname or ""
    return Rollup(visitor_logs(), visit_store(), own, now)


@cache
def visit_sweep() -> VisitSweep:
    from chalicelib.visits.sweep import VisitSweep

    return VisitSweep(visitor_logs(), visit_store(), now)


@cache
def payment_store() -> PaymentStore:
    from chalicelib.payments.store import PaymentStore

    return PaymentStore(accounts_table())


def processor(key: str) -> Biller:
    """The processor under one of its restricted keys: a function's role reads its own alone."""
    from chalicelib.payments.adapter import StripeProcessor

    found = settings()
    return StripeProcessor(
        secrets().get(key),
        api_base=found.processor_api,
        origin=found.processor_origin,
        stage=found.stage,
    )


def telling(biller: Biller) -> Telling:
    """What tells the processor of somebody: their ledger first (PS-05)."""
    from chalicelib.payments.telling import Telling

    def subject_of(account_id: str) -> str | None:
        found = account_store().account(account_id)
        return found.subject if found else None

    return Telling(biller, disclosures(), subject_of)


@cache
def disclosures() -> Disclosures:
    from chalicelib.privacy.disclosures import Contracts, Disclosures
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.store import VaultStore

    grants = VaultStore(accounts_table(), keys_table())
    return Disclosures(Contracts(accounts_table()), grants, Ledger(accounts_table()), now)


@cache
def taken() -> TakenStore:
    from chalicelib.payments.taken_store import TakenStore

    return TakenStore(accounts_table())


@cache
def subscription_store() -> SubscriptionStore:
    from chalicelib.payments.subscription_store import SubscriptionStore

    return SubscriptionStore(accounts_table())


@cache
def license_payments() -> LicensePayments:
    from chalicelib.licenses.paying import LicensePayments
    from chalicelib.licenses.store import LicenseStore

    return LicensePayments(LicenseStore(usage_table()), now)


def fulfillment(asked: Processor) -> Fulfillment:
    from chalicelib.payments.fulfillment import Fulfillment

    return Fulfillment(
        payment_store(), taken(), subscription_store(), asked, licenses(), books(), outbox(), now,
        account_store().check_active,
    )  # fmt: skip


@cache
def subscriptions() -> Subscriptions:
    """What a person does with subscriptions: it charges nobody."""
    from chalicelib.payments.subscriptions import Subscriptions

    return Subscriptions(subscription_store(), license_payments(), outbox(), now)


@cache
def renewals() -> Renewals:
    from chalicelib.payments.renewals import Renewals

    worker = processor("processor-worker-key")
    return Renewals(
        payment_store(), taken(), subscription_store(), worker, telling(worker),
        license_payments(), books(), outbox(), now, member_store().payers,
    )  # fmt: skip


@cache
def orders() -> Orders:
    from chalicelib.payments.service import Orders

    checkout = processor("processor-checkout-key")
    fulfilling = fulfillment(checkout)
    return Orders(
        payment_store(), checkout, telling(checkout), catalog(), accounts(), licenses(),
        fulfilling, attempts(), now,
    )  # fmt: skip


@cache
def inbox() -> Inbox:
    from chalicelib.payments.rules import read_secrets
    from chalicelib.payments.service import Inbox

    return Inbox(
        payment_store(),
        lambda: read_secrets(secrets().get("webhook-secrets")),
        payments_queue().send,
        now,
    )


@cache
def payments_queue() -> FifoQueue:
    from chalicelib.storage.queues import FifoQueue

    return FifoQueue(client("sqs"), settings().payments_queue_url)


@cache
def payments() -> Payments:
    from chalicelib.payments.service import Payments
    from chalicelib.payments.settling import Settling

    worker = processor("processor-worker-key")
    settling = Settling(
        payment_store(), taken(), subscription_store(), worker, license_payments(), books(),
        outbox(), now,
    )  # fmt: skip
    return Payments(payment_store(), worker, fulfillment(worker), settling, now)


@cache
def partner_store() -> PartnerStore:
    from chalicelib.partners.store import PartnerStore

    return PartnerStore(accounts_table(), usage_table())


@cache
def partners() -> Partners:
    from chalicelib.partners.service import Partners
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.storage.objects import Bucket

    bucket = Bucket(client("s3"), settings().logs_bucket)
    return Partners(partner_store(), Ledger(accounts_table()), bucket, keyed(), now)


@cache
def partner_reports() -> PartnerReports:
    from secrets import randbelow

    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.walk import LicenseWalk
    from chalicelib.partners.service import PartnerReports
    from chalicelib.storage.objects import Bucket

    walk = LicenseWalk(LicenseStore(usage_table()))
    bucket = Bucket(client("s3"), settings().logs_bucket)
    return PartnerReports(partner_store(), walk, usage(), catalog(), bucket, randbelow, now)


def forget() -> None:
    """Drop everything made so far; for tests, which bring their own environment."""
    for made in list(globals().values()):
        if callable(getattr(made, "cache_clear", None)):
            made.cache_clear()
