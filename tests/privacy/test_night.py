"""The nightly look: each thing that is not as promised is counted, without opening anything."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.accounts.rules import Account
from chalicelib.accounts.rules import State as Lives
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.core.few import FEW, SHOWN_FROM
from chalicelib.mail.rules import MailClass, Message, State, Why
from chalicelib.mail.store import MailStore
from chalicelib.privacy import policies, statement
from chalicelib.privacy import wiring as records
from chalicelib.privacy.folding import fold
from chalicelib.privacy.heads import key_of
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.night import OF_PEOPLE, as_told, in_turn, nights
from chalicelib.privacy.rules import Entry, Event, Purpose, follow, policy
from chalicelib.privacy.timings import Which, spread
from chalicelib.rights import wiring as rights
from chalicelib.rights.rules import Kind, Leaving, Stage
from chalicelib.storage.wire import to_wire_item
from tests.conftest import NOON, kept_client
from tests.privacy.test_vault import ACCOUNT, PROFILE, collected

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.privacy.rules import Row
    from chalicelib.rights.store import LeavingStore
    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.promise("PS-45")


def head(clock: FakeClock) -> None:
    """The hour ends, and its head is made."""
    clock.advance(HOUR + 10 * MINUTE)
    records.head_maker().run()


def plant(table: str, item: dict[str, Any]) -> None:
    """Past all that our own code would refuse."""
    kept_client("dynamodb").put_item(TableName=table, Item=to_wire_item(item))


def night() -> dict[str, Any]:
    return records.night_check().run()


def wait(due: int) -> LeavingStore:
    """An erasure that is to be done at that instant."""
    store = rights.erasure().store
    leaving = Leaving("acc_a", Kind.ERASURE, Stage.WAITING, due, due)
    store.accounts.apply(store.put(leaving, None))
    return store


@pytest.fixture
def subject(tables: Tables, clock: FakeClock) -> str:
    """Somebody who was collected, opened, and is under a head."""
    made = collected()
    wiring.vault().open(made, ACCOUNT, "page:/account")
    head(clock)
    return made


class TestInOrder:
    def test_nothing_is_found_where_nothing_is_wrong(self, subject: str, clock: FakeClock) -> None:
        found = night()
        assert found["findings"] == []
        assert found["at"] == clock.now
        assert (found["heads"]["count"], found["chains"]["read"]) == (1, 1)
        assert found["events"] == {"collected": 3, "opened": 1}
        assert found["statement"]["as_published"] is True

    def test_it_opens_nothing(self, subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def never(**_: object) -> None:
            raise AssertionError("something was opened")

        check = records.night_check()
        monkeypatch.setattr(wiring.vault(), "kms", type("Kms", (), {"decrypt": never}))
        rows = len(list(Ledger(wiring.accounts_table()).rows(subject)))
        assert check.run()["findings"] == []
        assert len(list(Ledger(wiring.accounts_table()).rows(subject))) == rows

    def test_what_is_published_is_signed_and_of_nobody(self, subject: str) -> None:
        found = night()
        shown = records.proof_board().night()
        assert shown.body == json.loads(json.dumps(as_told(found)))
        assert subject not in json.dumps(shown.document)
        assert not [v for v in PROFILE.values() if v and v in json.dumps(shown.document)]

    def test_people_who_paused_withdrew_or_were_erased_are_in_order(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        vault = wiring.vault()
        paused, back, gone, chose = (collected() for _ in range(4))
        vault.commit(lambda: vault.hold(paused, "page:/account"))
        vault.commit(lambda: vault.hold(back, "page:/account"))
        vault.commit(lambda: vault.release(back, "page:/account"))
        vault.erase(gone)
        paid = collected()
        vault.commit(lambda: vault.hold(paid, "page:/account"))
        assert vault.keep_by_law(paid, "fis_paid", "page:/account/privacy/erase")
        vault.erase(paid)
        vault.commit(lambda: vault.grant(chose, Purpose.MARKETING, PROFILE, "page:/account"))
        vault.withdraw(chose, Purpose.MARKETING, "page:/account")
        head(clock)
        found = night()
        assert (found["findings"], found["chains"]["read"]) == ([], 5)


class TestWhatIsFound:
    @pytest.mark.promise("PS-78")
    def test_a_text_that_was_altered_together_with_its_pin(
        self, subject: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing in the program contradicts it any more; the heads that were signed before do."""
        folder = tmp_path / "statements"
        shutil.copytree(statement.FOLDER, folder)
        text = (folder / "3.toml").read_text().replace("twice in thirty days", "each day")
        (folder / "3.toml").write_text(text)
        monkeypatch.setattr(statement, "FOLDER", folder)
        monkeypatch.setitem(policies.TEXTS, 3, statement.digest(3, text.encode()))
        policy.cache_clear()
        assert statement.read(3)
        found = night()
        policy.cache_clear()
        assert found["findings"] == ["statement_altered"]

    def test_a_key_that_the_ledger_does_not_know(self, subject: str, tables: Tables) -> None:
        (grant, *_) = wiring.vault().store.grants(subject)
        item = {
            "pk": f"SUBJECT#{subject}", "sk": "KEY#marketing", "policy": grant.policy,
            "data_key": grant.wrapped, "at": NOON,
        }  # fmt: skip
        plant("keys", item)
        assert night()["findings"] == ["grants_differ"]

    def test_a_key_that_is_gone_without_a_row(self, subject: str, tables: Tables) -> None:
        tables.keys.apply(tables.keys.delete(f"SUBJECT#{subject}", "KEY#billing"))
        assert night()["findings"] == ["grants_differ"]

    def test_a_row_that_was_cut_off(self, subject: str, tables: Tables) -> None:
        tables.accounts.apply(tables.accounts.delete(f"LEDGER#{subject}", "ROW#0000000004"))
        assert night()["findings"] == ["chains_not_as_signed"]

    def test_a_row_that_was_changed(self, subject: str, tables: Tables) -> None:
        item = tables.accounts.get(f"LEDGER#{subject}", "ROW#0000000004")
        assert item
        plant("accounts", {**item, "reason": "page:/else"})
        assert night()["findings"] == ["chains_broken"]

    def test_something_opened_after_it_was_withdrawn(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        vault, made = wiring.vault(), collected()
        vault.erase(made)
        (last,) = [row for row in [vault.ledger.head(made)] if row]
        opened = Entry(Event.OPENED, Purpose.ACCOUNT, last.entry.policy, "page:/account")
        vault.ledger.record(made, opened, clock.now)
        head(clock)
        assert night()["findings"] == ["ungranted_uses"]

    def test_a_head_that_was_not_signed(self, subject: str) -> None:
        bucket = records.heads().bucket
        bucket.write(key_of(2), bucket.read(key_of(1)), content_type="application/json")
        assert night()["findings"] == ["heads_unsigned"]

    def test_a_head_that_is_missing(self, subject: str, clock: FakeClock) -> None:
        head(clock)
        bucket = records.heads().bucket
        bucket.write(key_of(4), bucket.read(key_of(1)), content_type="application/json")
        assert night()["findings"] == ["heads_missing", "heads_unsigned"]

    def test_a_head_that_was_deleted_is_read_all_the_same(
        self, subject: str, clock: FakeClock
    ) -> None:
        for _ in range(2):
            head(clock)
        s3 = kept_client("s3")
        s3.delete_object(Bucket="cetrus-heads", Key=key_of(2))  # a marker; the version stays
        found = night()
        assert found["findings"] == ["heads_deleted"]
        assert (found["heads"]["deleted"], found["heads"]["missing"]) == (1, 0)

    def test_a_head_that_was_put_again(self, subject: str, clock: FakeClock) -> None:
        head(clock)
        bucket = records.heads().bucket
        bucket.write(key_of(1), bucket.read(key_of(1)), content_type="application/json")
        found = night()
        assert (found["findings"], found["heads"]["put_again"]) == (["heads_put_again"], 1)

    def test_history_that_was_made_anew_under_heads_that_were_hidden(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        ledger = Ledger(tables.accounts)
        for _ in range(3):
            ledger.record("sub_a", Entry(Event.NOTIFIED, None, "1:x", "test"), clock.now)
            head(clock)
        for number in (2, 3):
            kept_client("s3").delete_object(Bucket="cetrus-heads", Key=key_of(number))
            tables.accounts.apply(tables.accounts.delete("LEDGER#sub_a", f"ROW#{number:010d}"))
        head(clock)
        assert night()["findings"] == ["heads_deleted", "chains_not_as_signed"]

    def test_a_row_that_is_dated_ahead(self, subject: str, clock: FakeClock) -> None:
        told = Entry(Event.NOTIFIED, None, "1:x", "test")
        Ledger(wiring.accounts_table()).record(subject, told, clock.now + 3 * DAY)
        head(clock)
        found = night()
        assert (found["findings"], found["chains"]["dated_ahead"]) == (["rows_dated_ahead"], 1)

    def test_one_that_was_dated_ahead_and_is_gone(
        self, subject: str, clock: FakeClock, tables: Tables
    ) -> None:
        told = Entry(Event.NOTIFIED, None, "1:x", "test")
        Ledger(tables.accounts).record(subject, told, clock.now + 3 * DAY)
        head(clock)
        tables.accounts.apply(tables.accounts.delete(f"LEDGER#{subject}", "ROW#0000000005"))
        assert night()["findings"] == ["chains_not_as_signed"]

    def test_heads_that_came_late_are_counted(self, subject: str, clock: FakeClock) -> None:
        clock.advance(20 * HOUR)
        head(clock)
        found = night()
        assert (found["heads"]["came_late"], found["findings"]) == (1, [])

    def test_heads_that_stopped_coming(self, subject: str, clock: FakeClock) -> None:
        clock.advance(5 * HOUR)
        assert night()["findings"] == ["heads_late"]

    def test_no_head_at_all(self, tables: Tables, clock: FakeClock) -> None:
        assert night()["findings"] == ["heads_late"]

    def test_a_raw_file_that_is_too_old(
        self, subject: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wiring.visitor_logs().write("visits/a.gz", b"x", content_type="application/gzip")
        arrived = next(iter(wiring.visitor_logs().listed())).arrived_at
        clock.now = arrived + DAY
        records.head_maker().run()
        found = night()
        assert found["raw_files"] == {"count": 1, "oldest_minutes": 24 * 60}
        assert "raw_files_too_old" in found["findings"]

    def test_an_erasure_that_waits_too_long(self, subject: str, tables: Tables) -> None:
        wait(NOON - 2 * HOUR)
        assert night()["findings"] == ["erasures_overdue"]

    @pytest.mark.promise("PS-70")
    def test_one_that_fails_at_every_try_and_is_looked_at_later(
        self, subject: str, clock: FakeClock
    ) -> None:
        """The sweep puts it behind the others each time, so that its index is never in arrears."""
        store = wait(NOON - 2 * HOUR)
        store.look_later("acc_a", clock.now, clock.now + DAY)
        assert list(store.due(clock.now)) == []
        assert night()["erasures_overdue"] == 1

    def test_an_account_that_rests_by_its_keys_and_is_listed_as_active(
        self, subject: str, clock: FakeClock
    ) -> None:
        store, accounts = rights.erasure().store, wiring.account_store()
        store.accounts.transact(store.note_rest("acc_a", clock.now))
        clock.advance(HOUR + MINUTE)
        assert night()["resting_as_active"] == 0
        account = Account("acc_a", Lives.ACTIVE, "sub_a", "email", "login", "none", clock.now)
        accounts.transact(accounts.put_account(account))
        assert "resting_as_active" in night()["findings"]
        store.accounts.transact(store.end_rest("acc_a"))
        assert night()["findings"] == []

    def test_one_that_left_within_the_hour_is_not_judged(
        self, subject: str, clock: FakeClock
    ) -> None:
        store, accounts = rights.erasure().store, wiring.account_store()
        account = Account("acc_a", Lives.ACTIVE, "sub_a", "email", "login", "none", clock.now)
        accounts.transact(accounts.put_account(account), store.note_rest("acc_a", clock.now))
        assert night()["resting_as_active"] == 0

    def test_one_whose_hour_has_not_come_is_none(self, subject: str, clock: FakeClock) -> None:
        wait(clock.now - HOUR + 1)
        assert night()["erasures_overdue"] == 0


def plant_grant(subject: str) -> None:
    """A key that no row of the ledger tells of; the chain does not move."""
    (grant, *_) = wiring.vault().store.grants(subject)
    item = {
        "pk": f"SUBJECT#{subject}", "sk": "KEY#marketing", "policy": grant.policy,
        "data_key": grant.wrapped, "at": NOON,
    }  # fmt: skip
    plant("keys", item)


def nights_that_find_it(clock: FakeClock, number: int) -> list[bool]:
    """Night after night, with no head in between."""
    found = []
    for _ in range(number):
        clock.advance(DAY)
        found.append("grants_differ" in night()["findings"])
    return found


class TestWhoDidNotMove:
    def test_a_planted_key_is_found(self, subject: str, clock: FakeClock) -> None:
        clock.advance(40 * DAY)
        head(clock)
        plant_grant(subject)
        found = night()
        assert found["findings"] == ["grants_differ"]
        chains = found["chains"]
        assert (chains["moved"], chains["quiet_known"], chains["quiet_read"]) == (0, 1, 1)

    def test_a_key_that_came_back_after_an_erasure_is_found(
        self, subject: str, clock: FakeClock, tables: Tables
    ) -> None:
        (kept, *_) = [item for item in tables.items("keys") if item["type"] == "grant"]
        wiring.vault().erase(subject)
        clock.advance(40 * DAY)
        head(clock)
        clock.advance(40 * DAY)
        head(clock)
        assert night()["findings"] == []
        plant("keys", kept)
        assert night()["findings"] == ["grants_differ"]

    def test_a_row_that_was_cut_off_long_ago_is_found(
        self, subject: str, clock: FakeClock, tables: Tables
    ) -> None:
        clock.advance(40 * DAY)
        head(clock)
        tables.accounts.apply(tables.accounts.delete(f"LEDGER#{subject}", "ROW#0000000004"))
        assert night()["findings"] == ["chains_not_as_signed"]

    def test_of_more_than_a_night_reads_each_has_its_night(
        self, tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.privacy.night.QUIET_READ", 1)
        subjects = [collected() for _ in range(4)]
        head(clock)
        clock.advance(2 * DAY)
        plant_grant(subjects[2])
        assert sum(nights_that_find_it(clock, 4)) == 1

    def test_whom_an_old_head_alone_names_has_a_night_too(
        self, subject: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HEADS_READ", "HEADS_AGAIN"):
            monkeypatch.setattr(f"chalicelib.privacy.night.{name}", 1)
        for _ in range(2):
            clock.advance(2 * DAY)
            head(clock)
        plant_grant(subject)
        assert sum(nights_that_find_it(clock, 3)) == 1

    @given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 20_000))
    def test_in_so_many_nights_each_has_its_turn_under_the_bound(
        self, number: int, most: int, first: int
    ) -> None:
        numbers = list(range(number))
        turns = [in_turn(numbers, most, first + n) for n in range(nights(number, most))]
        assert sorted(each for turn in turns for each in turn) == numbers
        assert all(len(turn) <= most for turn in turns)


def mailed(name: str, state: State, now: int, why: Why | None = None) -> None:
    """A message that was taken up and ended so."""
    store = MailStore(wiring.accounts_table())
    message = Message(name, "welcome", MailClass.ACCOUNT, "acc_a", None, {}, now, now)
    store.table.apply(store.put(message))
    claimed = store.claim(name, now)
    assert claimed
    store.end(claimed, state, now, why)


class TestMails:
    def test_they_are_counted_by_class_and_by_what_became_of_them(
        self, subject: str, clock: FakeClock
    ) -> None:
        for name, state in (("a", State.SENT), ("b", State.REFUSED), ("c", State.SENT)):
            mailed(f"msg_{name}", state, clock.now - HOUR)
        mailed("msg_d", State.SENT, clock.now - DAY - 1)
        assert night()["mails"] == {"account": {"refused": 1, "sent": 2}}

    def test_one_that_was_refused_before_anything_was_opened_counts_too(
        self, subject: str, clock: FakeClock
    ) -> None:
        mailed("msg_a", State.REFUSED, clock.now - HOUR, Why.UNAPPROVED)
        mailed("msg_b", State.NO_RECIPIENT, clock.now - HOUR, Why.NO_GRANT)
        found = night()
        assert found["mails"] == {"account": {"no_recipient": 1, "refused": 1}}
        assert found["mails_held_back"] == {"account": {"no_grant": 1, "unapproved": 1}}

    def test_one_whose_hand_over_was_never_told_of_is_unknown(
        self, subject: str, tables: Tables, clock: FakeClock
    ) -> None:
        store, began = MailStore(tables.accounts), clock.now
        message = Message("msg_a", "welcome", MailClass.ACCOUNT, "acc_a", None, {}, began, began)
        tables.accounts.apply(store.put(message))
        assert store.claim("msg_a", began)
        (item,) = [item for item in tables.items("accounts") if item["type"] == "message"]
        plant("accounts", {**item, "handing": True})
        assert store.end_overtaken("msg_a", began + 2 * MINUTE)
        clock.advance(3 * MINUTE)
        assert night()["mails"] == {"account": {"unknown": 1}}

    def test_that_none_ended_is_said(self, subject: str) -> None:
        found = night()
        assert (found["mails"], found["mails_held_back"]) == ({}, {})


@pytest.mark.promise("PS-77")
class TestWhatIsTold:
    """The alarm sees exact figures; pages and the signed file none of a few people."""

    @pytest.mark.parametrize(("number", "told"), [(1, FEW), (10, FEW), (11, 11)])
    def test_a_class_of_mail_is_told_from_eleven_on(
        self, subject: str, clock: FakeClock, number: int, told: object
    ) -> None:
        for n in range(number):
            mailed(f"msg_{n}", State.REFUSED, clock.now - HOUR, Why.UNAPPROVED)
        assert night()["mails"] == {"account": {"refused": number}}
        body = records.proof_board().night().body
        assert body
        assert body["mails"] == {"account": {"refused": told}}
        assert body["mails_held_back"] == {"account": {"unapproved": told}}

    def test_so_are_acts_and_how_many_cases_a_time_is_of(
        self, subject: str, clock: FakeClock
    ) -> None:
        wiring.vault().erase(subject)
        for _ in range(SHOWN_FROM):
            collected()
        wiring.times().note(Which.NOTHING_OPENS, clock.now - 40, clock.now)
        head(clock)
        found, body = night(), records.proof_board().night().body
        assert body
        assert (found["events"]["erased"], found["times"]["nothing_opens"]["number"]) == (3, 1)
        assert (body["events"]["erased"], body["events"]["collected"]) == (FEW, 36)
        assert body["times"]["nothing_opens"]["number"] == FEW

    def test_no_class_is_left_out(self, subject: str, clock: FakeClock) -> None:
        """Of all that is published, whatever is counted by class is told by the rule."""
        mailed("msg_a", State.SENT, clock.now - HOUR)
        night()
        body = records.proof_board().night().body
        assert body
        counted = [number for name in OF_PEOPLE for number in numbers_in(body[name])]
        assert counted
        assert all(number == FEW or number >= SHOWN_FROM for number in counted)


def numbers_in(counted: object) -> list[Any]:
    if not isinstance(counted, dict):
        return [counted]
    return [number for each in counted.values() for number in numbers_in(each)]


class TestTimes:
    def test_where_nothing_was_asked_for_there_is_none(self, subject: str) -> None:
        assert night()["times"] == {which: {"number": 0} for which in Which}

    def test_the_spread_of_thirty_days_is_told(self, subject: str, clock: FakeClock) -> None:
        times = wiring.times()
        for number in range(1, 201):
            at = clock.now - number * DAY // 8
            times.note(Which.STOPPED_BY_LINK, at - number, at)
        times.note(Which.STOPPED_BY_LINK, clock.now - 32 * DAY - 9_999, clock.now - 32 * DAY)
        found = night()["times"]["stopped_by_link"]
        assert found == {"number": 200, "median_ms": 100, "p99_ms": 198, "longest_ms": 200}

    def test_what_is_kept_of_a_case_is_of_nobody_and_ends_by_itself(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        wiring.times().note(Which.NOTHING_OPENS, clock.now - 7, clock.now)
        (kept,) = [item for item in tables.items("usage") if item["type"] == "took"]
        assert kept.keys() == {"pk", "sk", "type", "v", "ms", "purge_at"}
        assert kept["purge_at"] == (clock.now + 40 * DAY) // 1000

    @given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
    def test_half_are_within_the_median_and_99_of_100_within_the_next(
        self, times: list[int]
    ) -> None:
        told = spread(times)
        for name, percent in (("median_ms", 50), ("p99_ms", 99)):
            assert 100 * sum(each <= told[name] for each in times) >= percent * len(times)
            assert 100 * sum(each < told[name] for each in times) < percent * len(times)


def test_what_partners_were_told_this_year_is_counted(subject: str) -> None:
    assert night()["epsilon"] == {"year": "2026", "thousandths": 0}
    plant(
        "accounts", {"pk": "EPSILON#2026", "sk": "EPSILON", "spent": 2_000, "months": {"2026-10"}}
    )
    assert night()["epsilon"] == {"year": "2026", "thousandths": 2_000}


def chain(purpose: Purpose, *events: Event) -> list[Row]:
    rows: list[Row] = []
    for event in events:
        entry = Entry(event, purpose, "1:x", "test")
        rows.append(follow(rows[-1] if rows else None, "sub_a", entry, NOON))
    return rows


class TestTheFold:
    def test_it_knows_a_grant_on_hold(self) -> None:
        found = fold(chain(Purpose.ACCOUNT, Event.COLLECTED, Event.DEACTIVATED))
        assert (found.granted, found.held) == ({}, {Purpose.ACCOUNT: "1:x"})

    @pytest.mark.parametrize("rest", [(), (Event.ERASED,)])
    def test_what_the_law_keeps_is_opened_on_hold_right_before_all_is_erased(
        self, rest: tuple[Event, ...]
    ) -> None:
        began = (Event.COLLECTED, Event.DEACTIVATED, Event.OPENED)
        assert fold(chain(Purpose.BILLING, *began, *rest)).ungranted_uses == 0

    def test_whoever_comes_back_after_it_was_opened_without_a_grant(self) -> None:
        began = (Event.COLLECTED, Event.DEACTIVATED, Event.OPENED, Event.REACTIVATED)
        rows = chain(Purpose.BILLING, *began)
        assert (fold(rows).ungranted_uses, fold(rows, NOON).ungranted_uses) == (1, 0)

    @pytest.mark.parametrize(
        ("purpose", "use"),
        [(Purpose.ACCOUNT, Event.OPENED), (Purpose.BILLING, Event.SHARED)],
    )
    def test_no_other_use_of_a_key_on_hold_is_granted(self, purpose: Purpose, use: Event) -> None:
        rows = chain(purpose, Event.COLLECTED, Event.DEACTIVATED, use)
        assert fold(rows).ungranted_uses == 1
