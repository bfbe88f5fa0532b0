"""Every scheduled function, late, twice, three at once and after days of outage.

The functions are read from the cloud's own list of schedules, so that a new one is included.
The clock stands still unless a test moves it: what one run in time left is compared to the letter.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.core.clock import from_text
from tests.cloud.people import WEB, new_customer
from tests.cloud.program import Computer, ok
from tests.cloud.test_purchases import CREW, buy
from tests.hostile.told import account_of, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
AT_ONCE = 3
HOUR = 3600
DAY = 24 * HOUR
pytestmark = pytest.mark.guarantee("G12")


def functions(cloud: LocalCloud) -> list[str]:
    """Whatever runs by schedule."""
    rows = ok(WEB.get(f"{cloud.app}/_local/schedules"))["schedules"]
    found = sorted({row["function"] for row in rows} & set(cloud.control.seed()["functions"]))
    assert found
    return found


def once(cloud: LocalCloud, function: str) -> None:
    cloud.control.run(function)


def twice(cloud: LocalCloud, function: str) -> None:
    for _ in range(2):
        cloud.control.run(function)


def at_once(cloud: LocalCloud, function: str) -> None:
    """Three at the same time: none fails."""

    def run(_: int) -> int:
        return WEB.post(f"{cloud.app}/_local/run/{function}", timeout=300).status_code

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert list(threads.map(run, range(AT_ONCE))) == [200] * AT_ONCE, function


def all_of(cloud: LocalCloud, run: Callable[[LocalCloud, str], None]) -> None:
    """Every function in its turn, and whatever that put into queues."""
    for function in functions(cloud):
        run(cloud, function)
    cloud.control.settle()


class Story:
    """A customer with a subscription, whose program ran twice and was then cut off."""

    def __init__(self, cloud: LocalCloud, application: str, name: str) -> None:
        self.cloud, self.control = cloud, cloud.control
        self.customer = new_customer(cloud, name)
        self.order = buy(self.customer, CREW, seats="2")
        self.control.settle()
        self.account = account_of(self.control, self.order)
        self.computer = Computer(cloud, application)

    def period_end(self) -> int:
        return int(self.subscription()["period_end"])

    def subscription(self) -> Json:
        (found,) = (row for row in self.mine() if row["type"] == "subscription")
        return found

    def mine(self) -> list[Json]:
        found = rows(self.control)
        orders = [row for row in found if row["pk"].endswith(self.account)]
        (license_id,) = {row["license"] for row in orders if row["type"] == "ownership"}
        self.license = license_id
        return [
            row for row in found
            if self.account in json.dumps(row, default=str) or license_id in row["pk"]
        ]  # fmt: skip

    def work(self) -> None:
        """One launch that is ended, and one whose program is cut off."""
        self.computer.sign_in(self.customer)
        first = self.computer.launch("ended")["lease"]
        self.control.advance(90)
        self.computer.end(first)
        self.computer.launch("cut-off")

    def left(self) -> Json:
        """What came of it, without the ids and instants that another customer has otherwise."""
        mine = self.mine()
        kinds = {kind: [row for row in mine if row["type"] == kind] for kind in KINDS}
        totals = [row for row in mine if row["pk"] == f"TOTALS#{self.license}"]
        balances: Counter[str] = Counter()
        for entry in kinds["entry"]:
            assert sum(entry["postings"].values()) == 0
            balances.update(entry["postings"])
        return {
            "payments": sorted(row["amount"] for row in kinds["payment"]),
            "intervals": sorted(row["ended_at"] - row["started_at"] for row in kinds["interval"]),
            "total": sum(row["milliseconds"] for row in totals),
            "counted": sum(row["type"] == "counted" for row in mine),
            "balances": dict(balances),
            "subscription": (self.subscription()["state"], self.subscription()["seats"]),
            "mails": sorted(Counter(self.subjects()).items()),
            "logged": self.logged(),
        }

    def subjects(self) -> list[str]:
        """Of what facts cause; the week's summary comes by the calendar."""
        return [one for one in self.customer.subjects() if not one.startswith("Your usage from")]

    def logged(self) -> list[tuple[str, int]]:
        """The events of the license in the usage logs."""
        found: list[tuple[str, int]] = []
        for key in self.control.dump()["buckets"]["LogsBucket"]["keys"]:
            if self.license in key:
                raw = gzip.decompress(self.control.object("LogsBucket", key)).splitlines()
                lines = [json.loads(line) for line in raw]
                found += [(line["event"], line.get("milliseconds", 0)) for line in lines]
        return sorted(found)


KINDS = ("payment", "interval", "entry")


def go_to(control: Control, instant: int) -> None:
    """Instants in milliseconds."""
    now = from_text(control.now())
    assert instant >= now
    control.advance((instant - now + 5) / 1000)  # the clock stands between two milliseconds


def live(
    story: Story,
    run: Callable[[LocalCloud, str], None],
    steps: tuple[int, ...],
) -> Json:
    """A period of the story: every function runs at each step, in hours from the period's end."""
    cloud, end = story.cloud, story.period_end()
    all_of(cloud, once)
    go_to(story.control, end - 10 * DAY * 1000)
    all_of(cloud, once)
    go_to(story.control, end - 30 * HOUR * 1000)
    all_of(cloud, once)
    story.work()
    for hours in steps:
        go_to(story.control, end + hours * HOUR * 1000)
        all_of(cloud, run)
    return story.left()


@pytest.mark.guarantee("G3")
@pytest.mark.guarantee("G11")
def test_what_three_days_of_outage_left_is_what_runs_in_time_leave(
    cloud: LocalCloud, halyard: Json
) -> None:
    in_time = live(
        Story(cloud, halyard["id"], "in-time"), once, (-29, -20, -1, 0, 1, 24, 45, 72, 73)
    )
    late = Story(cloud, halyard["id"], "outage")
    assert live(late, at_once, (45, 72, 73)) == in_time
    assert in_time["payments"] == [5_800, 5_800]
    assert len(in_time["intervals"]) == 2
    assert in_time["total"] == sum(in_time["intervals"])
    assert in_time["logged"] == sorted(("lease", length) for length in in_time["intervals"])
    assert in_time["subscription"] == ("active", 2)
    assert in_time["balances"]["processor"] == 11_600
    ids = Counter(mail["headers"]["Message-ID"] for mail in late.customer.mails())
    assert set(ids.values()) == {1}


@pytest.mark.parametrize("run", [twice, at_once])
def test_running_again_changes_nothing(
    cloud: LocalCloud, control: Control, halyard: Json, run: Callable[[LocalCloud, str], None]
) -> None:
    """A customer for whom all is due, then every function: its first run does all there is."""
    story = Story(cloud, halyard["id"], f"again-{run.__name__.replace('_', '-')}")
    story.work()
    control.advance(HOUR)
    all_of(cloud, once)
    settled = state(control)
    for function in functions(cloud):
        run(cloud, function)
        control.settle()
        assert changed(settled, state(control)) == [], function


def state(control: Control) -> Json:
    """Every item and every object's key, by name; and the mails."""
    dump = control.dump()
    found = {f"{row['pk']} {row['sk']}": row for row in rows(control)}
    keys = {name: sorted(bucket["keys"]) for name, bucket in dump["buckets"].items()}
    return {**found, **keys, "mails": [mail["headers"]["Message-ID"] for mail in control.mail()]}


def changed(before: Json, after: Json) -> list[str]:
    names = before.keys() | after.keys()
    return sorted(name for name in names if before.get(name) != after.get(name))


def test_visits_are_counted_once_by_three_at_once(cloud: LocalCloud, control: Control) -> None:
    all_of(cloud, once)
    before = visits(control)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    for _ in range(4):
        for _ in range(3):
            headers = {"user-agent": agent, "x-forwarded-for": "198.51.100.9"}
            assert WEB.get(f"{cloud.app}/contact", headers=headers).status_code == 200
        control.settle()
    at_once(cloud, "visit_rollup")
    twice(cloud, "visit_rollup")
    assert visits(control) - before == {"/contact": 12}
    assert control.dump()["buckets"]["VisitorLogsBucket"]["keys"] == []


def visits(control: Control) -> Counter[str]:
    """What the counters say of visits, by path class."""
    found: Counter[str] = Counter()
    for row in rows(control):
        if row["type"] == "visits" and row["sk"].endswith("#page"):
            names = {k.removeprefix("n:"): v for k, v in row.items() if k.startswith("n:")}
            found.update(names)
    return found
