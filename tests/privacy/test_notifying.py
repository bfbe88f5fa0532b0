"""A published version is told to each active account that it touches, once, and to nobody else."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import State
from chalicelib.core.clock import DAY, HOUR
from chalicelib.privacy.notice_jobs import WALKED
from chalicelib.privacy.notifying import NoticesIncomplete
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied, policy, verify
from chalicelib.staff.rules import Role
from tests.crash import at_every_call
from tests.privacy.crowd import Crowd

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeClock, Tables

SURVEYS = "To ask you, now and then, how an application serves you."


@pytest.fixture
def crowd(tables: Tables, clock: FakeClock) -> Crowd:
    return Crowd(tables, clock)


def come_back(account: str) -> None:
    """Active again, in the index as before."""
    store = wiring.account_store()
    store.accounts.apply(
        store.accounts.update(
            f"ACCOUNT#{account}", "ACCOUNT", "SET #s = :active",
            {":active": "active"}, condition="attribute_exists(pk)", names={"#s": "state"},
        )
    )  # fmt: skip
    store.enter_index(account)


def time_for(looks: int) -> Callable[[], int]:
    """Time that is over after so many looks at it."""
    left = count(looks, -1)
    return lambda: next(left) * 20_000


@pytest.mark.promise("PS-80")
class TestWhoIsTold:
    def test_each_active_account_that_a_new_use_touches_once(self, crowd: Crowd) -> None:
        touched = {crowd.join(f"member{number}") for number in range(9)}
        crowd.publish()
        assert crowd.notify()["told"] == 9
        assert crowd.written().keys() == touched
        assert {mail.to for mail in crowd.send()} == {f"member{n}@example.com" for n in range(9)}
        crowd.clock.advance(WALKED)
        assert crowd.notify()["told"] == 0
        assert crowd.send() == []

    def test_the_mail_says_what_is_new_where_to_decide_and_that_silence_is_no(
        self, crowd: Crowd
    ) -> None:
        crowd.join("mora")
        crowd.publish()
        crowd.notify()
        (mail,) = crowd.send()
        assert mail.subject == (
            "Our privacy policy changed: you decide about the new use of your data"
        )
        text = " ".join(mail.text.split())
        assert f"New: {SURVEYS}" in text
        assert "/account/privacy" in text
        assert "If you do nothing, it is not" in text

    def test_nobody_while_no_version_was_published(self, crowd: Crowd) -> None:
        crowd.join("mora")
        assert crowd.notify()["looked"] == 0
        assert crowd.written() == {}

    def test_who_registers_under_the_new_version_was_asked_then(self, crowd: Crowd) -> None:
        crowd.publish()
        crowd.clock.advance(HOUR)
        crowd.join("later", 4, chosen={Purpose.SURVEYS: False})
        assert crowd.notify()["told"] == 0

    def test_who_said_yes_to_all_of_it_at_that_instant_is_not_told(self, crowd: Crowd) -> None:
        crowd.publish()
        crowd.join("quick", 4, chosen={Purpose.SURVEYS: True})
        assert crowd.notify()["told"] == 0

    def test_a_person_of_the_first_version_gets_it_under_the_purpose_account(
        self, crowd: Crowd
    ) -> None:
        crowd.join("elder", 1)
        crowd.publish()
        crowd.notify()
        (mail,) = crowd.send()
        assert mail.to == "elder@example.com"
        assert "New: To carry an invitation to you" in " ".join(mail.text.split())
        assert Purpose.POLICY_NOTICE not in wiring.vault().granted("sub_elder")

    def test_others_get_it_under_the_purpose_that_says_so(self, crowd: Crowd) -> None:
        crowd.join("mora")
        crowd.publish()
        crowd.notify()
        crowd.send()
        opened = [r.entry for r in wiring.vault().ledger.rows("sub_mora")][-1]
        assert (opened.event, opened.purpose) == (Event.OPENED, Purpose.POLICY_NOTICE)

    def test_the_ledger_says_that_it_was_told(self, crowd: Crowd) -> None:
        crowd.join("mora")
        crowd.publish()
        crowd.notify()
        rows = list(wiring.vault().ledger.rows("sub_mora"))
        told = [row for row in rows if row.entry.event is Event.NOTIFIED]
        assert [row.entry.policy for row in told] == [policy(4).id]
        assert verify(rows)


@pytest.mark.promise("PS-83")
class TestWhoLeft:
    @pytest.mark.parametrize("state", ["deactivated", "ending"])
    def test_is_not_told(self, crowd: Crowd, state: str) -> None:
        crowd.leave(crowd.join("gone"), state)
        crowd.publish()
        assert crowd.notify()["told"] == 0
        assert crowd.written() == {}

    @pytest.mark.parametrize("state", ["deactivated", "ending"])
    def test_is_not_told_though_the_index_still_names_them(
        self, crowd: Crowd, state: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = crowd.join("gone")
        store = wiring.account_store()
        monkeypatch.setattr(type(store), "active", lambda *_: iter([account]))
        crowd.leave(account, state)
        crowd.publish()
        assert crowd.notify()["told"] == 0
        assert crowd.written() == {}

    def test_between_the_look_and_the_writing_is_not_told(
        self, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = crowd.join("gone")
        crowd.publish()
        granted = type(wiring.vault()).granted

        def leaving(vault: object, subject: str) -> object:
            crowd.leave(account, "deactivated")
            return granted(vault, subject)  # type: ignore[arg-type]

        monkeypatch.setattr(type(wiring.vault()), "granted", leaving)
        assert crowd.notify()["told"] == 0
        assert crowd.written() == {}

    @pytest.mark.parametrize("state", ["deactivated", "ending"])
    def test_between_the_writing_and_the_hand_over_gets_no_mail(
        self, crowd: Crowd, state: str
    ) -> None:
        account = crowd.join("gone")
        crowd.publish()
        crowd.notify()
        crowd.leave(account, state)
        assert crowd.send() == []
        assert [row["state"] for row in crowd.written().values()] == ["no_recipient"]
        assert list(crowd.written()) == ([account] if state == "deactivated" else [""])

    def test_and_comes_back_is_told_by_a_later_walk(self, crowd: Crowd) -> None:
        account = crowd.join("back")
        crowd.leave(account, "deactivated")
        crowd.publish()
        crowd.notify()
        come_back(account)
        assert crowd.notify()["told"] == 0
        crowd.clock.advance(DAY)
        assert crowd.notify()["told"] == 1

    @pytest.mark.parametrize("rested", [WALKED, 31 * DAY, 400 * DAY])
    def test_and_comes_back_however_late_is_told_within_a_week_and_once(
        self, crowd: Crowd, rested: int
    ) -> None:
        account = crowd.join("back")
        crowd.leave(account, "deactivated")
        crowd.publish()
        end = crowd.clock.now + rested
        while crowd.clock.now < end:
            assert crowd.notify()["told"] == 0
            crowd.clock.advance(DAY)
        come_back(account)
        for _ in range(8):
            crowd.notify()
            crowd.clock.advance(DAY)
        assert crowd.written().keys() == {account}
        assert [mail.to for mail in crowd.send()] == ["back@example.com"]
        crowd.clock.advance(WALKED)
        assert crowd.notify()["told"] == 0

    @pytest.mark.promise("PS-80")
    def test_after_the_writing_and_comes_back_is_told_by_the_next_walk_and_once(
        self, crowd: Crowd
    ) -> None:
        account = crowd.join("back")
        crowd.publish()
        assert crowd.notify()["told"] == 1
        crowd.leave(account, "deactivated")
        assert crowd.send() == []
        come_back(account)
        crowd.clock.advance(DAY)
        assert crowd.notify()["told"] == 1
        assert [mail.to for mail in crowd.send()] == ["back@example.com"]
        for _ in range(40):
            crowd.clock.advance(7 * DAY)
            assert crowd.notify()["told"] == 0
        assert crowd.send() == []
        rows = list(wiring.vault().ledger.rows("sub_back"))
        assert [row.entry.event for row in rows].count(Event.NOTIFIED) == 2
        assert verify(rows)

    def test_and_got_it_before_is_not_told_again(self, crowd: Crowd) -> None:
        account = crowd.join("back")
        crowd.publish()
        crowd.notify()
        assert len(crowd.send()) == 1
        for _ in range(3):
            crowd.leave(account, "deactivated")
            crowd.clock.advance(8 * DAY)
            assert crowd.notify()["told"] == 0
            come_back(account)
            crowd.clock.advance(8 * DAY)
            assert crowd.notify()["told"] == 0
        assert crowd.send() == []

    def test_before_the_hand_over_is_not_taken_to_know_the_version(self, crowd: Crowd) -> None:
        account = crowd.join("back")
        crowd.publish()
        crowd.notify()
        assert wiring.outbox().told("policy_changed", 4, account)
        crowd.leave(account, "deactivated")
        crowd.send()
        assert not wiring.outbox().told("policy_changed", 4, account)
        assert wiring.outbox().written("policy_changed", 4, account)

    def test_the_walks_are_daily_for_thirty_days_and_weekly_after_that(self, crowd: Crowd) -> None:
        crowd.join("mora")
        crowd.publish()
        walked = []
        for day in range(60):
            walked += [day] if crowd.notify()["looked"] else []
            crowd.clock.advance(DAY)
        assert walked == [*range(30), 36, 43, 50, 57]

    def test_and_whoever_never_confirmed_is_told_only_once_they_did(self, crowd: Crowd) -> None:
        account = crowd.join("slow", state=State.UNCONFIRMED)
        crowd.publish()
        assert crowd.notify()["told"] == 0
        store = wiring.account_store()
        found = store.account(account)
        assert found
        store.transact(store.confirm(found, crowd.clock()))
        crowd.clock.advance(DAY)
        assert crowd.notify()["told"] == 1


@pytest.mark.promise("PS-81")
class TestSilence:
    def test_is_no_however_far_the_clock_runs(self, crowd: Crowd) -> None:
        crowd.join("mora")
        crowd.publish()
        crowd.notify()
        crowd.send()
        for _ in range(40):
            crowd.clock.advance(30 * DAY)
            crowd.notify()
        assert Purpose.SURVEYS not in wiring.vault().granted("sub_mora")
        with pytest.raises(PurposeDenied):
            wiring.vault().open("sub_mora", Purpose.SURVEYS, "test")

    def test_only_the_person_s_own_yes_grants_it_and_under_the_new_version(
        self, crowd: Crowd
    ) -> None:
        crowd.join("mora")
        crowd.publish()
        vault = wiring.vault()
        fields = {"email": "mora@example.com"}
        vault.commit(lambda: vault.grant("sub_mora", Purpose.SURVEYS, fields, "page:/account"))
        assert vault.granted("sub_mora")[Purpose.SURVEYS] == policy(4).id
        assert vault.granted("sub_mora")[Purpose.POLICY_NOTICE] == policy(3).id


class TestTheWalk:
    def test_is_cut_anywhere_and_goes_on_where_it_was(
        self, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.privacy.notifying.STRETCH", 2)
        everybody = {crowd.join(f"member{number:02d}") for number in range(12)}
        crowd.publish()
        looked = [wiring.policy_notices().run(time_for(3))["looked"] for _ in range(20)]
        assert max(looked) <= 3
        assert crowd.written().keys() == everybody
        assert sum(looked) == 12

    def test_two_runs_at_once_tell_nobody_twice(
        self, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        accounts = [crowd.join(f"member{number}") for number in range(4)]
        crowd.publish()
        notices = wiring.policy_notices()
        tell = type(notices).tell

        def twice(self: object, *given: object) -> bool:
            once = tell(self, *given)  # type: ignore[arg-type]
            monkeypatch.setattr("chalicelib.mail.outbox.Outbox.told", lambda *_: False)
            again = tell(self, *given)  # type: ignore[arg-type]
            assert not again
            return once

        monkeypatch.setattr(type(notices), "tell", twice)
        assert notices.run(lambda: 240_000)["told"] == 4
        assert crowd.written().keys() == set(accounts)
        assert len(crowd.send()) == 4
        for account in accounts:
            rows = wiring.vault().ledger.rows(account.replace("acc_", "sub_"))
            assert [r.entry.event for r in rows].count(Event.NOTIFIED) == 1

    def test_one_that_fails_does_not_keep_the_news_from_others_and_is_told_a_day_later(
        self, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = [crowd.join(f"member{number}") for number in range(5)]
        crowd.publish()
        store = type(wiring.account_store())
        account = store.account

        def broken(self: object, account_id: str | None) -> object:
            if account_id == names[2]:
                raise RuntimeError("one broken row")
            return account(self, account_id)  # type: ignore[arg-type]

        monkeypatch.setattr(store, "account", broken)
        with pytest.raises(NoticesIncomplete):
            crowd.notify()
        assert crowd.written().keys() == {*names} - {names[2]}
        monkeypatch.setattr(store, "account", account)
        crowd.clock.advance(DAY)
        assert crowd.notify()["told"] == 1

    @pytest.mark.guarantee("G12")
    def test_a_death_at_any_call_loses_nobody_and_tells_nobody_twice(self, crowd: Crowd) -> None:
        names = ("ada", "bo", "cy")

        def prepare() -> None:
            for table in (crowd.tables.accounts, crowd.tables.keys):
                for item in crowd.tables.items(table.name):
                    table.apply(table.delete(item["pk"], item["sk"]))
            for name in names:
                crowd.join(name)
            crowd.publish()

        def judge(_: None) -> None:
            crowd.clock.advance(DAY)
            crowd.notify()
            assert crowd.written().keys() == {f"acc_{name}" for name in names}
            for name in names:
                rows = wiring.vault().ledger.rows(f"sub_{name}")
                assert [r.entry.event for r in rows].count(Event.NOTIFIED) == 1

        assert at_every_call(prepare, lambda _: crowd.notify(), judge) >= 40


@pytest.mark.promise("PS-54")
class TestStaff:
    def test_everybody_who_works_here_is_told_once_and_who_left_is_not(self, crowd: Crowd) -> None:
        staff = wiring.staff()
        for name in ("iris.lund", "olav.berg", "who.left"):
            staff.add(name, "green door behind the mill", [Role.SERVICE])
            staff.address(name, f"{name}@example.org")
        staff.end("who.left")
        crowd.publish()
        assert crowd.notify()["staff"] == 2
        assert len(crowd.written("staff_policy")) == 2
        crowd.clock.advance(DAY)
        assert crowd.notify()["staff"] == 0
        mails = crowd.send()
        assert {mail.to for mail in mails} == {"iris.lund@example.org", "olav.berg@example.org"}
        assert all(SURVEYS in " ".join(mail.text.split()) for mail in mails)

    def test_who_leaves_before_the_hand_over_gets_none(self, crowd: Crowd) -> None:
        wiring.staff().add("iris.lund", "green door behind the mill", [Role.SERVICE])
        wiring.staff().address("iris.lund", "iris@example.org")
        crowd.publish()
        crowd.notify()
        wiring.staff().end("iris.lund")
        assert crowd.send() == []
