"""A month's file for partners: made once, paid for from the year's budget, fetched by a link."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, day_of
from chalicelib.core.ids import new_id, new_token
from chalicelib.core.signing import canonical
from chalicelib.licenses.rules import REVOKED
from chalicelib.observability import count
from chalicelib.partners.rules import (
    EPSILON,
    THRESHOLD,
    ContractOver,
    NoSuchFile,
    Partner,
    PartnerUnknown,
    Use,
    counted,
    month_before,
    released,
)
from chalicelib.partners.store import FileLink, Released
from chalicelib.privacy.acts import OPERATOR, commanded
from chalicelib.privacy.rules import Entry, Event
from chalicelib.rights.rules import HOLD
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from fractions import Fraction

    from chalicelib.catalog.service import Catalog
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.licenses.values import Head
    from chalicelib.licenses.walk import LicenseWalk
    from chalicelib.partners.noise import Draw
    from chalicelib.partners.store import PartnerStore
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.storage.objects import Bucket
    from chalicelib.usage.service import Usage

PREFIX = "aggregates"
LINK_LIFE = 7 * DAY
FETCH_SECONDS = 300
STRETCH = 200
MOST_APPLICATIONS = 10_000
SETTLED = 2  # the day of the month from which the one before is counted to its end
RESERVE = 60_000  # milliseconds that drawing and writing may take


class OutOfTime(Exception):
    """The licenses could not all be read; nothing was released, and the next run tries again."""


@dataclass(frozen=True, slots=True)
class PartnerReports:
    """`below` draws the noise; outside of tests it is the operating system's."""

    store: PartnerStore
    walk: LicenseWalk
    usage: Usage
    catalog: Catalog
    bucket: Bucket
    below: Draw
    clock: Clock

    def run(self, time_left: Callable[[], int]) -> dict[str, int]:
        """Release the last whole month, where a partner may have it and nobody did before.

        A run that was missed is caught up by any later one of the same month. Once the month's
        file was drawn nothing is drawn for it again, also where the file or its row was lost.
        """
        now = self.clock()
        today = day_of(now)
        month = month_before(today)
        wanted = any(partner.may_fetch(now) for partner in self.store.partners())
        if not wanted or int(today[8:]) < SETTLED or self.store.released(month):
            return {"released": 0}
        if not self.store.drawn(month):
            tables = counted(self._uses(month, time_left), self._applications())
            self.store.spend(month)
            self._draw(month, tables)
        self._release(month, now)
        count("aggregates_released")
        return {"released": 1}

    def _draw(self, month: str, tables: Mapping[str, Mapping[str, int]]) -> None:
        """The first bytes that are written count: whoever comes later leaves them."""
        out = {name: released(cells, EPSILON, self.below) for name, cells in tables.items()}
        data = canonical(document(month, out))
        self.bucket.create(key_of(month), data, content_type="application/json")

    def _release(self, month: str, now: int) -> None:
        data = self.bucket.read(key_of(month))
        self.store.release(Released(month, key_of(month), hashlib.sha256(data).hexdigest(), now))

    def _uses(self, month: str, time_left: Callable[[], int]) -> list[Use]:
        """What each account used, whoever launched: its licenses' days of the month.

        Whoever rests or left is not counted: their licenses are on hold, or revoked.
        """
        found: dict[str, dict[str, int]] = {}
        place, more = "", True
        while more:
            if time_left() < RESERVE:
                raise OutOfTime
            heads, place, unread = self.walk.stretch(place, STRETCH)
            if unread:
                raise OutOfTime
            for head in filter(_stays, heads):
                used = self.usage.between(head.license, f"{month}-01", f"{month}-31")
                if used:
                    own = found.setdefault(head.account, {})
                    own[head.slug] = own.get(head.slug, 0) + used
            more = bool(place)
        return [Use(by_application) for by_application in found.values()]

    def _applications(self) -> list[str]:
        listed, _ = self.catalog.search("", None, MOST_APPLICATIONS)
        return [str(item["slug"]) for item in listed]


def key_of(month: str) -> str:
    return f"{PREFIX}/{month}.json"


def _stays(head: Head) -> bool:
    return HOLD not in head.holds and head.standing != REVOKED


def document(month: str, tables: Mapping[str, Mapping[str, int | None]]) -> dict[str, object]:
    """What the file holds; hidden cells are null."""
    return {
        "month": month,
        "unit": "Accounts, each counted once in a table. Epsilon is a table's, for one account "
        "added or removed.",
        "epsilon": str(EPSILON),
        "threshold": THRESHOLD,
        "tables": tables,
    }


@dataclass(frozen=True, slots=True)
class Partners:
    """The register, and the way to a file; each act of the operator with a row in the ledger."""

    store: PartnerStore
    ledger: Ledger
    bucket: Bucket
    keyed: KeyedHash
    clock: Clock

    def register(self, name: str, ends_at: int, partner_id: str = "") -> Partner:
        """A new partner, or another end of the contract of one that is there."""
        if partner_id and self.store.partner(partner_id) is None:
            raise PartnerUnknown
        partner, now = Partner(partner_id or new_id("ptr"), name, ends_at), self.clock()
        row = commanded("partner", partner.id, day_of(ends_at))
        self.ledger.commit(
            lambda: [self.store.put(partner, now), *self.ledger.append(OPERATOR, [row], now)]
        )
        return partner

    def new_link(self, partner_id: str, month: str) -> str:
        """The token of a link that fetches the month's file once, within a week."""
        now = self.clock()
        self._partner(partner_id, now)
        if self.store.released(month) is None:
            raise NoSuchFile
        token = new_token()
        link = FileLink(self._hashed(token), partner_id, month, now + LINK_LIFE, used=False)
        row = commanded("partner-link", partner_id, month)
        self.ledger.commit(
            lambda: [self.store.put_link(link), *self.ledger.append(OPERATOR, [row], now)]
        )
        return token

    def waiting(self, token: str) -> tuple[Partner, Released]:
        """Whom a link is for and what it fetches; nothing is changed."""
        now, link = self.clock(), self.store.link(self._hashed(token))
        found = self.store.released(link.month)
        if link.used or now >= link.ends_at or found is None:
            raise NoSuchFile
        return self._partner(link.partner, now), found

    def fetch(self, token: str) -> str:
        """A presigned address of five minutes, after the ledger says who fetched which month."""
        partner, found = self.waiting(token)
        now, hashed = self.clock(), self._hashed(token)
        entry = Entry(Event.SHARED, reason=f"aggregate:{found.month}:{found.sha256[:16]}")
        try:
            self.ledger.commit(
                lambda: [
                    self.store.use_link(hashed, now),
                    *self.ledger.append(partner.id, [entry], now),
                ]
            )
        except ConditionFailed:
            raise NoSuchFile from None
        name = f"cetrus-{found.month}.json"
        return self.bucket.presign_get(found.key, seconds=FETCH_SECONDS, filename=name)

    def spent(self, year: str) -> Fraction:
        """The epsilon that a year's files have cost; every one of them is public."""
        return self.store.spent(year)[0]

    def _partner(self, partner_id: str, now: int) -> Partner:
        partner = self.store.partner(partner_id)
        if partner is None:
            raise PartnerUnknown
        if not partner.may_fetch(now):
            raise ContractOver
        return partner

    def _hashed(self, token: str) -> str:
        return self.keyed.of("partner-link", token)
