"""The part of the composition root that hears people and minds what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.settings import settings
from chalicelib.storage import aws

if TYPE_CHECKING:
    from chalicelib.cases.service import Cases
    from chalicelib.cases.sweep import CaseSweep
    from chalicelib.mail.inbound import InboundMail
    from chalicelib.staff.reminders import Reminders


def cases() -> Cases:
    from chalicelib.cases.service import Cases
    from chalicelib.cases.store import CaseStore
    from chalicelib.privacy.ledger import Ledger

    return Cases(
        CaseStore(wiring.accounts_table()), wiring.guests(), wiring.outbox(), wiring.links(),
        wiring.attempts(), wiring.accounts().by_claim, wiring.keyed(),
        Ledger(wiring.accounts_table()), wiring.now,
    )  # fmt: skip


def case_sweep() -> CaseSweep:
    from chalicelib.cases.sweep import CaseSweep

    return CaseSweep(wiring.cases(), wiring.staff_mail(), wiring.now)


def staff_reminders() -> Reminders:
    from chalicelib.staff.reminders import Reminders

    return Reminders(wiring.staff_mail(), wiring.now)


def inbound_mail() -> InboundMail:
    from chalicelib.mail.inbound import InboundMail
    from chalicelib.mail.stopping import Stopping
    from chalicelib.privacy.timings import Which
    from chalicelib.storage.objects import Bucket

    bucket, wishes = Bucket(aws.client("s3"), settings().mail_bucket), wiring.wishes()
    stops = wiring.stops()
    stopping = Stopping(
        wishes, wiring.keyed(), wiring.now, wiring.times(), stops.commit,
        wiring.account_store().standing, stops.later, which=Which.STOPPED_BY_MAIL,
    )  # fmt: skip
    return InboundMail(
        bucket, wishes, stopping, stops, wiring.cases(),
        wiring.guests(), wiring.outbox(), wiring.keyed(), settings().mail_domain,
        wiring.accounts().by_claim, wiring.now,
    )  # fmt: skip
