"""G11 and G12 for mail that time causes: once a fact, on time, whatever happens to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from moto.ses.models import ses_backends

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, MINUTE, from_text
from chalicelib.mail import planner as planning
from chalicelib.mail.agenda import AgendaStore
from chalicelib.mail.planner import PlanningIncomplete
from chalicelib.mail.store import SHARDS
from chalicelib.storage.dynamo import ConditionFailed, Database, Table
from infra.alarms import COUNTED
from tests.conftest import kept_client
from tests.crash import at_every_call, recorded
from tests.interleaving import Turns
from tests.mail.town import Town

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

BERLIN = "Europe/Berlin"


@pytest.fixture
def town(tables: Tables, clock: FakeClock) -> Town:
    """One application that is billed by the hour, on Monday, 16 November 2026, at noon."""
    kept_client("sesv2").create_configuration_set(ConfigurationSetName="cetrus-local")
    clock.now = from_text("2026-11-16T12:00:00Z")
    application = wiring.catalog().add_application(
        vendor_id="vnd_1", vendor_name="Vendor", slug="halyard", name="Halyard", summary="s",
        description="d",
    )  # fmt: skip
    plan = wiring.catalog().add_plan(
        application, kind="metered", name="By the hour", currency="EUR", price="0.37"
    )
    return Town(tables, clock, application, plan)


def send_all() -> dict[str, int]:
    return wiring.mailer().sweep()


def sent() -> list[str]:
    messages = ses_backends["123456789012"]["eu-west-1"].sent_messages
    return [message.raw_data for message in messages]


def used_last_week(town: Town, zone: str | None = BERLIN, name: str = "kim") -> str:
    """Somebody who has used 95 minutes on Wednesday; the planner knows them already."""
    account = town.person(name, zone)
    license_id = town.license(account)
    town.plan_mail()
    town.use(license_id, "2026-11-18", 95 * MINUTE)
    return account


class TestWeek:
    def test_the_summary_is_there_before_its_minute_and_leaves_at_it(self, town: Town) -> None:
        used_last_week(town)
        town.at("2026-11-23T05:50:00Z")
        assert town.plan_mail()["mails"] == 1
        assert town.said() == ["usage_summary 2026-11-23T07:00"]
        assert send_all() == {}
        town.at("2026-11-23T07:00:00Z")
        assert send_all() == {"sent": 1}
        (mail,) = sent()
        assert "1 hour 35 minutes" in mail
        assert "16 to 22 November 2026" in mail

    def test_weeks_without_use_have_no_mail(self, town: Town) -> None:
        town.license(town.person("kim", BERLIN))
        for day in (17, 22, 23, 24, 30):
            town.at(f"2026-11-{day}T06:00:00Z")
            town.plan_mail()
        assert town.written() == []

    def test_each_week_has_its_own(self, town: Town) -> None:
        account = used_last_week(town)
        (license_id,) = [owned.license for owned in wiring.licenses().of_account(account)]
        town.use(license_id, "2026-11-25", HOUR)
        for day in (23, 24, 29, 30):
            for hour in (5, 6, 7, 18):
                town.at(f"2026-11-{day}T{hour:02d}:00:00Z")
                town.plan_mail()
        assert town.said() == ["usage_summary 2026-11-23T07:00", "usage_summary 2026-11-30T07:00"]

    def test_applications_are_told_apart_and_days_outside_the_week_left_out(
        self, town: Town
    ) -> None:
        account = used_last_week(town)
        other = town.license(account, town.add_plan("metered", "Other", price="1.00"))
        for day in ("2026-11-15", "2026-11-16", "2026-11-22", "2026-11-23"):
            town.use(other, day, MINUTE)
        town.at("2026-11-23T07:00:00Z")
        town.plan_mail()
        (message,) = town.written()
        assert message["arguments"]["lines"] == ["Halyard: 1 hour 37 minutes"]

    def test_a_license_that_ended_in_the_week_is_still_summed_up(self, town: Town) -> None:
        account = town.person("kim", BERLIN)
        plan = town.add_plan("trial", "Two days", valid_ms=2 * DAY)
        license_id = town.license(account, plan)
        town.plan_mail()
        town.use(license_id, "2026-11-17", HOUR)
        for day in (17, 18, 19, 22, 23):
            town.at(f"2026-11-{day}T06:30:00Z")
            town.plan_mail()
        assert "usage_summary 2026-11-23T07:00" in town.said()


class TestTime:
    @pytest.mark.parametrize(
        ("zone", "run", "due"),
        [
            (None, "2026-11-23T07:10:00Z", "2026-11-23T08:00"),
            ("Asia/Kathmandu", "2026-11-23T02:10:00Z", "2026-11-23T02:15"),
            ("America/St_Johns", "2026-11-23T10:30:00Z", "2026-11-23T11:30"),
            ("Pacific/Chatham", "2026-11-23T18:00:00Z", "2026-11-23T18:15"),
            ("Asia/Tokyo", "2026-11-23T22:00:00Z", "2026-11-23T23:00"),
        ],
    )
    def test_it_is_due_at_eight_wherever_that_is(
        self, town: Town, zone: str | None, run: str, due: str
    ) -> None:
        used_last_week(town, zone)
        town.at(run)
        town.plan_mail()
        assert town.said() == [f"usage_summary {due}"]

    @pytest.mark.parametrize(
        ("sunday", "due"),
        [("2027-03-28", "2027-03-29T06:00"), ("2027-10-31", "2027-11-01T07:00")],
    )
    def test_also_when_the_clocks_have_changed_the_day_before(
        self, town: Town, sunday: str, due: str
    ) -> None:
        town.at(f"{sunday}T12:00:00Z")
        license_id = town.license(town.person("kim", BERLIN))
        town.plan_mail()
        town.use(license_id, sunday, HOUR)
        for hours in (12, 17, 18, 19, 20):
            town.clock.now = from_text(f"{sunday}T12:00:00Z") + hours * HOUR
            town.plan_mail()
        assert town.said() == [f"usage_summary {due}"]

    def test_who_moves_is_written_to_in_the_new_morning_and_once(self, town: Town) -> None:
        account = used_last_week(town)
        wiring.notices().choose_zone(account, "America/New_York")
        for hour in (6, 7, 11, 12, 13, 14, 23):
            town.at(f"2026-11-23T{hour:02d}:00:00Z")
            town.plan_mail()
        assert town.said() == ["usage_summary 2026-11-23T13:00"]

    def test_who_moves_after_it_came_is_not_told_again(self, town: Town) -> None:
        account = used_last_week(town)
        town.at("2026-11-23T07:00:00Z")
        town.plan_mail()
        for zone in ("America/New_York", "Asia/Tokyo", BERLIN, "Pacific/Kiritimati"):
            wiring.notices().choose_zone(account, zone)
            town.clock.advance(5 * HOUR)
            town.plan_mail()
        assert town.said() == ["usage_summary 2026-11-23T07:00"]


class TestLate:
    def test_after_three_days_it_comes_at_once_and_once(self, town: Town) -> None:
        used_last_week(town)
        town.at("2026-11-26T15:00:00Z")
        assert [town.plan_mail()["mails"] for _ in range(3)] == [1, 0, 0]
        assert send_all() == {"sent": 1}
        assert send_all() == {}

    def test_a_renewal_is_not_announced_after_it(self, town: Town) -> None:
        account = town.person("kim", BERLIN)
        plan = town.add_plan("subscription", "Crew", price="9.00", period_months=1)
        license_id = town.license(account, plan, seats=3)
        town.subscription(account, license_id, from_text("2026-11-26T12:00:00Z"))
        town.plan_mail()
        town.at("2026-11-26T12:00:00Z")
        town.plan_mail()
        assert town.written("subscription_renewing") == []

    def test_what_the_outbox_could_not_send_in_time_is_not_sent(self, town: Town) -> None:
        account = town.person("kim", BERLIN)
        plan = town.add_plan("subscription", "Crew", price="9.00", period_months=1)
        license_id = town.license(account, plan, seats=3)
        town.subscription(account, license_id, from_text("2026-11-26T12:00:00Z"))
        town.plan_mail()
        town.at("2026-11-19T06:30:00Z")
        town.plan_mail()
        assert town.said() == ["subscription_renewing 2026-11-19T07:00"]
        town.at("2026-11-26T12:00:00Z")
        assert send_all() == {"stale": 1}
        assert sent() == []

    def test_it_is_sent_to_the_last_moment(self, town: Town) -> None:
        account = town.person("kim", BERLIN)
        plan = town.add_plan("trial", "Days", valid_ms=10 * DAY)
        town.license(account, plan)
        town.plan_mail()
        town.at("2026-11-24T07:00:00Z")
        town.plan_mail()
        town.clock.now = from_text("2026-11-26T12:00:00Z") - 1
        assert send_all() == {"sent": 1}


class TestFacts:
    def test_a_card_is_spoken_of_once_and_its_successor_by_itself(self, town: Town) -> None:
        account = town.person("kim", BERLIN)
        town.license(account)
        town.card(account, 2026, 12)
        for day in range(28, 31):
            town.at(f"2026-11-{day}T07:00:00Z")
            town.plan_mail()
        assert town.written() == []
        for day in (1, 2, 9):
            town.at(f"2026-12-{day:02d}T07:00:00Z")
            town.plan_mail()
        town.card(account, 2026, 12, "pm_2")
        town.at("2026-12-10T07:00:00Z")
        town.plan_mail()
        assert town.said() == ["card_expiring 2026-12-01T07:00", "card_expiring 2026-12-10T07:00"]

    def test_a_canceled_subscription_is_not_announced_and_a_kept_one_is(self, town: Town) -> None:
        account = town.person("kim", BERLIN)
        plan = town.add_plan("subscription", "Crew", price="9.00", period_months=1)
        license_id = town.license(account, plan, seats=3)
        end = from_text("2026-12-16T12:00:00Z")
        town.subscription(account, license_id, end, state="canceling")
        town.plan_mail()
        town.at("2026-12-09T07:00:00Z")
        town.plan_mail()
        assert town.written() == []
        town.tables.accounts.apply(
            town.tables.accounts.delete(f"ACCOUNT#{account}", f"SUBSCRIPTION#{license_id}")
        )
        town.subscription(account, license_id, end)
        town.at("2026-12-10T07:00:00Z")
        town.plan_mail()
        (message,) = town.written()
        assert message["arguments"]["price"] == "27.00 EUR"

    def test_an_update_goes_to_owners_of_that_application_once(self, town: Town) -> None:
        owner, other = town.person("kim", BERLIN), town.person("lee", BERLIN)
        town.license(owner)
        sextant = wiring.catalog().add_application(
            vendor_id="vnd_1", vendor_name="Vendor", slug="sextant", name="Sextant", summary="s",
            description="d",
        )  # fmt: skip
        plan = wiring.catalog().add_plan(
            sextant, kind="metered", name="By the hour", currency="EUR", price="1.00"
        )
        town.license(other, plan)
        town.plan_mail()
        town.clock.advance(HOUR)
        town.release("1.1.0")
        for day in (17, 18, 25):
            town.at(f"2026-11-{day}T07:00:00Z")
            town.plan_mail()
        assert [(m["template"], m["account"]) for m in town.written()] == [
            ("installer_updated", owner)
        ]

    def test_of_two_versions_of_a_night_the_newer_is_told(self, town: Town) -> None:
        town.license(town.person("kim", BERLIN))
        town.plan_mail()
        for version in ("1.1.0", "1.2.0"):
            town.clock.advance(HOUR)
            town.release(version)
        town.at("2026-11-17T07:00:00Z")
        town.plan_mail()
        (message,) = town.written()
        assert message["arguments"]["version"] == "1.2.0"

    def test_a_withdrawn_version_is_no_news(self, town: Town) -> None:
        town.license(town.person("kim", BERLIN))
        town.plan_mail()
        town.clock.advance(HOUR)
        town.release("1.1.0", state="withdrawn")
        town.at("2026-11-17T07:00:00Z")
        town.plan_mail()
        assert town.written() == []

    @pytest.mark.promise("PS-83")
    def test_who_is_no_member_any_more_gets_nothing(self, town: Town) -> None:
        account = used_last_week(town)
        store = wiring.account_store()
        item = store.accounts.get(f"ACCOUNT#{account}", "ACCOUNT")
        assert item
        store.accounts.apply(store.accounts.put({**item, "state": "unconfirmed"}))
        town.at("2026-11-23T07:00:00Z")
        town.plan_mail()
        assert town.written() == []

    def test_what_was_switched_off_is_not_even_written(self, town: Town) -> None:
        account = used_last_week(town)
        wiring.notices().choose(account, ["installer_updated"])
        town.at("2026-11-23T07:00:00Z")
        town.plan_mail()
        assert town.written() == []


@pytest.mark.guarantee("G12")
class TestTrouble:
    def test_a_death_in_a_look_loses_nothing_and_says_nothing_twice(self, town: Town) -> None:
        numbers = iter(range(1000))
        agendas = AgendaStore(town.tables.accounts)

        def prepare() -> str:
            town.at("2026-11-16T12:00:00Z")
            account = town.person(f"kim{next(numbers)}", BERLIN)
            license_id = town.license(account)
            agendas.wake(account, town.clock.now)
            town.use(license_id, "2026-11-18", HOUR)
            town.at("2026-11-23T07:00:00Z")
            wiring.mail_planner().facts.begin()
            return account

        def judge(account: str) -> None:
            for _ in range(2):
                wiring.mail_planner().look(account)
            messages = town.written("usage_summary")
            assert [m["account"] for m in messages].count(account) == 1

        assert at_every_call(prepare, wiring.mail_planner().look, judge) >= 18

    def test_a_death_in_the_walk_leaves_nobody_asleep(self, town: Town) -> None:
        numbers, agendas = iter(range(1000)), AgendaStore(town.tables.accounts)

        def prepare() -> str:
            account = f"acc_{next(numbers)}"
            town.license(account)
            return account

        def judge(account: str) -> None:
            wiring.mail_planner().walk(500)
            agenda = agendas.agenda(account)
            assert agenda
            assert agenda.awake

        def walk(_: str) -> tuple[int, int]:
            return wiring.mail_planner().walk(500)

        assert at_every_call(prepare, walk, judge) >= 36

    @pytest.mark.parametrize("seed", range(6))
    def test_two_runs_at_once_write_one(self, town: Town, seed: int) -> None:
        used_last_week(town)
        town.at("2026-11-23T07:00:00Z")
        turns = Turns(seed)
        results = turns.run(*(runner(turns) for _ in range(2)))
        assert [r for r in results if isinstance(r, BaseException)] == []
        assert town.said() == ["usage_summary 2026-11-23T07:00"]
        assert sum(r["mails"] for r in results if isinstance(r, dict)) == 1

    def test_one_account_that_fails_does_not_hold_up_the_others(
        self, town: Town, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        used_last_week(town, BERLIN, "kim")
        used_last_week(town, BERLIN, "lee")
        town.at("2026-11-23T07:00:00Z")
        planner = wiring.mail_planner()
        known = planner.facts.known

        def fail(account: str, *rest: Any) -> Any:
            if account == "acc_kim":
                raise ValueError
            return known(account, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(planner.facts, "known", fail)
            with pytest.raises(PlanningIncomplete):
                planner.run()
        assert [m["account"] for m in town.written()] == ["acc_lee"]
        planner.run()
        assert sorted(m["account"] for m in town.written()) == ["acc_kim", "acc_lee"]

    @pytest.mark.parametrize("call", ["head", "wake"])
    def test_one_license_that_fails_in_the_walk_keeps_nobody_else_asleep(
        self, town: Town, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        used_last_week(town, BERLIN, "ann")
        for name in ("kim", "lee"):
            town.license(town.person(name, BERLIN), named=f"lic_{name}")
        planner = wiring.mail_planner()
        store = planner.licenses.store if call == "head" else planner.agendas
        stock = getattr(store, call)

        def fail(name: str, *rest: Any) -> Any:
            if name.endswith("kim"):
                raise KeyError(name)
            return stock(name, *rest)

        town.at("2026-11-23T07:00:00Z")
        with monkeypatch.context() as patch:
            patch.setattr(store, call, fail)
            with pytest.raises(PlanningIncomplete, match="1 accounts or licenses failed"):
                planner.run()
        assert town.said() == ["usage_summary 2026-11-23T07:00"]
        awake = {name: planner.agendas.agenda(f"acc_{name}") for name in ("kim", "lee")}
        assert awake["lee"]
        assert awake["kim"] is None
        planner.run()
        assert planner.agendas.agenda("acc_kim")

    def test_a_walk_that_fails_as_a_whole_holds_up_no_mail(
        self, town: Town, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        used_last_week(town)
        town.at("2026-11-23T07:00:00Z")
        planner = wiring.mail_planner()

        def fail(*_: Any) -> Any:
            raise ValueError

        monkeypatch.setattr(planner.licenses, "stretch", fail)
        with pytest.raises(PlanningIncomplete):
            planner.run()
        assert town.said() == ["usage_summary 2026-11-23T07:00"]

    def test_more_than_one_transaction_holds_comes_in_several(
        self, town: Town, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(planning, "MOST_WRITES", 2)
        account = town.person("kim", BERLIN)
        for number in range(5):
            town.license(account, town.add_plan("metered", f"Plan {number}", price="1.00"))
        town.card(account, 2026, 11)
        plan = town.add_plan("subscription", "Crew", price="9.00", period_months=1)
        license_id = town.license(account, plan, seats=3)
        town.subscription(account, license_id, from_text("2026-11-26T12:00:00Z"))
        town.plan_mail()
        town.use(license_id, "2026-11-18", HOUR)
        town.at("2026-11-23T07:00:00Z")
        assert [town.plan_mail()["mails"] for _ in range(3)] == [2, 1, 0]
        assert len(town.written()) == 3


class TestManyAtOnce:
    """More accounts with one morning than a run looks at."""

    @pytest.fixture
    def said(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Five, of whom a run looks at two; what is counted."""
        for number in range(5):
            used_last_week(town, BERLIN, f"kim{number}")
        town.at("2026-11-22T07:00:00Z")
        town.plan_mail()
        told: list[str] = []
        monkeypatch.setattr(planning, "MOST_LOOKS", 2)
        monkeypatch.setattr(planning, "count", lambda name, _=1: told.append(name))
        return told

    def test_the_next_runs_take_the_others_and_all_are_there_in_time(
        self, town: Town, said: list[str]
    ) -> None:
        for minute in (50, 55, 59):
            town.at(f"2026-11-23T06:{minute}:00Z")
            town.plan_mail()
        assert town.said() == ["usage_summary 2026-11-23T07:00"] * 5
        assert "planner_behind" not in said

    def test_it_is_told_that_people_wait_whose_morning_it_is(
        self, town: Town, said: list[str]
    ) -> None:
        town.at("2026-11-23T07:00:00Z")
        town.plan_mail()
        assert said.count("planner_behind") == 1
        town.plan_mail()
        assert said.count("planner_behind") == 2
        town.plan_mail()
        assert said.count("planner_behind") == 2
        assert town.said() == ["usage_summary 2026-11-23T07:00"] * 5

    def test_also_where_its_time_is_over(
        self, town: Town, said: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(planning, "ENOUGH", -1)
        town.at("2026-11-23T07:00:00Z")
        assert town.plan_mail()["looks"] == 0
        assert "planner_behind" in said

    def test_somebody_is_told(self) -> None:
        behind = [one.name for one in COUNTED if "planner_behind" in one.metrics]
        assert behind == ["PlannerBehindAlarm"]


class TestCost:
    def test_nobody_else_is_read(self, town: Town) -> None:
        used_last_week(town)
        town.at("2026-11-23T07:00:00Z")
        planner = wiring.mail_planner()
        planner.walk(planning.WALKED)
        with recorded() as alone:
            planner.look("acc_kim")
        calls = len(alone)
        assert calls < 16
        for number in range(12):
            town.license(town.person(f"other{number}", "America/New_York"))
        for at in ("2026-11-23T07:00:00Z", "2026-11-23T13:00:00Z"):
            town.at(at)
            town.plan_mail()
        town.at("2026-11-24T07:00:00Z")
        with recorded() as among:
            for account, _ in list(planner.agendas.due(town.clock.now)):
                planner.look(account)
        assert len(among) <= calls + 4

    def test_past_usage_makes_a_look_no_dearer(self, town: Town) -> None:
        account = used_last_week(town)
        (license_id,) = [owned.license for owned in wiring.licenses().of_account(account)]
        for day in range(1, 29):
            for month in ("08", "09", "10"):
                town.use(license_id, f"2026-{month}-{day:02d}", HOUR)
        town.at("2026-11-23T07:00:00Z")
        with recorded() as calls:
            wiring.mail_planner().look(account)
        assert len(calls) < 16

    def test_the_walk_comes_by_everybody_a_stretch_at_a_time(self, town: Town) -> None:
        for number in range(9):
            town.license(town.person(f"kim{number}", BERLIN), named=f"lic_{number}")
        assert [wiring.mail_planner().walk(1) for _ in range(9)] == [(1, 0)] * 9
        assert wiring.mail_planner().walk(20) == (0, 0)

    def test_who_has_nothing_to_use_any_more_is_left_alone(self, town: Town) -> None:
        account = town.person("kim", BERLIN)
        town.license(account, town.add_plan("trial", "Two days", valid_ms=2 * DAY))
        town.plan_mail()
        town.at("2026-12-01T07:00:00Z")
        town.plan_mail()
        agenda = AgendaStore(town.tables.accounts).agenda(account)
        assert agenda
        assert not agenda.awake
        town.license(account)
        town.plan_mail()
        agenda = AgendaStore(town.tables.accounts).agenda(account)
        assert agenda
        assert agenda.awake


class TestAgenda:
    @pytest.mark.usefixtures("both_engines")
    def test_a_look_is_done_once(self, tables: Tables, clock: FakeClock) -> None:
        store = AgendaStore(tables.accounts)
        assert store.wake("acc_1", clock.now)
        assert not store.wake("acc_1", clock.now)
        agenda = store.agenda("acc_1")
        assert agenda
        move = store.move(agenda, clock.now + 1, clock.now + DAY)
        tables.accounts.transact(move)
        with pytest.raises(ConditionFailed):
            tables.accounts.transact(move)
        with pytest.raises(ConditionFailed):
            tables.accounts.transact(store.sleep(agenda))

    @pytest.mark.usefixtures("both_engines")
    def test_the_index_nominates_whom_it_is_morning_for(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        store = AgendaStore(tables.accounts)
        for number in range(5):
            store.wake(f"acc_{number}", clock.now + number)
        assert dict(store.due(clock.now + 2)).keys() == {"acc_0", "acc_1", "acc_2"}
        assert store.look_at("acc_4", clock.now)
        assert "acc_4" in dict(store.due(clock.now))
        agenda = store.agenda("acc_0")
        assert agenda
        tables.accounts.transact(store.sleep(agenda))
        assert "acc_0" not in dict(store.due(clock.now + DAY))
        assert not store.look_at("acc_0", clock.now)

    @pytest.mark.usefixtures("both_engines")
    def test_whoever_has_waited_longest_comes_first_whatever_the_shard(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        """A run that is cut short does not leave the same accounts behind each time."""
        store = AgendaStore(tables.accounts)
        waits = {f"acc_{number}": 7 * number % 12 for number in range(3 * SHARDS)}
        for account, since in waits.items():
            store.wake(account, clock.now + since)
        order = sorted(waits, key=waits.__getitem__)
        assert list(store.due(clock.now + DAY)) == [(one, clock.now + waits[one]) for one in order]


def runner(turns: Turns) -> Any:
    """A planner of another process, whose every table call waits for its turn."""
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.walk import LicenseWalk
    from chalicelib.mail.outbox import Outbox
    from chalicelib.mail.planner import MailPlanner
    from chalicelib.mail.store import MailStore
    from chalicelib.mail.wishes import WishStore

    database = Database(turns.client(kept_client("dynamodb")))
    accounts, usage = Table(database, "accounts"), Table(database, "usage")
    outbox = Outbox(MailStore(accounts), None, "")
    kept = wiring.mail_planner()
    made = MailPlanner(
        AgendaStore(accounts), WishStore(accounts), outbox, kept.people,
        LicenseWalk(LicenseStore(usage)), kept.facts, wiring.now,
    )  # fmt: skip
    return made.run
