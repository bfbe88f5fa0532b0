"""The part of the composition root that makes what leaving needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.settings import settings

if TYPE_CHECKING:
    from chalicelib.payments.processor import Biller
    from chalicelib.rights.correcting import Correcting
    from chalicelib.rights.deactivation import Deactivation
    from chalicelib.rights.effects import Counting
    from chalicelib.rights.erasure import Erasure
    from chalicelib.rights.export import Export
    from chalicelib.rights.proving import Proving
    from chalicelib.rights.store import LeavingStore
    from chalicelib.rights.sweep import RightsSweep


def leaving_store() -> LeavingStore:
    from chalicelib.rights.store import LeavingStore

    return LeavingStore(wiring.accounts_table(), wiring.keys_table())


def erasure() -> Erasure:
    from chalicelib.mail.store import MailStore
    from chalicelib.rights.erasure import Erasure
    from chalicelib.rights.estate import Estate
    from chalicelib.rights.store import FiscalStore

    table = wiring.accounts_table()
    estate = Estate(
        wiring.account_store(), wiring.session_store(), wiring.licenses(), wiring.members(),
        wiring.guests(), wiring.subscription_store(), MailStore(table), wiring.wishes(),
        wiring.vault().ledger, wiring.now,
    )  # fmt: skip
    return Erasure(
        leaving_store(), FiscalStore(table), wiring.account_store(), wiring.vault(),
        wiring.taken(), estate, wiring.outbox(), wiring.links(), wiring.times(),
        wiring.now,
    )  # fmt: skip


def deactivation() -> Deactivation:
    from chalicelib.rights.deactivation import Deactivation

    return Deactivation(
        leaving_store(), wiring.account_store(), wiring.sessions(), wiring.vault(),
        wiring.licenses(), wiring.license_payments(), wiring.subscriptions(),
        wiring.now,
    )  # fmt: skip


def counting() -> Counting:
    from chalicelib.rights.effects import Counting

    return Counting(
        wiring.licenses(), wiring.subscription_store(), wiring.taken(), wiring.member_store()
    )


def proving() -> Proving:
    from chalicelib.accounts.passwords import Passwords
    from chalicelib.rights.proving import Proving

    return Proving(
        wiring.account_store(), Passwords(), wiring.attempts(), wiring.links(), wiring.sessions(),
        wiring.now,
    )  # fmt: skip


def correcting() -> Correcting:
    from chalicelib.rights.correcting import Correcting

    return Correcting(wiring.accounts(), proving())


def export() -> Export:
    from chalicelib.rights.export import Export

    return Export(
        wiring.account_store(), wiring.session_store(), wiring.vault(), wiring.licenses(),
        wiring.members(), wiring.labels(), wiring.usage(), wiring.payment_store(), wiring.taken(),
        wiring.subscription_store(), wiring.wishes(), wiring.keyed(), wiring.now,
        settings().base_url,
    )  # fmt: skip


def rights_sweep() -> RightsSweep:
    from chalicelib.rights.sweep import RightsSweep

    def worker() -> Biller:
        return wiring.processor("processor-worker-key")

    return RightsSweep(
        erasure(), deactivation(), wiring.payment_store(), worker, wiring.stops(), wiring.now
    )
