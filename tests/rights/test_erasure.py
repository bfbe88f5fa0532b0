"""Erasure: keys first, then everything; nothing opens again, and only what the law wants stays."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import AccountGone, LinkEnded, State, WrongCredentials
from chalicelib.accounts.store import Claim
from chalicelib.core.clock import DAY, HOUR, from_text, purge_at
from chalicelib.core.errors import NotFound
from chalicelib.mail.rules import State as Sent
from chalicelib.mail.wishes import suppression_of
from chalicelib.privacy.folding import fold
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied, verify
from chalicelib.privacy.sinks import staff
from chalicelib.rights import sweep as sweeping
from chalicelib.rights import wiring as rights
from chalicelib.rights.rules import HOLD, LeavingAlready, NotPlanned, fiscal_end
from chalicelib.rights.store import LeavingStore, fiscal_subject
from chalicelib.rights.sweep import SweepIncomplete
from chalicelib.storage.dynamo import Database, Table
from infra.alarms import COUNTED
from infra.operate import fiscal
from infra.operate.leaving import leave_again
from tests.crash import at_every_call
from tests.rights.conftest import (
    FISCAL,
    MORA,
    PASSWORD,
    PROFILE,
    buy,
    opens,
    payers,
    register,
    sweep,
    tombstone,
)

if TYPE_CHECKING:
    from chalicelib.accounts.rules import Account
    from chalicelib.catalog.rules import Plan
    from chalicelib.storage.dynamo import Write
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor


def erase(hours: int = 0) -> None:
    rights.erasure().ask(MORA, hours)


def erased(account: Account) -> bool:
    """Nothing of the account is there but its tombstone."""
    rows = list(wiring.accounts_table().query(f"ACCOUNT#{account.id}"))
    kinds = {row["type"] for row in rows}
    return kinds <= {"tombstone", "payment", "order", "subscription"} and "tombstone" in kinds


def gone_again() -> tuple[int, int]:
    """How many were ever erased, and how many of them a restore had brought back."""
    done = leave_again()
    return done["erased"], done["erased_again"]


def restore(tables: Tables, backup: dict[str, list[dict[str, object]]]) -> None:
    for name, items in backup.items():
        table = getattr(tables, name)
        for item in items:
            table.apply(table.put(item))


@pytest.mark.promise("PS-70")
@pytest.mark.guarantee("G10")
class TestNothingOpensAgain:
    def test_no_purpose_opens_anything_from_the_very_call_on(self, mora: Account) -> None:
        assert Purpose.MARKETING in opens(mora.subject)
        erase()
        assert opens(mora.subject) == []

    def test_the_keys_are_gone_also_those_on_hold(self, mora: Account, tables: Tables) -> None:
        rights.deactivation().deactivate(MORA)
        assert [i for i in tables.items("keys") if i["pk"] == f"HELD#{mora.subject}"]
        erase()
        assert [i for i in tables.items("keys") if mora.subject in i["pk"]] == []

    def test_yesterdays_backup_of_accounts_and_usage_brings_nothing_back(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables
    ) -> None:
        buy(processor, crew)
        backup = {name: tables.items(name) for name in ("accounts", "usage")}
        erase()
        sweep()
        restore(tables, backup)
        assert opens(mora.subject) == []

    def test_nothing_in_clear_is_left_anywhere(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables
    ) -> None:
        buy(processor, crew)
        erase()
        sweep()
        wiring.mailer().sweep()  # the receipt waited for it, and finds nobody
        dump = tables.dump()
        for value in (*PROFILE.values(), "4242", mora.email_claim, mora.login_claim, mora.password):
            if len(value) > 2:  # a country's two letters are in many a word
                # By itself: four digits may be in an id or an instant.
                assert not re.search(rf"(?<![0-9a-z]){re.escape(value)}(?![0-9a-z])", dump)

    def test_the_pseudonym_is_in_the_ledger_and_nowhere_else(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables
    ) -> None:
        """What its rows were about is in `test_references.py`."""
        buy(processor, crew)
        erase()
        sweep()
        found = [i for name in ("accounts", "usage", "keys") for i in tables.items(name)
                 if mora.subject in repr(i)]  # fmt: skip
        assert {item["type"] for item in found} == {"ledger"}
        rows = list(wiring.vault().ledger.rows(mora.subject))
        assert verify(rows)
        assert Event.ERASED in {row.entry.event for row in rows}


@pytest.mark.promise("PS-45")
def test_how_long_it_took_from_when_it_was_due_is_kept_and_of_whom_is_not(
    mora: Account, tables: Tables, clock: FakeClock
) -> None:
    erase(2)
    clock.advance(2 * HOUR + 7)
    sweep()
    once = {"number": 1, "median_ms": 7, "p99_ms": 7, "longest_ms": 7}
    found = wiring.times().spread(clock.now)
    assert (found["nothing_opens"], found["nothing_is_left"]) == (once, once)
    kept = [item for item in tables.items("usage") if item["type"] == "took"]
    assert not [item for item in kept if MORA in repr(item) or mora.subject in repr(item)]
    assert len(kept) == 2


@pytest.mark.promise("PS-70")
@pytest.mark.guarantee("G10")
class TestARestore:
    """Yesterday's backup brings rows back; `keys`, which is in none, says who must go again."""

    def backup(self, tables: Tables) -> dict[str, list[dict[str, object]]]:
        return {name: tables.items(name) for name in ("accounts", "usage")}

    def test_whoever_was_erased_goes_again_and_nothing_is_left(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables, clock: FakeClock
    ) -> None:
        license_id = buy(processor, crew).license_id or ""
        backup = self.backup(tables)
        erase()
        sweep()
        restore(tables, backup)
        assert wiring.sessions().sign_in(PROFILE["login"], PASSWORD)
        assert gone_again() == (1, 1)
        with pytest.raises(WrongCredentials):
            wiring.sessions().sign_in(PROFILE["login"], PASSWORD)
        head = wiring.licenses().head(license_id)
        assert head
        assert head.standing == "revoked"
        sweep()
        assert erased(mora)
        assert wiring.account_store().owner(Claim.EMAIL, mora.email_claim) is None
        clock.advance(40 * DAY)
        wiring.renewals().sweep()
        assert processor.charged == []
        assert wiring.mailer().sweep().get("sent") is None

    def test_a_second_time_nothing_changes(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables
    ) -> None:
        buy(processor, crew)
        register("acc_other", {**PROFILE, "login": "other.one", "email": "other@canary.example"})
        backup = self.backup(tables)
        erase()
        sweep()
        restore(tables, backup)
        leave_again()
        halfway = tables.dump()
        assert gone_again() == (1, 1)
        assert tables.dump() == halfway
        sweep()
        whole = tables.dump()
        assert gone_again() == (1, 0)
        assert tables.dump() == whole
        assert opens("sub_acc_other")

    def test_a_name_that_another_took_meanwhile_stays_theirs(
        self, mora: Account, tables: Tables
    ) -> None:
        backup = self.backup(tables)
        erase()
        sweep()
        again = register("acc_again")
        there = {(item["pk"], item["sk"]) for item in tables.items("accounts")}
        lost = [i for i in backup["accounts"] if (i["pk"], i["sk"]) not in there]
        restore(tables, {"accounts": lost})
        assert gone_again() == (1, 1)
        sweep()
        assert erased(mora)
        assert wiring.account_store().owner(Claim.EMAIL, mora.email_claim) == again.id
        assert wiring.account_store().owner(Claim.LOGIN, mora.login_claim) == again.id

    def test_also_where_the_backup_knew_of_a_wish_to_wait(
        self, mora: Account, tables: Tables
    ) -> None:
        erase(24)
        backup = self.backup(tables)
        rights.erasure().stop(MORA)
        erase()
        sweep()
        restore(tables, backup)
        leave_again()
        sweep()
        assert erased(mora)

    def test_also_who_rested_at_the_moment_of_the_backup(
        self, mora: Account, tables: Tables
    ) -> None:
        rights.deactivation().deactivate(MORA)
        backup = self.backup(tables)
        erase()
        sweep()
        restore(tables, backup)
        leave_again()
        sweep()
        assert erased(mora)


@pytest.mark.promise("PS-73")
@pytest.mark.promise("PS-83")
class TestARestoreOfWhoRests:
    """What the keys say wins, in both directions."""

    def backup(self, tables: Tables) -> dict[str, list[dict[str, object]]]:
        return {name: tables.items(name) for name in ("accounts", "usage")}

    def brought_back(self, tables: Tables, backup: dict[str, list[dict[str, object]]]) -> None:
        """The tables as they were then, and nothing that came later; `keys` as it is."""
        for name in backup:
            table = getattr(tables, name)
            for item in tables.items(name):
                table.apply(table.delete(item["pk"], item["sk"]))
        restore(tables, backup)

    def state(self) -> State:
        account = wiring.account_store().account(MORA)
        assert account
        return account.state

    def test_whoever_deactivated_since_gets_no_mail_and_rests_again(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables, clock: FakeClock
    ) -> None:
        license_id = buy(processor, crew).license_id or ""
        wiring.mailer().sweep()
        backup = self.backup(tables)
        rights.deactivation().deactivate(MORA)
        self.brought_back(tables, backup)
        assert self.state() is State.ACTIVE
        assert opens(mora.subject) == []
        message, letter = wiring.outbox().message(
            "password_changed", fact=(MORA, 1), account=MORA, arguments={}, due=clock.now,
            now=clock.now,
        )  # fmt: skip
        wiring.accounts_table().transact(letter)
        assert wiring.mailer().send(message) is Sent.NO_RECIPIENT
        assert (leave_again()["rest"], self.state()) == (1, State.DEACTIVATED)
        assert opens(mora.subject) == []
        head = wiring.licenses().head(license_id)
        assert head
        assert HOLD in head.holds
        clock.advance(40 * DAY)
        wiring.renewals().sweep()
        assert processor.charged == []
        told = fold(wiring.vault().ledger.rows(mora.subject))
        assert (told.granted, told.ungranted_uses) == ({}, 0)
        found = wiring.account_store().account(MORA)
        assert found
        rights.deactivation().reactivate(found)
        assert opens(mora.subject)

    def test_a_second_time_nothing_changes(self, mora: Account, tables: Tables) -> None:
        backup = self.backup(tables)
        rights.deactivation().deactivate(MORA)
        self.brought_back(tables, backup)
        assert leave_again()["rest_again"] == 1
        whole = tables.dump()
        assert leave_again()["rest_again"] == 0
        assert tables.dump() == whole

    def test_whoever_came_back_since_is_back_again(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables
    ) -> None:
        license_id = buy(processor, crew).license_id or ""
        rights.deactivation().deactivate(MORA)
        backup = self.backup(tables)
        found = wiring.account_store().account(MORA)
        assert found
        rights.deactivation().reactivate(found)
        self.brought_back(tables, backup)
        assert self.state() is State.DEACTIVATED
        assert leave_again() == {
            "erased": 0, "erased_again": 0, "rest": 0, "rest_again": 0, "back_again": 1
        }  # fmt: skip
        assert self.state() is State.ACTIVE
        head = wiring.licenses().head(license_id)
        assert head
        assert HOLD not in head.holds
        told = fold(wiring.vault().ledger.rows(mora.subject))
        assert told.granted.keys() == wiring.vault().granted(mora.subject).keys()
        assert leave_again()["back_again"] == 0

    def test_whoever_rested_all_the_time_goes_on_resting(
        self, mora: Account, tables: Tables
    ) -> None:
        rights.deactivation().deactivate(MORA)
        self.brought_back(tables, self.backup(tables))
        assert leave_again()["rest_again"] == leave_again()["back_again"] == 0
        assert self.state() is State.DEACTIVATED

    def test_whoever_was_erased_while_resting_is_remembered_as_that_alone(
        self, mora: Account, tables: Tables
    ) -> None:
        rights.deactivation().deactivate(MORA)
        backup = self.backup(tables)
        erase()
        assert list(rights.erasure().store.resting()) == []
        self.brought_back(tables, backup)
        leave_again()
        sweep()
        assert erased(mora)


@pytest.mark.promise("PS-70")
class TestWhatGoes:
    def test_the_names_are_free_for_whoever_comes_next(self, mora: Account) -> None:
        erase()
        again = register("acc_again")
        assert wiring.account_store().owner(Claim.EMAIL, mora.email_claim) == again.id
        sweep()
        assert wiring.account_store().owner(Claim.EMAIL, mora.email_claim) == again.id

    def test_nobody_is_signed_in_any_more(self, mora: Account, tables: Tables) -> None:
        token, writes = wiring.sessions().start(mora, wiring.now())
        wiring.account_store().transact(*writes)
        assert wiring.sessions().held(token)
        erase()
        assert wiring.sessions().held(token) is None
        assert [i for i in tables.items("usage") if i["type"].startswith("session")] == []

    def test_licenses_are_revoked_and_subscriptions_end(
        self, mora: Account, processor: FakeProcessor, crew: Plan, clock: FakeClock
    ) -> None:
        license_id = buy(processor, crew).license_id or ""
        erase()
        head = wiring.licenses().head(license_id)
        assert head
        assert head.standing == "revoked"
        found = wiring.subscription_store().subscription(MORA, license_id)
        assert found
        assert found.state == "ended"
        clock.advance(40 * DAY)
        wiring.renewals().sweep()
        assert processor.charged == []

    def test_colleagues_lose_access_and_their_addresses_go(
        self, mora: Account, processor: FakeProcessor, plan: Plan, tables: Tables, clock: FakeClock
    ) -> None:
        license_id = buy(processor, plan).license_id or ""
        wiring.members().invite(MORA, license_id, "colleague@canary.example", "user")
        (guest,) = [i for i in tables.items("accounts") if i["type"] == "guest"]
        subject = guest["pk"].removeprefix("SUBJECT#")
        erase()
        wiring.cleanup().run(lambda: 60_000)
        assert opens(subject) == []
        assert not [i for i in tables.items("accounts") if i["type"] == "guest"]

    def test_the_processor_deletes_its_customer_and_is_asked_until_it_answers(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables, clock: FakeClock
    ) -> None:
        buy(processor, crew)
        customer = wiring.payment_store().customer(MORA)
        erase()
        processor.silent = True
        with pytest.raises(SweepIncomplete):
            sweep()
        assert not erased(mora)
        processor.silent = False
        clock.advance(HOUR)
        assert sweep()["finished"] == 1
        assert processor.forgotten == [customer]
        assert erased(mora)

    def test_mail_that_was_sent_is_deleted_and_mail_that_waits_finds_nobody_and_goes(
        self, mora: Account, tables: Tables, clock: FakeClock
    ) -> None:
        outbox, now = wiring.outbox(), wiring.now()
        for day in (0, 30):
            _, letter = outbox.message(
                "password_changed", fact=(MORA, day), account=MORA, arguments={},
                due=now + day * DAY, now=now,
            )  # fmt: skip
            wiring.accounts_table().transact(letter)
        wiring.mailer().sweep()
        erase()
        sweep()
        (waits,) = [i for i in tables.items("accounts") if i["type"] == "message"]
        assert waits["due"] > clock.now
        clock.advance(30 * DAY)
        assert wiring.mailer().sweep() == {"no_recipient": 1}
        (ended,) = [i for i in tables.items("accounts") if i["type"] == "message"]
        assert ended["purge_at"] == purge_at(clock.now)
        assert ended["arguments"] == {}
        assert MORA not in str(ended)

    def test_what_somebody_wanted_no_more_of_stays_as_a_keyed_hash(self, mora: Account) -> None:
        hashed = suppression_of(wiring.keyed(), PROFILE["email"])
        wiring.wishes().suppress(hashed, "CLASS#partner", "mail", wiring.now())
        erase()
        sweep()
        assert wiring.accounts_table().get(f"SUPPRESSION#{hashed}", "CLASS#partner")

    def test_rows_that_no_feature_named_go_too(self, mora: Account) -> None:
        later = Table(Database(wiring.database().client), "accounts")  # what no inventory knows yet
        later.apply(later.put({"pk": f"ACCOUNT#{MORA}", "sk": "NEW#thing", "type": "new", "v": 1}))
        erase()
        sweep()
        assert erased(mora)

    def test_it_takes_less_than_five_seconds(
        self, mora: Account, processor: FakeProcessor, crew: Plan
    ) -> None:
        buy(processor, crew)
        began = time.monotonic()
        erase()
        assert time.monotonic() - began < 5


@pytest.mark.promise("PS-71")
class TestCoolingOff:
    def test_nothing_happens_before_its_hour(self, mora: Account, clock: FakeClock) -> None:
        erase(hours=24)
        clock.advance(24 * HOUR - 1)
        assert sweep()["finished"] == 0
        assert Purpose.ACCOUNT in opens(mora.subject)
        clock.advance(1)
        assert sweep()["finished"] == 1
        assert erased(mora)

    def test_its_owner_can_stop_it_until_then(self, mora: Account, clock: FakeClock) -> None:
        erase(hours=24)
        rights.erasure().stop(MORA)
        clock.advance(25 * HOUR)
        sweep()
        assert Purpose.ACCOUNT in opens(mora.subject)
        with pytest.raises(NotPlanned):
            rights.erasure().stop(MORA)

    def test_the_mailed_link_stops_it_once(self, mora: Account, clock: FakeClock) -> None:
        from chalicelib.mail.links import link_token
        from chalicelib.mail.outbox import message_of

        erase(hours=3)
        message = message_of("erasure_planned", MORA, clock.now)
        token = link_token(wiring.link_key(), message)
        rights.erasure().check_stop(token)
        rights.erasure().stop_by_link(token)
        with pytest.raises(LinkEnded):
            rights.erasure().stop_by_link(token)
        clock.advance(DAY)
        sweep()
        assert Purpose.ACCOUNT in opens(mora.subject)

    def test_once_it_has_begun_nothing_stops_it(self, mora: Account, clock: FakeClock) -> None:
        erase()
        with pytest.raises(NotPlanned):
            rights.erasure().stop(MORA)

    def test_it_is_planned_once(self, mora: Account) -> None:
        erase(hours=2)
        with pytest.raises(LeavingAlready):
            erase(hours=0)
        with pytest.raises(LeavingAlready):
            rights.deactivation().deactivate(MORA)

    @pytest.mark.guarantee("G12")
    def test_a_sweep_that_another_overtook_has_failed_nothing(
        self, mora: Account, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        erase(hours=1)
        clock.advance(HOUR)
        tomb, others = LeavingStore.tombstone, list[dict[str, int]]()

        def overtaken(store: LeavingStore, account: str, day: str) -> Write:
            """The other sweep does all there is, just before this one would."""
            monkeypatch.setattr(LeavingStore, "tombstone", tomb)
            others.append(sweep())
            return tomb(store, account, day)

        monkeypatch.setattr(LeavingStore, "tombstone", overtaken)
        assert sweep() == {"finished": 0, "fiscal_ended": 0, "failed": 0}
        assert others == [{"finished": 1, "fiscal_ended": 0, "failed": 0}]
        assert erased(mora)

    def test_whoever_is_gone_cannot_be_erased_again(self, mora: Account) -> None:
        erase()
        for _ in range(2):
            with pytest.raises(AccountGone):
                erase()
            sweep()


@pytest.mark.promise("PS-70")
class TestWhatTheLawKeeps:
    def test_whoever_never_paid_leaves_nothing(self, mora: Account, tables: Tables) -> None:
        erase()
        sweep()
        assert not [i for i in tables.items("accounts") if i["pk"].startswith("FISCAL#")]

    def test_a_payer_leaves_the_declared_minimum_and_no_field_more(
        self, mora: Account, processor: FakeProcessor, crew: Plan
    ) -> None:
        buy(processor, crew)
        erase()
        sweep()
        made = fiscal.read(MORA)
        assert made["fields"] == {name: PROFILE[name] for name in FISCAL}
        assert made["kept_until"] == "2037-01-01T00:00:00.000Z"
        rows = list(wiring.vault().ledger.rows(fiscal_subject(MORA)))
        told = [row.entry.reason for row in rows if row.entry.event is Event.OPENED]
        assert told == ["command:fiscal"]

    def test_the_operators_command_opens_nothing_of_whoever_is_still_here(
        self, mora: Account, processor: FakeProcessor, crew: Plan
    ) -> None:
        buy(processor, crew)
        with pytest.raises(NotFound):
            fiscal.read(MORA)

    def test_it_is_under_a_key_of_its_own_that_is_backed_up_with_it(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables
    ) -> None:
        buy(processor, crew)
        before = {item["data_key"] for item in tables.items("keys") if "data_key" in item}
        erase()
        (key,) = [i for i in tables.items("accounts") if i["type"] == "fiscal_key"]
        assert key["data_key"] not in before
        assert not [i for i in tables.items("keys") if i.get("data_key") == key["data_key"]]

    def test_no_other_purpose_reads_it(
        self, mora: Account, processor: FakeProcessor, crew: Plan
    ) -> None:
        buy(processor, crew)
        erase()
        assert opens(fiscal_subject(MORA)) == []
        found = rights.erasure().fiscal.found(MORA)
        assert found
        with pytest.raises(PurposeDenied):
            staff(wiring.vault().open_kept(*found, "staff:fiscal"), mora.subject)

    def test_it_ends_ten_years_after_the_year_of_the_last_payment(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables, clock: FakeClock
    ) -> None:
        buy(processor, crew)
        erase()
        sweep()
        end = rights.erasure().fiscal.ends_at(MORA)
        assert end == from_text("2037-01-01T00:00:00Z")
        clock.now = end - 1
        assert sweep()["fiscal_ended"] == 0
        clock.now = end
        assert sweep()["fiscal_ended"] == 1
        assert not [i for i in tables.items("accounts") if i["pk"].startswith("FISCAL#")]

    def test_also_what_rests_leaves_it(
        self, mora: Account, processor: FakeProcessor, crew: Plan
    ) -> None:
        buy(processor, crew)
        rights.deactivation().deactivate(MORA)
        erase()
        assert rights.erasure().fiscal.found(MORA)

    def test_the_end_of_a_year_is_the_end_of_the_year_in_utc(self) -> None:
        for paid, end in (
            ("2026-12-31T23:59:59.999Z", "2037-01-01T00:00:00Z"),
            ("2027-01-01T00:00:00Z", "2038-01-01T00:00:00Z"),
            ("2028-02-29T12:00:00Z", "2039-01-01T00:00:00Z"),
        ):
            assert fiscal_end(from_text(paid)) == from_text(end)


@pytest.mark.promise("PS-70")
def test_one_that_is_not_finished_a_day_after_it_was_due_is_counted_for_the_alarm(
    mora: Account, processor: FakeProcessor, crew: Plan, clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    told: list[str] = []
    monkeypatch.setattr(sweeping, "count", lambda name, _=1: told.append(name))
    buy(processor, crew)
    erase(2)
    clock.advance(2 * HOUR)
    processor.silent = True
    for passed, late in ((0, False), (DAY, False), (HOUR, True)):
        clock.advance(passed)
        told.clear()
        with pytest.raises(SweepIncomplete):
            sweep()
        assert ("erasure_late" in told) == late
    assert [one.name for one in COUNTED if "erasure_late" in one.metrics] == ["ErasureLateAlarm"]
    processor.silent = False
    clock.advance(HOUR)
    sweep()
    assert tombstone(MORA)


@pytest.mark.guarantee("G12")
@pytest.mark.promise("PS-70")
class TestDying:
    def test_a_death_at_any_call_of_an_erasure_is_finished_by_the_sweep(
        self, plan: Plan, tables: Tables
    ) -> None:
        prepare = payers(plan, tables)

        def judge(name: str) -> None:
            planned = rights.erasure().store.leaving(name)
            if planned is None and wiring.account_store().account(name):
                rights.erasure().ask(name, 0)
            sweep()
            assert wiring.account_store().account(name) is None
            assert tombstone(name)
            assert not [i for i in tables.items("keys") if f"sub_{name}" in i["pk"]]
            assert rights.erasure().fiscal.found(name)

        assert at_every_call(prepare, lambda name: rights.erasure().ask(name, 0), judge) > 40

    def test_a_death_at_any_call_of_an_erasure_after_a_restore_is_finished_by_the_next(
        self, plan: Plan, processor: FakeProcessor, tables: Tables
    ) -> None:
        payer = payers(plan, tables)

        def prepare() -> str:
            name = payer()
            backup = {table: tables.items(table) for table in ("accounts", "usage")}
            rights.erasure().ask(name, 0)
            sweep()
            restore(tables, backup)
            return name

        def judge(name: str) -> None:
            leave_again()
            sweep()
            assert wiring.account_store().account(name) is None
            assert tombstone(name)
            head = wiring.licenses().head(f"lic_{name}")
            assert head
            assert head.standing == "revoked"

        assert at_every_call(prepare, lambda _: leave_again(), judge) > 20

    def test_a_death_at_any_call_of_the_closing_is_finished_by_the_next(
        self, plan: Plan, processor: FakeProcessor, tables: Tables
    ) -> None:
        payer = payers(plan, tables)

        def prepare() -> str:
            name = payer()
            rights.erasure().ask(name, 0)
            return name

        def judge(name: str) -> None:
            sweep()
            assert tombstone(name)
            assert f"cus_{name}" in processor.forgotten

        assert at_every_call(prepare, lambda _: sweep(), judge) > 20


class TestPayingWhileLeaving:
    def test_who_pays_after_the_account_is_gone_gets_no_license_and_the_money_is_kept_for_them(
        self, mora: Account, processor: FakeProcessor, crew: Plan, tables: Tables
    ) -> None:
        order = wiring.orders().place(MORA, "halyard", crew.id, "a", seats=1)
        wiring.orders().card_page(order, "https://cetrus.test/orders/x")
        processor.complete(f"cs_{order.id}")
        rights.erasure().ask(MORA, 0)
        wiring.payments().fulfillment.fulfill(MORA, order.id)
        found = wiring.payment_store().order(MORA, order.id)
        assert found
        assert (found.state, found.refusal) == ("refused", "gone")
        assert wiring.licenses().of_account(MORA) == []
        assert [i for i in tables.items("accounts") if i["type"] == "payment"]

    def test_a_subscription_whose_charge_is_on_its_way_is_waited_for(
        self, mora: Account, processor: FakeProcessor, crew: Plan, clock: FakeClock
    ) -> None:
        license_id = buy(processor, crew).license_id or ""
        clock.advance(31 * DAY)
        processor.silent = True
        wiring.renewals().sweep()
        found = wiring.subscription_store().subscription(MORA, license_id)
        assert found
        assert found.charging == 1
        rights.erasure().ask(MORA, 0)
        assert opens(mora.subject) == []
        processor.silent = False
        assert sweep()["finished"] == 0
        clock.advance(HOUR)
        wiring.renewals().sweep()
        sweep()
        assert tombstone(MORA)
