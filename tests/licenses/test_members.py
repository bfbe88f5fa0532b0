"""The people of a license: invited by mail, accepted by a signed-in account, gone at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import LinkEnded
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.core.errors import NotFound
from chalicelib.licenses.members import (
    INVITATION_LIFE,
    INVITATIONS_A_DAY,
    INVITED_A_DAY,
    LicenseOver,
    MemberAlready,
    NoPlaceLeft,
    TooManyInvitations,
)
from chalicelib.mail.links import link_token
from chalicelib.mail.wishes import COMPLAINED, suppression_of
from tests.accounts.test_email_change import sent_mails
from tests.accounts.watch import watched
from tests.browser import Browser
from tests.crash import at_every_call
from tests.program import claims_of

if TYPE_CHECKING:
    from tests.browser import Answer
    from tests.conftest import FakeClock, Tables
    from tests.identity.conftest import Desk

GUEST = "tam.the.guest@loch.example"


def people(license_id: str) -> str:
    return f"/account/licenses/{license_id}/people"


def invite(desk: Desk, license_id: str, email: str = GUEST, role: str = "user") -> Answer:
    return desk.browser.post(people(license_id), {"email": email, "role": role})


def newest(tables: Tables) -> str:
    """The page that the newest invitation's link opens."""
    items = [i for i in tables.items("accounts") if i.get("template") == "invitation"]
    found = max(items, key=lambda item: (item["created_at"], item["pk"]))
    return f"/invitations/{link_token(wiring.link_key(), found['id'])}"


@pytest.fixture
def owned(desk: Desk) -> str:
    return desk.license()


@pytest.fixture
def joined(desk: Desk, other_desk: Desk, owned: str, tables: Tables) -> str:
    """A license of the first person's that the second one is a user of."""
    assert invite(desk, owned).status == 303
    answer = other_desk.browser.post(newest(tables), {})
    assert answer.location == f"/account/shared/{owned}?joined=1"
    return owned


def remove(desk: Desk, license_id: str) -> Answer:
    page = desk.browser.get(people(license_id)).text
    (found, *_) = re.findall(r'name="invitation" value="([^"]+)"', page)
    path = people(license_id)
    return desk.browser.post(f"{path}/end", {"invitation": found}, page=path)


class TestInviting:
    def test_it_is_mailed_to_the_address_alone_and_names_who_invites(
        self, desk: Desk, owned: str, tables: Tables
    ) -> None:
        invite(desk, owned)
        assert (GUEST, "You are invited to use Orchard") in sent_mails()
        assert "mora Drawings invites you" in Browser().get(newest(tables)).words

    def test_the_list_shows_it_and_until_when_it_waits(self, desk: Desk, owned: str) -> None:
        answer = invite(desk, owned)
        words = desk.browser.get(answer.location).words
        assert "The invitation is on its way" in words
        assert f"{GUEST} May: launch it Waits until" in words
        assert "1 of at most 200" in words

    @pytest.mark.promise("PS-46")
    def test_the_address_is_nowhere_in_clear(self, desk: Desk, owned: str, tables: Tables) -> None:
        invite(desk, owned)
        assert GUEST not in tables.dump()
        assert "mora Drawings" not in tables.dump()

    @pytest.mark.guarantee("G7")
    def test_an_address_with_an_account_is_answered_by_the_same_calls(
        self, desk: Desk, other_desk: Desk, owned: str, clock: FakeClock
    ) -> None:
        from urllib.parse import urlencode

        answers = []
        for email in ("tam@kilbride.example", "nobody@kilbride.example"):
            token = desk.browser.token(people(owned))
            body = urlencode({"csrf": token, "email": email, "role": "user"}).encode()
            with watched() as steps:
                answer = desk.browser.post_raw(people(owned), body)
            answers.append((answer.status, answer.location, steps))
        assert answers[0] == answers[1]

    @pytest.mark.guarantee("G7")
    def test_a_license_of_somebody_else_s_is_as_unknown_as_none(
        self, desk: Desk, other_desk: Desk, owned: str
    ) -> None:
        other_desk.license()
        assert other_desk.browser.get(people(owned)).status == 404
        with pytest.raises(NotFound):
            wiring.members().invite(other_desk.account, owned, GUEST, "user")
        with pytest.raises(NotFound):
            wiring.members().invite(other_desk.account, "lic_none", GUEST, "user")

    def test_the_owner_s_own_address_and_one_on_the_list_are_refused_in_words(
        self, desk: Desk, owned: str
    ) -> None:
        answer = invite(desk, owned, "MORA@kilbride.example")
        assert answer.status == 422
        assert "This is your own address." in answer.words
        invite(desk, owned)
        again = invite(desk, owned)
        assert again.status == 422
        assert "This address is on the list already." in again.words
        assert GUEST in again.text, "what was typed stays"

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"email": "", "role": "user"}, "Enter your email address."),
            ({"email": "no address", "role": "user"}, "This is not an email address"),
            ({"email": GUEST, "role": ""}, "Choose what they may do."),
            ({"email": GUEST, "role": "king"}, "Choose one from the list."),
        ],
    )
    def test_a_flaw_is_named(
        self, desk: Desk, owned: str, fields: dict[str, str], sentence: str
    ) -> None:
        answer = desk.browser.post(people(owned), fields)
        assert answer.status == 422
        assert sentence in answer.words

    def test_twenty_a_day(self, desk: Desk, owned: str, clock: FakeClock) -> None:
        for turn in range(INVITATIONS_A_DAY):
            wiring.members().invite(desk.account, owned, f"p{turn}@loch.example", "user")
        with pytest.raises(TooManyInvitations):
            wiring.members().invite(desk.account, owned, "one.more@loch.example", "user")
        clock.advance(DAY)
        wiring.members().invite(desk.account, owned, "one.more@loch.example", "user")

    def test_three_a_day_to_one_address_by_anybody(
        self, desk: Desk, other_desk: Desk, owned: str
    ) -> None:
        members = wiring.members()
        for _ in range(INVITED_A_DAY):
            members.invite(desk.account, owned, GUEST, "user")
            members.end(desk.account, owned, the_only(owned))
        with pytest.raises(TooManyInvitations):
            members.invite(other_desk.account, other_desk.license(), GUEST, "user")

    def test_at_most_two_hundred_places(
        self, desk: Desk, owned: str, tables: Tables, clock: FakeClock
    ) -> None:
        members = wiring.members()
        members.invite(desk.account, owned, GUEST, "user")
        places = tables.accounts.get(f"PEOPLE#{owned}", "PLACES")
        assert places
        tables.accounts.apply(tables.accounts.put({**places, "taken": 200}))
        with pytest.raises(NoPlaceLeft):
            members.invite(desk.account, owned, "one.more@loch.example", "user")
        members.end(desk.account, owned, the_only(owned))
        members.invite(desk.account, owned, "one.more@loch.example", "user")

    def test_nobody_is_invited_to_a_license_that_has_ended(self, desk: Desk, owned: str) -> None:
        wiring.licenses().revoke(owned)
        with pytest.raises(LicenseOver):
            wiring.members().invite(desk.account, owned, GUEST, "user")

    @pytest.mark.parametrize("role", ["user", "both"])
    def test_a_trial_is_launched_by_nobody_but_whoever_ordered_it(
        self, desk: Desk, other_desk: Desk, tables: Tables, role: str
    ) -> None:
        trial = on_trial(desk)
        page = desk.browser.get(people(trial))
        assert "A trial is for one person" in page.words
        assert 'value="user"' not in page.text
        answer = invite(desk, trial, role=role)
        assert answer.status == 409
        assert "Only the account that ordered a trial may launch it." in answer.words
        assert invite(desk, trial, role="billing").status == 303
        assert other_desk.browser.post(newest(tables), {}).status == 303

    def test_an_invitation_to_launch_a_trial_that_was_mailed_before_is_refused(
        self, desk: Desk, other_desk: Desk, owned: str, tables: Tables
    ) -> None:
        invite(desk, owned)
        head = tables.usage.get(f"LICENSE#{owned}", "HEAD")
        assert head
        terms = {**head["terms"], "valid_ms": DAY, "rate": 0}
        tables.usage.apply(tables.usage.put({**head, "terms": terms}))
        assert other_desk.browser.post(newest(tables), {}).status == 409
        assert wiring.members().of_account(other_desk.account) == []

    def test_whoever_called_our_mail_spam_is_left_alone(
        self, desk: Desk, owned: str, clock: FakeClock
    ) -> None:
        hashed = suppression_of(wiring.keyed(), GUEST)
        wiring.wishes().suppress(hashed, COMPLAINED, "complaint", clock.now)
        invite(desk, owned)
        assert GUEST not in [to for to, _ in sent_mails()]


def on_trial(desk: Desk) -> str:
    """A license of a trial that the desk's account ordered."""
    from chalicelib.core.ids import new_id

    application = wiring.catalog().application(desk.plan.application_id)
    assert application
    plan = wiring.catalog().add_plan(
        application, kind="trial", name="Trial", currency="USD", valid_ms=14 * DAY
    )
    license_id = new_id("lic")
    writes = wiring.licenses().grant(license_id, desk.account, plan, wiring.now(), "order:two")
    desk.tables.accounts.transact(*writes)
    return license_id


def the_only(license_id: str) -> str:
    """The one invitation that is not over."""
    found = wiring.members().store.invitations(license_id)
    (one,) = [each.id for each in found if each.state != "over"]
    return one


class TestAccepting:
    def test_opening_the_link_changes_nothing_and_tells_who_and_what(
        self, desk: Desk, other_desk: Desk, owned: str, tables: Tables
    ) -> None:
        invite(desk, owned)
        words = other_desk.browser.get(newest(tables)).words
        assert "You are invited to Orchard" in words
        assert "You may Launch it" in words
        assert other_desk.browser.get(f"/account/shared/{owned}").status == 404

    def test_a_stranger_is_led_to_sign_in_and_back(
        self, desk: Desk, owned: str, tables: Tables
    ) -> None:
        invite(desk, owned)
        path = newest(tables)
        stranger = Browser()
        page = stranger.get(path)
        assert "Register" in page.words
        (target,) = re.findall(r'href="(/login\?next=[^"]+)"', page.text)
        assert target == f"/login?next={path}"
        assert stranger.post_raw(path, b"csrf=x").location.startswith("/login")

    def test_the_member_launches_downloads_and_sees_it_in_the_account(
        self, joined: str, other_desk: Desk
    ) -> None:
        program = other_desk.program()
        launched = program.launch()
        assert (launched["code"], claims_of(launched["lease"])["license"]) == ("VALID", joined)
        person = wiring.licenses().person(other_desk.account, other_desk.application.id)
        assert claims_of(launched["lease"])["sub"] == person
        assert claims_of(program.token or "")["sub"] == person
        assert "Shared with you" in other_desk.browser.get("/account").words
        assert "Orchard" in other_desk.browser.get("/account/downloads").words

    def test_for_everybody_else_it_stays_unknown(
        self, joined: str, desk: Desk, other_desk: Desk
    ) -> None:
        from tests.identity.conftest import make_desk

        stranger = make_desk(desk.tables, (desk.application, desk.plan), "isa")
        program = stranger.program()
        assert program.check(license_id=joined)["code"] == "UNKNOWN"
        assert program.launch(license_id=joined)["code"] == "UNKNOWN"
        assert stranger.browser.get(f"/account/shared/{joined}").status == 404

    def test_it_works_once_and_for_one_account(
        self, joined: str, desk: Desk, tables: Tables
    ) -> None:
        assert Browser().get(newest(tables)).status == 404
        token = newest(tables).rpartition("/")[2]
        with pytest.raises(LinkEnded):
            wiring.members().accept(token, desk.account)

    def test_its_owner_and_a_member_cannot_join_again(
        self, joined: str, desk: Desk, other_desk: Desk, tables: Tables, clock: FakeClock
    ) -> None:
        clock.advance(HOUR)
        invite(desk, joined, "another@loch.example")
        token = newest(tables).rpartition("/")[2]
        for account in (desk.account, other_desk.account):
            with pytest.raises(MemberAlready):
                wiring.members().accept(token, account)

    def test_it_waits_for_seven_days_and_then_the_address_is_forgotten(
        self, desk: Desk, other_desk: Desk, owned: str, tables: Tables, clock: FakeClock
    ) -> None:
        invite(desk, owned)
        path = newest(tables)
        (guest,) = [i["pk"] for i in tables.items("accounts") if i["type"] == "guest"]
        clock.advance(INVITATION_LIFE)
        assert Browser().get(path).status == 404
        assert "Nobody yet" in desk.browser.get(people(owned)).words
        assert wiring.cleanup().run(lambda: MINUTE)["guests"] == 1
        assert not [i for i in tables.items("keys") if i["pk"] == guest]
        assert not [i for i in tables.items("accounts") if i["pk"] == guest]
        assert taken(tables, owned) == 0
        assert invite(desk, owned).status == 303, "and it may be invited anew"

    def test_after_seven_days_it_may_be_sent_anew_whether_or_not_a_sweep_came_by(
        self, desk: Desk, other_desk: Desk, owned: str, tables: Tables, clock: FakeClock
    ) -> None:
        invite(desk, owned)
        sent_mails()
        old = newest(tables)
        clock.advance(INVITATION_LIFE)
        assert invite(desk, owned).status == 303
        assert sent_mails() == [(GUEST, "You are invited to use Orchard")]
        assert taken(tables, owned) == 1
        assert wiring.cleanup().run(lambda: MINUTE)["guests"] == 1, "the old address is forgotten"
        assert Browser().get(old).status == 404
        assert other_desk.browser.post(newest(tables), {}).status == 303
        assert taken(tables, owned) == 1

    def test_the_sweep_spares_what_was_accepted(
        self, joined: str, desk: Desk, clock: FakeClock
    ) -> None:
        clock.advance(INVITATION_LIFE + DAY)
        assert wiring.cleanup().run(lambda: MINUTE)["guests"] == 0
        assert GUEST in desk.browser.get(people(joined)).words


def taken(tables: Tables, license_id: str) -> int:
    places = tables.accounts.get(f"PEOPLE#{license_id}", "PLACES")
    assert places
    return int(places["taken"])


class TestEnding:
    def test_a_withdrawn_invitation_is_dead_and_its_address_forgotten(
        self, desk: Desk, owned: str, tables: Tables
    ) -> None:
        invite(desk, owned)
        assert remove(desk, owned).status == 303
        assert Browser().get(newest(tables)).status == 404
        wiring.cleanup().run(lambda: MINUTE)
        assert {i["type"] for i in tables.items("accounts")} & {"guest"} == set()
        assert taken(tables, owned) == 0

    def test_a_removed_member_is_refused_at_once_and_what_runs_stops_at_its_next_heartbeat(
        self, joined: str, desk: Desk, other_desk: Desk, clock: FakeClock
    ) -> None:
        program, own = other_desk.program(), desk.program()
        lease, mine = program.launch()["lease"], own.launch("launch-mine")["lease"]
        clock.advance(MINUTE)
        remove(desk, joined)
        assert program.launch("launch-two")["code"] == "UNKNOWN"
        assert program.check(license_id=joined)["code"] == "UNKNOWN"
        stopped = program.beat(lease, 1, shown=program.computer.shown(lease))
        assert (stopped["valid"], stopped["code"]) == (False, "UNKNOWN")
        renewed = own.beat(mine, 1, shown=own.computer.shown(mine))
        assert renewed["valid"], "the owner's own lease goes on"
        clock.advance(MINUTE)
        assert own.beat(renewed["lease"], 2)["valid"]

    def test_nor_does_it_resume_or_get_a_token_for_it(
        self, joined: str, desk: Desk, other_desk: Desk, clock: FakeClock
    ) -> None:
        program = other_desk.program()
        tokens = program.sign_in(other_desk.browser)
        program.launch()
        clock.advance(10 * MINUTE - 1)
        remove(desk, joined)
        assert program.launch(segment=1)["code"] == "UNKNOWN"
        fresh = program.refresh(tokens["refresh_token"])
        assert claims_of(fresh["access_token"])["licenses"] == []

    def test_leaving_is_the_same_and_the_member_s_own_act(
        self, joined: str, desk: Desk, other_desk: Desk, tables: Tables
    ) -> None:
        program = other_desk.program()
        shared = f"/account/shared/{joined}"
        assert other_desk.browser.post(f"{shared}/leave", {}, page=shared).status == 303
        assert program.launch()["code"] == "UNKNOWN"
        assert other_desk.browser.get(shared).status == 404
        assert "Nobody yet" in desk.browser.get(people(joined)).words
        assert taken(tables, joined) == 0
        assert "Shared with you" not in other_desk.browser.get("/account").words

    def test_a_stranger_can_end_nothing(self, joined: str, desk: Desk, other_desk: Desk) -> None:
        other_desk.license()
        with pytest.raises(NotFound):
            wiring.members().end(other_desk.account, joined, the_only(joined))
        with pytest.raises(NotFound):
            wiring.members().leave(desk.account, joined)
        with pytest.raises(NotFound):
            wiring.members().end(desk.account, joined, "inv_none")

    def test_who_left_may_be_invited_again(
        self, joined: str, desk: Desk, other_desk: Desk, tables: Tables, clock: FakeClock
    ) -> None:
        remove(desk, joined)
        clock.advance(DAY)
        assert invite(desk, joined).status == 303
        assert other_desk.browser.post(newest(tables), {}).status == 303
        assert other_desk.program().launch()["valid"]


class TestRoles:
    def join(self, desk: Desk, other_desk: Desk, role: str) -> str:
        license_id = desk.license()
        invite(desk, license_id, role=role)
        other_desk.browser.post(newest(desk.tables), {})
        return license_id

    def test_billing_sees_the_total_and_cannot_launch(
        self, desk: Desk, other_desk: Desk, clock: FakeClock
    ) -> None:
        license_id = self.join(desk, other_desk, "billing")
        own = desk.program()
        lease = own.launch()["lease"]
        clock.advance(2 * MINUTE)
        own.end(lease)
        wiring.license_sweep().run()
        page = other_desk.browser.get(f"/account/shared/{license_id}")
        assert 'value="120000"' in page.text
        assert "Receipts for this license are mailed to you" in page.words
        assert "Install it" not in page.words
        assert other_desk.program().launch(license_id=license_id)["code"] == "UNKNOWN"
        assert other_desk.browser.get("/account/downloads").words.count("Orchard") == 0
        assert wiring.member_store().payers(license_id) == [other_desk.account]

    @pytest.mark.promise("PS-34")
    def test_a_user_sees_the_own_use_and_never_the_total(
        self, desk: Desk, other_desk: Desk, clock: FakeClock
    ) -> None:
        license_id = self.join(desk, other_desk, "user")
        own, theirs = desk.program(), other_desk.program()
        leases = own.launch("launch-own")["lease"], theirs.launch("launch-theirs")["lease"]
        clock.advance(MINUTE)
        theirs.end(leases[1])
        clock.advance(MINUTE)
        own.end(leases[0])
        wiring.license_sweep().run()
        page = other_desk.browser.get(f"/account/shared/{license_id}").text
        assert 'value="60000"' in page
        assert not re.search(r'value="(120000|180000)"', page)
        rows = theirs.get("/v1/usage")["items"]
        assert [(row["license"], row["milliseconds"]) for row in rows] == [(license_id, 60_000)]
        assert theirs.get("/v1/usage?by=computer")["items"] == []
        total = own.get("/v1/usage")["items"]
        assert [(row["license"], row["milliseconds"]) for row in total] == [(license_id, 180_000)]
        assert wiring.member_store().payers(license_id) == []

    @pytest.mark.guarantee("G7")
    def test_a_member_rules_over_nothing_of_the_owner_s(self, desk: Desk, other_desk: Desk) -> None:
        license_id = self.join(desk, other_desk, "both")
        assert other_desk.browser.get(people(license_id)).status == 404
        with pytest.raises(NotFound):
            wiring.licenses().new_key(other_desk.account, license_id)
        assert license_id not in other_desk.browser.get("/account/computers").text
        assert license_id not in other_desk.browser.get("/account/usage").text


@pytest.mark.guarantee("G12")
class TestDeaths:
    """Every death leaves what a repetition, or the next sweep, makes whole."""

    def test_inviting(self, desk: Desk, owned: str, tables: Tables, clock: FakeClock) -> None:
        members = wiring.members()

        def prepare() -> None:
            clock.advance(DAY)
            for each in members.store.invitations(owned):
                members.end(desk.account, owned, each.id)

        def judge(_: Any) -> None:
            clock.advance(DAY)
            live = [each for each in members.store.invitations(owned) if each.state != "over"]
            assert taken(tables, owned) == len(live)
            assert len(live) <= 1
            if not live:
                members.invite(desk.account, owned, GUEST, "user")

        wiring.members().invite(desk.account, owned, "first@loch.example", "user")
        assert at_every_call(
            prepare, lambda _: members.invite(desk.account, owned, GUEST, "user"), judge
        )

    def test_inviting_again_where_no_sweep_came_by(
        self, desk: Desk, owned: str, tables: Tables, clock: FakeClock
    ) -> None:
        members = wiring.members()

        def prepare() -> None:
            clock.advance(INVITATION_LIFE)

        def judge(_: Any) -> None:
            clock.advance(DAY)
            found = members.store.invitations(owned)
            assert taken(tables, owned) == len([each for each in found if each.state != "over"])
            if not any(each.waits(clock.now) for each in found):
                members.invite(desk.account, owned, GUEST, "user")

        members.invite(desk.account, owned, GUEST, "user")
        assert at_every_call(
            prepare, lambda _: members.invite(desk.account, owned, GUEST, "user"), judge
        )

    def test_removing(
        self, joined: str, desk: Desk, other_desk: Desk, tables: Tables, clock: FakeClock
    ) -> None:
        members, program = wiring.members(), other_desk.program()
        person = wiring.licenses().person(other_desk.account, desk.application.id)
        names = iter(range(1000))

        def prepare() -> tuple[str, str]:
            clock.advance(DAY)
            program.sign_in(other_desk.browser)
            if not members.store.membership(other_desk.account, joined):
                members.invite(desk.account, joined, GUEST, "user")
                members.accept(newest(tables).rpartition("/")[2], other_desk.account)
            lease = program.launch(f"launch-number-{next(names)}", license_id=joined)["lease"]
            return the_only(joined), lease

        def judge(start: tuple[str, str]) -> None:
            invitation, lease = start
            head = wiring.licenses().head(joined)
            assert head
            gone = members.store.membership(other_desk.account, joined) is None
            assert gone == (person not in head.people)
            if not gone:
                members.end(desk.account, joined, invitation)
            wiring.license_sweep().run()
            answer = program.beat(lease, 1, shown=program.computer.shown(lease))
            assert answer["code"] == "UNKNOWN"

        assert at_every_call(
            prepare, lambda start: members.end(desk.account, joined, start[0]), judge
        )
