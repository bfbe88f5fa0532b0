"""Nothing retained ties a visit to an account (G9), and every attack succeeds on the leaky twin."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.edge.exits import link_out
from chalicelib.visits.rules import day_start, rolled
from tests.accounts.conftest import REGISTRATION
from tests.browser import Browser
from tests.conftest import HASH_KEY
from tests.visits import linkage
from tests.visits.linkage import AGENTS
from tests.visits.logs import CHROME, DAY, Door, line, rollup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import FakeClock, Tables

pytestmark = [pytest.mark.guarantee("G9"), pytest.mark.promise("PS-31")]

SEEDS = (1, 2, 3, 4, 5)
VISITORS, ACCOUNTS = 2_000, 200
FIGURES = Path(__file__).parents[2] / ".tools" / "linkage.json"


@pytest.fixture(scope="module")
def figures() -> Iterator[dict[str, str]]:
    """What the attacks came to, for the proof page (infra/operate/proof.py)."""
    found: dict[str, str] = {}
    yield found
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(found, indent=1, sort_keys=True))


@pytest.fixture(scope="module")
def worlds() -> list[Any]:
    """People, their accounts, and what is retained of their visits."""
    found = []
    for seed in SEEDS:
        people, accounts = linkage.world(seed, VISITORS, ACCOUNTS)
        days = asdict(rolled(linkage.log_lines(people)))["days"]
        found.append((seed, people, accounts, days))
    return found


class TestTiming:
    """A3: when an account was made, against every cell and its time."""

    def test_counters_link_no_better_than_guessing(
        self, worlds: list[Any], figures: dict[str, str]
    ) -> None:
        right = sum(
            linkage.link_by_time(linkage.traces_of_counters(days), accounts, VISITORS, seed)
            for seed, _, accounts, days in worlds
        )
        tries = len(SEEDS) * ACCOUNTS
        figures["accounts linked to a visit by what is kept"] = f"{right} of {tries}"
        assert linkage.wilson(right, tries) <= 1 / VISITORS + 0.01

    def test_rows_with_seconds_give_most_accounts_away(
        self, worlds: list[Any], figures: dict[str, str]
    ) -> None:
        total = 0
        for seed, people, accounts, _ in worlds:
            rows = linkage.traces_of_rows(people)
            right = linkage.link_by_time(rows, accounts, VISITORS, seed)
            assert right >= ACCOUNTS // 2
            total += right
        tries = len(SEEDS) * ACCOUNTS
        figures["the same by a row a visit, which is not kept"] = f"{total} of {tries}"

    def test_rows_with_minutes_give_some_away(self, worlds: list[Any]) -> None:
        for seed, people, accounts, _ in worlds:
            rows = linkage.traces_of_rows(people, stamp=60)
            assert linkage.link_by_time(rows, accounts, VISITORS, seed) > ACCOUNTS // 20


class TestInference:
    """A4: which browser somebody with an account uses."""

    def test_counters_tell_no_more_than_what_most_people_use(
        self, worlds: list[Any], figures: dict[str, str]
    ) -> None:
        guessed = known = 0
        for _, people, accounts, days in worlds:
            traces = linkage.traces_of_counters(days)
            right = linkage.infer_browser(traces, days[DAY]["browser"], accounts)
            most = max(AGENTS, key=lambda name: sum(p.browser == name for p in people))
            prior = sum(account.browser == most for account in accounts)
            assert right <= prior + 0.02 * ACCOUNTS
            guessed, known = guessed + right, known + prior
        tries = len(SEEDS) * ACCOUNTS
        figures["browsers guessed, and known without any log"] = f"{guessed} and {known} of {tries}"

    def test_rows_tell_it(self, worlds: list[Any]) -> None:
        for _, people, accounts, days in worlds:
            rows = linkage.traces_of_rows(people)
            right = linkage.infer_browser(rows, days[DAY]["browser"], accounts)
            assert right >= 0.8 * ACCOUNTS


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


class TestDump:
    """A1, A2, A6 and A7 on everything that is left after people have visited and registered."""

    ADDRESSES = tuple(f"198.51.{n // 256}.{n % 256}" for n in range(2_048))

    @pytest.fixture
    def sides(
        self, door: Door, tables: Tables, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> tuple[str, str, str]:
        """The visitor side, the identity side, and what was logged."""
        for number in range(3):
            browser = Browser()
            browser.get("/")
            email = f"visitor{number}@kilbride.example"
            browser.post(
                "/register", {**REGISTRATION, "email": email, "login": f"visitor.{number}"}
            )
            browser.get(link_out("https://docs.example.org/", wiring.keyed()))
            ip, agent = self.ADDRESSES[number], f"{CHROME} Canary/7f3a{number}"
            door.write(
                line(page="/", ip=ip, agent=agent),
                line(page="/register*", ip=ip, agent=agent, method="POST", status="303"),
                line(page="/v1/*", ip=ip, agent="cetrus/1.0"),
            )
            rollup()
        rows = [item for name in ("accounts", "usage", "keys") for item in tables.items(name)]
        visits = [i for i in rows if i["pk"].startswith(("VISITS#", "EXITS#"))]
        identity = [i for i in rows if i not in visits]
        logged = repr([vars(record) for record in caplog.records])
        assert door.left == []
        assert visits
        assert identity
        return repr(visits), repr(identity), logged

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
        agents = [f"{CHROME} Canary/7f3a{n}" for n in range(3)]
        for side in sides:
            assert linkage.rebuilt(side, self.ADDRESSES, agents, self.keys()) == set()

    def test_a_salted_address_would_be_rebuilt(self, sides: tuple[str, str, str]) -> None:
        agent, address = f"{CHROME} Canary/7f3a0", self.ADDRESSES[0]
        salted = hmac.new(HASH_KEY.encode(), (address + agent).encode(), "sha256").hexdigest()[:16]
        found = linkage.rebuilt(f"{sides[0]} {salted}", self.ADDRESSES[:64], [agent], self.keys())
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
