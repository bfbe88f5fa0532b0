"""Every night the counters are looked at where they lie: no instant but a day, no name but ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY as A_DAY
from chalicelib.core.clock import day_of
from chalicelib.privacy import wiring as records
from chalicelib.storage.wire import to_wire_item
from chalicelib.visits.shapes import as_promised, look
from tests.conftest import kept_client
from tests.visits.logs import DAY, Door, line, rollup

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

pytestmark = [pytest.mark.promise("PS-31"), pytest.mark.guarantee("G9")]
MONTH = DAY[:7]
PAGES: dict[str, Any] = {
    "pk": f"VISITS#{MONTH}#0", "sk": f"{DAY}#page", "type": "visits", "v": 1, "n:/apps": 2,
    "purge_at": 1_796_083_200,
}  # fmt: skip


def item(**changed: Any) -> dict[str, Any]:
    """As the roll-up leaves one; under another family it has no page."""
    made = {**PAGES, **changed}
    return made if "page" in made["sk"] else {n: v for n, v in made.items() if n != "n:/apps"}


@pytest.mark.parametrize(
    "odd",
    [
        item(purge_at=PAGES["purge_at"] + 1),
        item(at=1_795_616_400_000),
        item(last="2026-11-25T11:20"),
        item(sk=f"{DAY}#page#11:20"),
        item(pk=f"VISITS#{MONTH}#0af3"),
        item(sk=f"{DAY}#visitor"),
        {**item(), "n:/orders/abc": 1},
        {**item(sk=f"{DAY}#browser"), "n:Firefox|DE": 1},
        {**item(sk=f"{DAY}#move"), "n:/ > /apps > /contact": 1},
        {**item(sk=f"{DAY}#referrer"), "n:https://news.example/a?reader=9": 1},
        {**item(sk=f"{DAY}#network"), "n:203.0.113.9": 1},
        {**item(pk=f"VISITS#HOURS#{DAY}", sk="1"), "n:11:20": 1},
    ],
)
def test_what_says_more_is_found(odd: dict[str, Any]) -> None:
    assert not as_promised(odd)


def test_all_that_the_roll_up_and_the_exits_leave_is_as_promised(
    door: Door, tables: Tables, clock: FakeClock
) -> None:
    for page, referrer in (("/", "https://www.news.example/a"), ("/apps", "-"), ("/x", "bad")):
        door.write(line(page=page, referrer=referrer), line(page="/contact", asn="9", country="-"))
    door.write(data=b"broken")
    rollup()
    wiring.visit_store().leave(DAY, "news.example")
    kept = [i for i in tables.items("usage") if i["pk"].startswith(("VISITS#", "EXITS#"))]
    assert [i for i in kept if not as_promised(i)] == []
    assert look(wiring.visit_store(), clock.now) == {"looked_at": len(kept), "findings": 0}


def test_the_night_tells_of_one_and_raises_the_alarm(door: Door, clock: FakeClock) -> None:
    assert records.night_check().run()["counters"] == {}
    door.write(line())
    rollup()
    wiring.visit_sweep().run()
    assert "counters_say_more" not in records.night_check().run()["findings"]
    planted = to_wire_item(item(at=clock.now))
    kept_client("dynamodb").put_item(TableName="usage", Item=planted)
    wiring.visit_sweep().run()
    assert wiring.visit_store().looked()["findings"] == 0  # once a day
    clock.advance(A_DAY)
    wiring.visit_sweep().run()
    found = records.night_check().run()
    assert (found["counters"]["findings"], found["counters"]["day"]) == (1, day_of(clock.now))
    assert "counters_say_more" in found["findings"]


def test_of_the_months_before_each_has_its_night(tables: Tables, clock: FakeClock) -> None:
    old = item(pk="VISITS#2025-06#0", sk="2025-06-10#page", at=clock.now)
    kept_client("dynamodb").put_item(TableName="usage", Item=to_wire_item(old))
    store = wiring.visit_store()
    nights = [look(store, clock.now + n * A_DAY)["findings"] for n in range(26)]
    assert sum(nights) >= 1
