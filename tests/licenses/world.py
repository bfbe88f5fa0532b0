"""A license service on any engine, with a catalog of one plan and clocks in the test's hands."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from chalicelib.catalog.offers import terms_of
from chalicelib.catalog.rules import Application, Plan, Terms
from chalicelib.core.ids import new_id
from chalicelib.core.keyed import KeyedHash
from chalicelib.licenses.items import interval, open_leases
from chalicelib.licenses.rules import Ask, held, spent
from chalicelib.licenses.service import Licenses
from chalicelib.licenses.store import LicenseStore
from chalicelib.storage.dynamo import Database, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.licenses.values import Head, Interval, Lease
    from chalicelib.licenses.verdicts import Verdict

TTL = 300_000
GRACE = 43_200_000
NOON = 1_795_608_000_000  # 2026-11-25T12:00:00Z
APPLICATION = Application("app_one", "vnd_one", "Halyard", "orchard", "Orchard", "Draws trees.")
RATE = 37_000_000  # 0.37 USD an hour
TERMS = Terms(version=1, rate=RATE)
RELEASES = {"1.0.0": "published", "0.9.0": "withdrawn"}


class FakeCatalog:
    def application(self, application_id: str) -> Application | None:
        return APPLICATION if application_id == APPLICATION.id else None

    def release_fact(self, application_id: str, version: str) -> str | None:
        return RELEASES.get(version)


@dataclass
class Clock:
    now: int = NOON

    def __call__(self) -> int:
        return self.now


@dataclass
class World:
    """One engine; `at(skew)` is a server whose clock differs by so many milliseconds."""

    client: Any
    clock: Clock = field(default_factory=Clock)
    usage_name: str = "usage"
    accounts_name: str = "accounts"
    wrap: Callable[[Any], Any] = lambda client: client

    def __post_init__(self) -> None:
        self.names = itertools.count()
        self.licenses = self.at()
        self.account = new_id("acc")
        self.store = self.licenses.store

    def at(self, skew: int = 0, client: Any = None) -> Licenses:
        database = Database(client or self.wrap(self.client))
        usage, accounts = Table(database, self.usage_name), Table(database, self.accounts_name)
        catalog: Any = FakeCatalog()
        keyed = KeyedHash(b"k" * 32)
        return Licenses(
            LicenseStore(usage), accounts, catalog, lambda: keyed, lambda: self.clock.now + skew
        )

    def license(self, seats: int | None = None, cap: int | None = None, **terms: Any) -> str:
        license_id = new_id("lic")
        plan = Plan(
            "pln_one", "vnd_one", "app_one", "metered", "By the hour", "USD",
            replace(TERMS, seats=seats, **terms),
        )  # fmt: skip
        writes = self.licenses.grant(
            license_id, self.account, plan, self.clock.now, "order:one", cap=cap
        )
        self.store.usage.transact(*writes)
        return license_id

    def bought(self, kind: str, seats: int | None = None, **facts: Any) -> str:
        """A license of a plan of this kind, in dollars, by the account that each world has."""
        license_id, terms = new_id("lic"), terms_of(kind, "USD", facts)  # type: ignore[arg-type]  # facts by name
        plan = Plan("pln_one", "vnd_one", "app_one", kind, "A plan", "USD", terms)
        writes = self.licenses.grant(
            license_id, self.account, plan, self.clock.now, "order:one", seats=seats
        )
        self.store.usage.database.transact(*writes)
        return license_id

    def ask(self, license_id: str, launch: str = "", /, segment: int = 0, **more: Any) -> Ask:
        person = self.licenses.person(self.account, "app_one")
        usual: dict[str, Any] = {
            "application": "app_one", "person": person, "own": (license_id,),
            "license_id": license_id, "computer": "cmp", "launch_id": launch, "segment": segment,
        }  # fmt: skip
        return Ask(**{**usual, **more})

    def name(self) -> str:
        return f"launch-{next(self.names)}-{new_id('x')}"

    def launch(
        self, license_id: str, launch: str | None = None, /, segment: int = 0, *,
        by: Licenses | None = None, **more: Any,
    ) -> Verdict:  # fmt: skip
        ask = self.ask(license_id, launch or self.name(), segment, **more)
        return (by or self.licenses).launch(ask)

    def opened(self, license_id: str, launch: str | None = None, /, **more: Any) -> Lease:
        return lease_of(self.launch(license_id, launch, **more))

    def beat(
        self, lease: Lease, seq: int, *, by: Licenses | None = None, shown: bool = True
    ) -> Verdict:
        return (by or self.licenses).heartbeat(lease, seq, shown=shown)

    def head(self, license_id: str) -> Head:
        head = self.store.head(license_id)
        assert head
        return head

    def rows(self, license_id: str) -> list[Interval]:
        """Every interval of the license, in the two months that tests play in."""
        found = []
        for month in ("2026-11", "2026-12"):
            items = self.store.usage.query(f"LICENSE#{license_id}#{month}", between=("0", "9~"))
            found += [interval(item) for item in items]
        return found

    def open(self, license_id: str) -> list[dict[str, Any]]:
        return open_leases(self.store.everything(license_id))

    def room_adds_up(self, license_id: str) -> int:
        """`spent + held + room = cap`, recomputed from the rows and the open leases."""
        from chalicelib.licenses import items

        view = self.store.view(license_id)
        assert view.room
        assert view.head
        open_now = [items.lease(item, view.head) for item in self.open(license_id)]
        reserved = sum(held(lease) for lease in open_now)
        rate = view.head.terms.rate
        paid = sum(cost_of(row, rate) for row in self.rows(license_id))
        assert view.room.spent == paid
        assert view.room.spent + reserved + view.room.room == view.room.cap
        assert view.room.room >= 0
        return view.room.room

    def close_expired(self, license_id: str) -> None:
        from chalicelib.licenses import items

        head = self.head(license_id)
        for item in self.open(license_id):
            lease = items.lease(item, head)
            if lease.expires_at <= self.clock.now:
                self.licenses.renewing.close_expired(lease)


def cost_of(row: Interval, rate: int) -> int:
    return -(-(row.ended_at - row.started_at) * rate // 3_600_000)


def lease_of(verdict: Verdict) -> Lease:
    assert verdict.lease, verdict
    return verdict.lease


def peak(rows: list[Interval]) -> int:
    """The most leases alive at one instant, by the rows alone."""
    edges = [(row.started_at, 1) for row in rows if row.held_until > row.started_at]
    edges += [(row.held_until, -1) for row in rows if row.held_until > row.started_at]
    live = most = 0
    for _, change in sorted(edges):
        live += change
        most = max(most, live)
    return most


__all__ = ["GRACE", "NOON", "TTL", "Clock", "World", "cost_of", "lease_of", "peak", "spent"]
