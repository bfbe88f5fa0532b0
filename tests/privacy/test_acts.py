"""What the operator does by a command is in the ledger, beside what it changes, and of nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import to_text
from chalicelib.partners.store import Released
from chalicelib.privacy.acts import OPERATOR
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.rules import Event, verify
from chalicelib.storage.dynamo import PRESENT, ConditionFailed
from infra import admin
from tests.cases.conftest import by_form

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.promise("PS-45")

CONTRACT = ("--recipient", "processor", "--contract", "Kim Canary's terms", "--until", "2027-12-31")
RELEASED = Released("2026-10", "aggregates/2026-10.json", "0" * 64, 1)
PARTNER = ("--name", "Chart Weekly (test)", "--until", "2027-12-31")


@pytest.fixture(autouse=True)
def everything(tables: Tables, clock: FakeClock) -> Tables:
    return tables


def reasons() -> list[str]:
    """What the operator's chain tells, which is whole."""
    rows = list(Ledger(wiring.accounts_table()).rows(OPERATOR))
    verify(rows)
    assert {row.entry.event for row in rows} <= {Event.OPERATED}
    return [row.entry.reason or "" for row in rows]


def test_a_contract_is_signed_with_a_row_that_names_it_by_its_hash() -> None:
    assert admin.main(["contract", *CONTRACT]) == 0
    (said,) = reasons()
    assert said.startswith("command:contract:processor:")
    assert said.endswith(":2027-12-31")
    assert "kim" not in said.lower()


def released() -> None:
    """A month's file, paid for and put."""
    store = wiring.partner_store()
    store.spend(RELEASED.month)
    store.release(RELEASED)


def contract() -> None:
    admin.main(["contract", *CONTRACT])


def partner() -> None:
    admin.main(["partner", *PARTNER])


def partner_link() -> None:
    store = wiring.partner_store()
    (known,) = store.partners()
    wiring.partners().new_link(known.id, "2026-10")


def closed_case() -> None:
    (case,) = wiring.cases().listed()
    wiring.cases().close(case.id)


@pytest.mark.parametrize("act", [contract, partner, partner_link, closed_case])
def test_without_its_row_nothing_is_done(
    act: Callable[[], None], tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row's place is refused: what it tells of is refused with it."""
    wiring.partners().register("Chart Weekly (test)", wiring.now() + 10**9)
    released()
    by_form()
    before = tables.dump()
    never = tables.accounts.check("LEDGER#nobody", "ROW#0000000001", PRESENT)
    monkeypatch.setattr(Ledger, "append", lambda *_: [never])
    with pytest.raises(ConditionFailed):
        act()
    assert tables.dump() == before


def test_a_partner_and_another_end_of_its_contract() -> None:
    partner = wiring.partners().register("Chart Weekly (test)", wiring.now())
    assert admin.main(["partner", *PARTNER, "--partner", partner.id]) == 0
    first, last = reasons()
    assert first == f"command:partner:{partner.id}:{to_text(wiring.now())[:10]}"
    assert last == f"command:partner:{partner.id}:2028-01-01"


def test_a_partners_link_and_not_its_token() -> None:
    partner = wiring.partners().register("Chart Weekly (test)", wiring.now() + 10**9)
    released()
    assert admin.main(["partner-link", "--partner", partner.id, "--month", "2026-10"]) == 0
    assert reasons()[1:] == [f"command:partner-link:{partner.id}:2026-10"]
