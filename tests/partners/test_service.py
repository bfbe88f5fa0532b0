"""PS-37 and PS-38: a file a month, the same bytes for all, within the year's budget."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, from_text
from chalicelib.licenses.rules import REVOKED
from chalicelib.partners.rules import (
    THRESHOLD,
    AlreadyDrawn,
    BudgetSpent,
    ContractOver,
    NoSuchFile,
    PartnerUnknown,
)
from chalicelib.partners.service import LINK_LIFE, OutOfTime
from chalicelib.privacy.rules import verify
from chalicelib.rights.rules import HOLD
from tests.browser import Browser
from tests.conftest import kept_client
from tests.crash import Killed
from tests.partners.conftest import MONTH, Office

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.promise("PS-37")


def stored() -> dict[str, bytes]:
    s3 = boto3.client("s3", region_name="eu-west-1")
    listed = s3.list_objects_v2(Bucket="cetrus-logs").get("Contents", [])
    return {
        found["Key"]: s3.get_object(Bucket="cetrus-logs", Key=found["Key"])["Body"].read()
        for found in listed
    }


def told() -> dict[str, Any]:
    (data,) = stored().values()
    return dict(json.loads(data))


@pytest.fixture
def town(office: Office) -> Office:
    """Enough people that something may be said."""
    for number in range(60):
        office.use(f"acc_{number}", "halyard", 2 * HOUR)
    for number in range(3):
        office.use(f"acc_{number}", "tally", HOUR)
    office.partner()
    return office


class TestRelease:
    def test_the_file_counts_each_account_once_and_hides_what_is_small(self, town: Office) -> None:
        assert town.run() == {"released": 1}
        tables = told()["tables"]
        assert abs(tables["hours"]["1 to 10"] - 60) < 15
        assert tables["hours"]["under 1"] is None
        assert tables["application"] == {"halyard": None, "tally": None}, "one never hides alone"
        assert told()["month"] == MONTH
        assert "for one account added or removed" in told()["unit"]

    @pytest.mark.promise("PS-73", "PS-83")
    @pytest.mark.parametrize(
        "left", [{"holds": frozenset({HOLD})}, {"standing": REVOKED}], ids=["rests", "is-gone"]
    )
    def test_whoever_rests_or_left_is_not_counted(self, town: Office, left: dict[str, Any]) -> None:
        for number in range(200):
            town.use(f"acc_gone_{number}", "halyard", 2 * HOUR, **left)
        town.use("acc_asked_back", "halyard", 2 * HOUR, holds=frozenset({"pay_1"}))
        town.run()
        assert abs(told()["tables"]["hours"]["1 to 10"] - 61) < 15

    @pytest.mark.promise("PS-38")
    def test_asking_again_gives_the_same_bytes_and_costs_nothing(self, town: Office) -> None:
        town.run(seed=1)
        before = stored()
        for seed in (2, 3):
            assert town.run(seed=seed) == {"released": 0}
        assert stored() == before
        assert wiring.partners().spent("2026") == Fraction(1)

    @pytest.mark.promise("PS-38")
    def test_a_file_that_is_lost_with_its_row_is_not_drawn_again(
        self, town: Office, tables: Tables
    ) -> None:
        """Two draws for one price average to the truth; the budget's row knows the first."""
        town.run(seed=1)
        (key,) = stored()
        kept_client("s3").delete_object(Bucket="cetrus-logs", Key=key)
        tables.accounts.apply(tables.accounts.delete("AGGREGATES", MONTH))
        for seed in (2, 3):
            with pytest.raises(ClientError, match="NoSuchKey"):
                town.run(seed)
        assert stored() == {}
        assert wiring.partner_store().released(MONTH) is None

    @pytest.mark.promise("PS-38")
    def test_other_bytes_in_its_place_are_refused(self, town: Office, tables: Tables) -> None:
        town.run(seed=1)
        ((key, data),) = stored().items()
        tables.accounts.apply(tables.accounts.delete("AGGREGATES", MONTH))
        for content in (data + b" ", b"{}"):
            kept_client("s3").put_object(Bucket="cetrus-logs", Key=key, Body=content)
            with pytest.raises(AlreadyDrawn):
                town.run(seed=2)
        assert wiring.partner_store().released(MONTH) is None

    def test_a_row_that_is_lost_comes_back_for_the_same_bytes(
        self, town: Office, tables: Tables
    ) -> None:
        town.run(seed=1)
        before = stored()
        first = wiring.partner_store().released(MONTH)
        tables.accounts.apply(tables.accounts.delete("AGGREGATES", MONTH))
        assert town.run(seed=2) == {"released": 1}
        assert stored() == before
        assert wiring.partner_store().released(MONTH) == first

    def test_what_is_in_the_bucket_is_what_the_budget_says(
        self, town: Office, clock: FakeClock
    ) -> None:
        for day in ("2026-12-02", "2026-12-20", "2027-01-05", "2027-02-02"):
            clock.now = from_text(f"{day}T03:00:00Z")
            town.run()
        months = [item["sk"] for item in wiring.accounts_table().query("AGGREGATES")]
        assert months == ["2026-11", "2026-12", "2027-01"]
        assert sorted(stored()) == [f"aggregates/{month}.json" for month in months]
        assert wiring.partner_store().spent("2026")[1] == {"2026-11", "2026-12"}
        assert wiring.partner_store().spent("2027")[1] == {"2027-01"}

    def test_nothing_is_spent_while_nobody_may_have_it(self, office: Office) -> None:
        assert office.run() == {"released": 0}
        office.partner(days=-1)
        assert office.run() == {"released": 0}
        assert wiring.partners().spent("2026") == 0

    def test_a_month_is_told_of_once_it_is_counted_to_its_end(
        self, town: Office, clock: FakeClock
    ) -> None:
        clock.now = from_text("2026-12-01T00:10:00Z")
        assert town.run() == {"released": 0}

    @pytest.mark.promise("PS-38")
    def test_a_spent_budget_releases_nothing(self, town: Office, tables: Tables) -> None:
        item = {
            "pk": "EPSILON#2026", "sk": "EPSILON", "type": "epsilon", "v": 1, "spent": 11_500,
            "months": {"2026-01"},
        }  # fmt: skip
        tables.accounts.apply(tables.accounts.put(item))
        with pytest.raises(BudgetSpent):
            town.run()
        assert stored() == {}

    def test_what_cannot_be_read_whole_is_not_released(self, town: Office) -> None:
        with pytest.raises(OutOfTime):
            wiring.partner_reports().run(lambda: 1_000)
        assert stored() == {}
        assert wiring.partners().spent("2026") == 0

    @pytest.mark.guarantee("G12")
    @pytest.mark.parametrize("place", ["create", "release"])
    @pytest.mark.parametrize("after", [False, True])
    def test_a_run_that_died_is_finished_by_the_next_without_paying_twice(
        self, town: Office, monkeypatch: pytest.MonkeyPatch, place: str, *, after: bool
    ) -> None:
        reports = wiring.partner_reports()
        owner: Any = type(reports.bucket) if place == "create" else type(reports.store)
        real = getattr(owner, place)

        def die(*args: Any, **named: Any) -> None:
            if after:
                real(*args, **named)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(owner, place, die)
            with pytest.raises(Killed):
                town.run(seed=1)
        written = stored()
        town.run(seed=2)
        assert wiring.partners().spent("2026") == Fraction(1)
        assert stored().items() >= written.items(), "what was written once stays"
        released = wiring.partner_store().released(MONTH)
        assert released
        assert stored().keys() == {released.key}

    def test_every_number_that_goes_out_is_large(self, town: Office) -> None:
        town.run()
        numbers = [n for cells in told()["tables"].values() for n in cells.values()]
        assert any(numbers)
        assert all(number is None or number >= THRESHOLD for number in numbers)


class TestFetching:
    def link(self, office: Office) -> tuple[str, str]:
        partner = office.partner()
        office.run()
        return partner, wiring.partners().new_link(partner, MONTH)

    def test_a_link_leads_to_the_file_once_and_the_ledger_says_so(self, town: Office) -> None:
        partner, token = self.link(town)
        page = Browser()
        assert "Chart Weekly (test)" in page.get(f"/partners/{token}").words
        answer = page.post(f"/partners/{token}", {})
        assert answer.status == 303
        assert "aggregates/2026-11.json" in answer.location
        rows = list(wiring.partners().ledger.rows(partner))
        assert [row.entry.event for row in rows] == ["shared"]
        assert verify(rows)
        assert page.get(f"/partners/{token}").status == 404

    def test_looking_changes_nothing(self, town: Office, tables: Tables) -> None:
        _, token = self.link(town)
        before = tables.dump()
        Browser().get(f"/partners/{token}")
        assert tables.dump() == before

    def test_a_link_ends_after_a_week(self, town: Office, clock: FakeClock) -> None:
        _, token = self.link(town)
        clock.advance(LINK_LIFE)
        with pytest.raises(NoSuchFile):
            wiring.partners().fetch(token)

    def test_no_contract_no_file(self, town: Office, clock: FakeClock) -> None:
        _, token = self.link(town)
        ended = town.partner(days=0)
        with pytest.raises(ContractOver):
            wiring.partners().new_link(ended, MONTH)
        with pytest.raises(PartnerUnknown):
            wiring.partners().new_link("ptr_nobody", MONTH)
        partner = next(one for one in wiring.partner_store().partners() if one.id != ended)
        assert partner.ends_at > clock.now
        assert wiring.partners().waiting(token)

    def test_a_contract_that_ends_ends_its_links(self, town: Office, clock: FakeClock) -> None:
        partner = town.partner(days=2)
        town.run()
        token = wiring.partners().new_link(partner, MONTH)
        clock.advance(2 * DAY)
        with pytest.raises(ContractOver):
            wiring.partners().fetch(token)

    def test_a_month_that_was_not_released_has_no_link(self, town: Office) -> None:
        with pytest.raises(NoSuchFile):
            wiring.partners().new_link(town.partner(), "2026-10")
