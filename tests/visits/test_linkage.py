"""Nothing retained ties a visit to an account (G9), and every attack succeeds on the leaky twin."""

from __future__ import annotations

import hashlib
import hmac
import random
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import from_text
from chalicelib.edge.exits import link_out
from chalicelib.privacy.inventory import ITEMS
from chalicelib.visits import rules
from chalicelib.visits.rules import Roll, day_start, rolled
from chalicelib.visits.store import names_of
from tests.accounts.conftest import REGISTRATION
from tests.browser import Browser
from tests.conftest import HASH_KEY
from tests.gate import FIGURE
from tests.visits import linkage
from tests.visits.logs import CHROME, DAY, Door, line, rollup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import FakeClock, Tables

pytestmark = [pytest.mark.guarantee("G9"), pytest.mark.promise("PS-31")]

DAYS = {2_000: 5, 200: 50, 50: 200}  # so many days of so many visitors
SMALL = 50
TRIES = 1_000  # accounts, of which one visitor in ten makes one
# What the counters may tell over a guess among all who came. Few visitors are a limit that is told.
MARGIN = {2_000: 0.01, 200: 0.01, SMALL: 0.03}


@pytest.fixture
def figures(record_property: Callable[[str, Any], None]) -> Iterator[dict[str, str]]:
    """What an attack came to, for the proof page: the gate (tests/gate.py) keeps it."""
    found: dict[str, str] = {}
    yield found
    for figure in found.items():
        record_property(FIGURE, figure)


@pytest.fixture(scope="module")
def worlds() -> dict[int, list[Any]]:
    """People, their accounts, and what is retained of their visits, by visitors a day."""
    found: dict[int, list[Any]] = {}
    for visitors, days in DAYS.items():
        for seed in range(1, days + 1):
            people, accounts = linkage.world(seed, visitors, visitors // 10)
            kept = linkage.traces_of_counters(rolled(linkage.log_lines(people)).days)
            found.setdefault(visitors, []).append((seed, people, accounts, kept))
    return found


def crossed(people: Any) -> Any:
    return linkage.traces_of_counters(
        linkage.counted_by(linkage.CrossTab("", None), linkage.log_lines(people))
    )


def by_file(people: Any) -> Any:
    return linkage.traces_of_files(people, 15 * 60)


LEAKY = pytest.mark.parametrize("leaky", [crossed, by_file])


def linked(worlds: list[Any], leaky: Any = None) -> int:
    return sum(
        linkage.link_by_time(leaky(people) if leaky else kept, accounts, people, seed)
        for seed, people, accounts, kept in worlds
    )


def inferred(worlds: list[Any], leaky: Any = None) -> int:
    return sum(
        linkage.infer_browser(leaky(people) if leaky else kept, accounts, people)
        for _, people, accounts, kept in worlds
    )


def prior(worlds: list[Any]) -> int:
    """Browsers that are guessed rightly without any log."""
    return sum(
        account.browser == Counter(one.browser for one in people).most_common(1)[0][0]
        for _, people, accounts, _ in worlds
        for account in accounts
    )


class TestTiming:
    """A3: when an account was made, and who came with what, against every cell and its time."""

    @pytest.mark.parametrize("visitors", DAYS)
    def test_counters_link_hardly_more_than_guessing(
        self, worlds: dict[int, list[Any]], visitors: int, figures: dict[str, str]
    ) -> None:
        right = linked(worlds[visitors])
        name = f"accounts linked by what is kept, {visitors} visitors a day"
        figures[name] = f"{right} of {TRIES}; {TRIES / visitors:g} by guessing"
        assert linkage.wilson(right, TRIES) <= 1 / visitors + MARGIN[visitors]

    def test_once_the_hours_are_gone_the_days_tell_less(
        self, worlds: dict[int, list[Any]], figures: dict[str, str]
    ) -> None:
        right = sum(
            linkage.link_by_time(
                [trace for trace in kept if trace.length > 3600], accounts, people, seed
            )
            for seed, people, accounts, kept in worlds[SMALL]
        )
        name = f"the same after a week, {SMALL} visitors a day"
        figures[name] = f"{right} of {TRIES}; {TRIES / SMALL:g} by guessing"
        assert right < linked(worlds[SMALL])

    @LEAKY
    def test_a_leaky_roll_up_gives_accounts_away(
        self, worlds: dict[int, list[Any]], leaky: Any, figures: dict[str, str]
    ) -> None:
        right = linked(worlds[SMALL], leaky)
        what = {crossed: "attributes crossed", by_file: "what each file added"}[leaky]
        name = f"the same by {what}, {SMALL} visitors a day, which is not kept"
        figures[name] = f"{right} of {TRIES}"
        assert right >= 0.15 * TRIES
        assert linked(worlds[200], leaky) > 3 * TRIES / 200

    def test_rows_with_seconds_give_most_accounts_away(
        self, worlds: dict[int, list[Any]], figures: dict[str, str]
    ) -> None:
        right = linked(worlds[2_000], linkage.traces_of_rows)
        figures["the same by a row a visit, 2000 visitors a day, which is not kept"] = (
            f"{right} of {TRIES}"
        )
        assert right >= TRIES // 2

    def test_rows_with_minutes_give_some_away(self, worlds: dict[int, list[Any]]) -> None:
        rows = partial(linkage.traces_of_rows, stamp=60)
        assert linked(worlds[2_000], rows) > TRIES // 20


class TestInference:
    """A4: which browser somebody with an account uses."""

    @pytest.mark.parametrize("visitors", DAYS)
    def test_counters_tell_no_more_than_what_most_people_use(
        self, worlds: dict[int, list[Any]], visitors: int, figures: dict[str, str]
    ) -> None:
        right, known = inferred(worlds[visitors]), prior(worlds[visitors])
        name = f"browsers guessed, {visitors} visitors a day"
        figures[name] = f"{right} of {TRIES}; {known} without any log"
        assert right <= known + 0.02 * TRIES

    @LEAKY
    def test_a_leaky_roll_up_tells_it(self, worlds: dict[int, list[Any]], leaky: Any) -> None:
        assert inferred(worlds[SMALL], leaky) >= prior(worlds[SMALL]) + 0.1 * TRIES

    def test_rows_tell_it(self, worlds: dict[int, list[Any]]) -> None:
        assert inferred(worlds[2_000], linkage.traces_of_rows) >= 0.8 * TRIES


class TestDifference:
    """A5: what one more visit changes."""

    def test_one_visit_adds_its_clicks_to_counters_and_nothing_else(self) -> None:
        people, _ = linkage.world(9, 300, 20)
        extra = linkage.Visitor(999, "10.9.9.9", "Chrome", [40_000, 40_060], ["/", "/apps"])
        without = rolled(linkage.log_lines(people)).days
        with_it = rolled(linkage.log_lines([*people, extra])).days
        assert set(with_it) == set(without)
        for family, names in with_it[DAY].items():
            before = without[DAY][family]
            changes = {n: names[n] - before.get(n, 0) for n in names if names[n] != before.get(n)}
            assert all(0 < change <= 2 for change in changes.values()), family

    def test_two_visitors_who_swap_browsers_leave_the_same_counters(self) -> None:
        first = linkage.Visitor(1, "10.0.0.1", "Chrome", [100], ["/"])
        second = linkage.Visitor(2, "10.0.0.2", "Firefox", [200], ["/apps"])
        swapped = [
            linkage.Visitor(1, "10.0.0.1", "Firefox", [100], ["/"]),
            linkage.Visitor(2, "10.0.0.2", "Chrome", [200], ["/apps"]),
        ]
        assert rolled(linkage.log_lines([first, second])) == rolled(linkage.log_lines(swapped))

    @pytest.mark.promise("PS-30")
    def test_two_visitors_who_swap_the_rest_of_their_paths_leave_the_same_counters(self) -> None:
        def lived(first: str, second: str) -> Any:
            people = [
                linkage.Visitor(1, "10.0.0.1", "Chrome", [0, 60, 120], ["/", "/apps", first]),
                linkage.Visitor(2, "10.0.0.2", "Chrome", [0, 60, 120], ["/exit", "/apps", second]),
            ]
            return rolled(linkage.log_lines(people))

        assert lived("/apps/*", "/register*") == lived("/register*", "/apps/*")


@pytest.mark.promise("PS-30")
class TestPaths:
    """Whole paths of a thousand visitors, put together from how often people went where."""

    def found(self, roll: Roll) -> tuple[int, int, int]:
        """Of those who were counted; at random; and of as many who never were."""
        people, others = linkage.walkers(1), linkage.walkers(2)
        families = linkage.counted_by(roll, linkage.log_lines(people))[DAY]
        dice = random.Random(3)  # noqa: S311 - a model, reproducible
        return (
            linkage.reconstruct(families, people, None),
            linkage.reconstruct(families, people, dice),
            linkage.reconstruct(families, others, None),
        )

    def test_pairs_of_pages_give_no_more_than_chance(self, figures: dict[str, str]) -> None:
        right, chance, strangers = self.found(Roll("", None))
        figures["whole paths found by what is kept"] = f"{right} of 1000; {chance} at random"
        assert right <= chance + 20
        assert right <= strangers + 20

    def test_a_roll_up_that_names_whole_paths_gives_most_away(
        self, figures: dict[str, str]
    ) -> None:
        right, _, strangers = self.found(linkage.WholePaths("", None))
        figures["the same by names of whole paths, which are not kept"] = f"{right} of 1000"
        assert right >= 500
        assert strangers <= 100


ADDRESSES = tuple(f"198.51.{n // 256}.{n % 256}" for n in range(2_048))
KNOWN = tuple(
    linkage.Known(address, f"{linkage.AGENTS[browser]} Canary/7f3a{n}", browser)
    for n, (address, browser) in enumerate(
        zip(ADDRESSES, ("Chrome", "Firefox", "Safari"), strict=False)
    )
)


def lived(
    door: Door, tables: Tables, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> linkage.Left:
    """What is left of three people who visit and register, each in an hour of their own."""
    accounts = []
    for number, person in enumerate(KNOWN):
        hour = 11 + number
        clock.now = from_text(f"{DAY}T{hour}:20:34Z")
        browser = Browser()
        browser.get("/")
        email = f"visitor{number}@kilbride.example"
        browser.post("/register", {**REGISTRATION, "email": email, "login": f"visitor.{number}"})
        browser.get(link_out("https://docs.example.org/", wiring.keyed()))
        own = partial(line, at=f"{hour}:20:33", ip=person.address)
        door.write(
            own(page="/", agent=person.agent),
            own(page="/register*", agent=person.agent, method="POST"),
            own(page="/register*", agent=person.agent, method="POST", status="303"),
            own(page="/v1/*", agent="cetrus/1.0"),
        )
        rollup()
        accounts.append(linkage.Account(number, hour * 3600 + 20 * 60 + 34, person.browser))
    rows = [item for name in ("accounts", "usage", "keys") for item in tables.items(name)]
    visits = [item for item in rows if item["pk"].startswith(("VISITS#", "EXITS#"))]
    identity = [item for item in rows if item not in visits]
    counted = {f"{item['pk']} {item['sk']}": names_of(item) for item in visits}
    logged = repr([vars(record) for record in caplog.records])
    assert door.left == []
    assert visits
    assert identity
    return linkage.Left(repr(visits), repr(identity), logged, {DAY: counted}, tuple(accounts))


class TestRollUp:
    """All attacks at once on what the roll-up itself left, and on what leaky ones leave."""

    def attacked(self, left: linkage.Left) -> set[str]:
        return linkage.attacks(left, KNOWN, ADDRESSES, [HASH_KEY, DAY])

    def test_what_it_leaves_ties_no_visit_to_an_account(
        self, door: Door, tables: Tables, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert self.attacked(lived(door, tables, clock, caplog)) == set()

    def test_one_that_keeps_rows_under_the_hash_key_falls(
        self, door: Door, tables: Tables, clock: FakeClock, caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Past the table's own port, which lets nothing through that is not declared."""
        real = Roll.click

        def click(roll: Roll, row: Any, counts: Any, minute: int) -> None:
            real(roll, row, counts, minute)
            who = hmac.new(HASH_KEY.encode(), (row[2] + row[9]).encode(), "sha256").hexdigest()
            item = {"pk": {"S": f"VISITS#ROWS#{row[0]}"}, "sk": {"S": f"{row[1]}#{who}"}}
            tables.database.client.put_item(TableName="usage", Item=item)

        monkeypatch.setattr(Roll, "click", click)
        assert self.attacked(lived(door, tables, clock, caplog)) == {
            "A2 an address was rebuilt", "A6 a visit has an instant",
        }  # fmt: skip

    def test_one_that_crosses_attributes_with_the_hour_falls(
        self, door: Door, tables: Tables, clock: FakeClock, caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(rules, "Roll", linkage.CrossTab)
        left = lived(door, tables, clock, caplog)
        assert self.attacked(left) == {"A3 an account is left with one visitor"}


@pytest.mark.promise("PS-31", "PS-33")
def test_no_row_of_a_license_or_its_use_has_room_for_where_somebody_is() -> None:
    """Rows hold what is declared and nothing else: what is not declared cannot be written."""
    where = {"address", "ip", "network", "asn", "country", "agent", "browser", "referrer"}
    rows = {name: kept for name, kept in ITEMS.items() if "licensing" in kept.why}
    assert {"license", "lease", "launch"} <= rows.keys()
    assert [name for name, kept in rows.items() if where & kept.facts.keys()] == []


class TestDump:
    """A1, A2, A6 and A7 on everything that is left after people have visited and registered."""

    @pytest.fixture
    def sides(
        self, door: Door, tables: Tables, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> tuple[str, str, str]:
        """The visitor side, the identity side, and what was logged."""
        left = lived(door, tables, clock, caplog)
        return left.visits, left.identity, left.logged

    def keys(self) -> list[str]:
        return [HASH_KEY, DAY]

    def test_the_sides_share_no_value(self, sides: tuple[str, str, str]) -> None:
        visits, identity, _ = sides
        assert linkage.shared(visits, identity, self.keys()) == set()

    def test_a_shared_value_would_be_found(self, sides: tuple[str, str, str]) -> None:
        visits, identity, _ = sides
        account = next(t for t in linkage.tokens(identity) if t.startswith("acc_"))
        for planted in (
            account,
            hashlib.sha256(account.encode()).hexdigest(),
            hmac.new(HASH_KEY.encode(), account.encode(), "sha256").hexdigest()[:20],
        ):
            assert linkage.shared(f"{visits} {planted}", identity, self.keys()) == {planted}

    def test_no_address_can_be_rebuilt(self, sides: tuple[str, str, str]) -> None:
        agents = [person.agent for person in KNOWN]
        for side in sides:
            assert linkage.rebuilt(side, ADDRESSES, agents, self.keys()) == set()

    def test_a_salted_address_would_be_rebuilt(self, sides: tuple[str, str, str]) -> None:
        agent, address = f"{CHROME} Canary/7f3a0", ADDRESSES[0]
        salted = hmac.new(HASH_KEY.encode(), (address + agent).encode(), "sha256").hexdigest()[:16]
        found = linkage.rebuilt(f"{sides[0]} {salted}", ADDRESSES[:64], [agent], self.keys())
        assert found == {address}

    def test_no_address_and_no_agent_stands_anywhere(self, sides: tuple[str, str, str]) -> None:
        for side in sides:
            for canary in ("198.51.", "Canary", "7f3a", "Mozilla", "203.0.113"):
                assert canary not in side

    def test_an_item_of_visits_holds_counts_and_a_day_and_nothing_else(
        self, sides: tuple[str, str, str], tables: Tables
    ) -> None:
        plain = {"pk", "sk", "type", "v", "purge_at", "tries", "counted"}
        for item in tables.items("usage"):
            if not item["pk"].startswith(("VISITS#", "EXITS#")):
                continue
            assert {name for name in item if not name.startswith("n:")} <= plain
            assert item["purge_at"] % 86_400 == 0
            assert item["purge_at"] * 1000 > day_start(DAY)

    def test_programs_are_counted_by_day_alone(self, sides: tuple[str, str, str]) -> None:
        found = Door().counts()
        assert found["kind"]["programs"] == 3
        assert sum(found["hour"].values()) == found["kind"]["pages"] - 3
