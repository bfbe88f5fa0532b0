"""Licenses with usage, applications on offer, and the report with noise that a test draws."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.catalog.rules import Terms
from chalicelib.core.clock import DAY, from_text
from chalicelib.licenses import items
from chalicelib.licenses.values import Head

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

MONTH = "2026-11"
PLENTY = 900_000


@dataclass
class Office:
    tables: Tables
    clock: FakeClock

    def use(
        self, account: str, slug: str, milliseconds: int, *, day: str = "2026-11-10",
        standing: str = "active", holds: frozenset[str] = frozenset(), granted_at: int = 0,
    ) -> None:  # fmt: skip
        """A license of the account's with so much usage on a day, as the sweep leaves it."""
        usage, license_id = self.tables.usage, f"lic_{account}_{slug}"
        head = Head(
            license=license_id, application=f"app_{slug}", application_name=slug, slug=slug,
            vendor="vnd_1", plan="pln_1", plan_name="Plan", currency="USD", account=account,
            people=frozenset({account}), standing=standing, epoch=0, terms=Terms(1, 0),
            granted_at=granted_at,
        )  # fmt: skip
        item = items.from_head(head, f"HEADS#{len(account) % 4:02d}")
        usage.apply(usage.put(item | ({"holds": set(holds)} if holds else {})))
        total = {
            "pk": f"TOTALS#{license_id}", "sk": day, "type": "total", "v": 1, "usage_day": day,
            "license": license_id, "application": slug, "milliseconds": milliseconds,
        }  # fmt: skip
        usage.apply(usage.put(total))

    def run(self, seed: int = 1) -> dict[str, int]:
        reports = wiring.partner_reports()
        object.__setattr__(reports, "below", random.Random(seed).randrange)  # noqa: S311
        return reports.run(lambda: PLENTY)

    def partner(self, days: int = 365) -> str:
        now = wiring.now()
        return wiring.partners().register("Chart Weekly (test)", now + days * DAY).id


@pytest.fixture
def office(tables: Tables, clock: FakeClock) -> Office:
    clock.now = from_text("2026-12-02T03:00:00Z")
    for slug in ("halyard", "tally"):
        wiring.catalog().add_application(
            vendor_id="vnd_1", vendor_name="Vendor (test)", slug=slug, name=slug.title(),
            summary="A test application.", description="",
        )  # fmt: skip
    return Office(tables, clock)
