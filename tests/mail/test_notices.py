"""Notices: chosen in the account, ended by one click, and never by a look (RFC 8058, PS-60)."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest
from moto.ses.models import ses_backends

from chalicelib import wiring
from chalicelib.core.clock import HOUR
from chalicelib.mail.rules import MailClass, State
from chalicelib.mail.templates import TOPICS
from chalicelib.mail.wishes import WayOut, class_row, suppression_of, topic_row, way_out_hash
from tests.browser import Browser
from tests.cases.conftest import deliver, raw
from tests.conftest import kept_client
from tests.mail.test_feedback import (
    FORM,
    KIM,
    PASSWORD,
    account_mail,
    bounce,
    complaint,
    member,
    notice,
    take,
    write,
)

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

__all__ = ["member"]
ONE_CLICK = b"List-Unsubscribe=One-Click"
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
)
PROFILE = {
    "account_name": "Kim", "name": "Kim", "street": "Street 1", "city": "Town",
    "postal_code": "10115", "country": "DE",
}  # fmt: skip
UPDATE = {"application": "Halyard", "version": "1.1.0"}


@pytest.fixture
def kim(member: str) -> Browser:
    """A browser where the member is signed in."""
    browser = Browser()
    answer = browser.post("/login", {"login": FORM["login"], "password": PASSWORD, "next": ""})
    assert answer.status == 303
    return browser


def last_mail() -> Any:
    message = ses_backends["123456789012"]["eu-west-1"].sent_messages[-1]
    return message_from_bytes(message.raw_data.encode(), policy=default)


def link_of_a_notice(account: str) -> str:
    """The path of the link at the foot of a notice that was sent."""
    assert notice(account, "to find the link") is State.SENT
    text = last_mail().get_body(("plain",)).get_content()
    (path,) = re.findall(r"https://cetrus.test(/unsubscribe/[\w-]+)", text)
    return str(path)


def link_of_a_mail(row: str, mail_class: MailClass) -> str:
    """The path of the link that a mail to nobody's account carries."""
    keyed, wishes = wiring.keyed(), wiring.wishes()
    way = WayOut(suppression_of(keyed, "reader@town.example"), row, None)
    token = way.token(keyed)
    wishes.table.transact(*wishes.unopposed(way, mail_class, way_out_hash(keyed, token)))
    return f"/unsubscribe/{token}"


def update(account: str, fact: str = "u") -> State | None:
    return wiring.mailer().send(write(account, "installer_updated", fact, UPDATE))


@pytest.mark.promise("PS-60")
class TestOneClick:
    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (ONE_CLICK, "application/x-www-form-urlencoded"),
            (MULTIPART, "multipart/form-data; boundary=x"),
            (b"", "application/x-www-form-urlencoded"),
        ],
    )
    def test_it_ends_notices_of_its_kind_at_once_without_signing_in(
        self, member: str, body: bytes, kind: str
    ) -> None:
        path, nobody = link_of_a_notice(member), Browser()
        answer = nobody.post_raw(path, body, kind)
        assert answer.status == 200
        assert answer.cookies == ()
        assert "You get no more mail of this kind" in answer.words
        assert notice(member) is State.REFUSED
        assert update(member) is State.SENT
        assert account_mail(member) is State.SENT

    def test_a_look_changes_nothing(self, member: str, tables: Tables) -> None:
        path = link_of_a_notice(member)
        before = tables.dump()
        for browser in (Browser(), Browser(stage="/api")):
            answer = browser.get(path)
            assert answer.status == 200
            assert "Stop this mail" in answer.words
        assert Browser().send("HEAD", path, b"", {}).status == 200
        assert tables.dump() == before
        assert notice(member) is State.SENT

    def test_the_button_on_the_page_is_the_same_click(self, member: str) -> None:
        path, browser = link_of_a_notice(member), Browser()
        assert 'value="One-Click"' in browser.get(path).text
        assert browser.post_raw(path, ONE_CLICK).status == 200
        assert notice(member) is State.REFUSED

    def test_clicking_twice_is_clicking_once(self, member: str, tables: Tables) -> None:
        path = link_of_a_notice(member)
        assert Browser().post_raw(path, ONE_CLICK).status == 200
        before = tables.dump()
        assert Browser().post_raw(path, ONE_CLICK).status == 200
        assert tables.dump() == before

    @pytest.mark.promise("PS-45")
    def test_how_long_it_took_is_kept_once_and_of_whom_is_not(
        self, member: str, tables: Tables
    ) -> None:
        path = link_of_a_notice(member)
        for _ in range(2):
            assert Browser().post_raw(path, ONE_CLICK).status == 200
        (kept,) = [item for item in tables.items("usage") if item["type"] == "took"]
        assert kept["sk"].startswith("TOOK#stopped_by_link#")
        assert member not in repr(kept)

    @pytest.mark.parametrize(
        ("row", "mail_class", "leads"),
        [
            (class_row(MailClass.OFFER), MailClass.OFFER, "/account/privacy#card-marketing"),
            (class_row(MailClass.PARTNER), MailClass.PARTNER, "/account/privacy#card-partner_mail"),
            (topic_row("usage_summary"), MailClass.NOTICE, "/account/notices"),
        ],
        ids=["offers", "partners", "notices"],
    )
    def test_the_page_leads_to_where_such_mail_is_chosen_and_knows_a_link_that_was_used(
        self, member: str, tables: Tables, row: str, mail_class: MailClass, leads: str
    ) -> None:
        path = link_of_a_mail(row, mail_class)
        before = Browser().get(path)
        assert "<button" in before.text.partition("<main")[2]
        assert "already" not in before.words
        assert f'href="{leads}"' in Browser().post_raw(path, ONE_CLICK).text
        dump = tables.dump()
        after = Browser().get(path)
        assert "This link was used before" in after.words
        assert f'href="{leads}"' in after.text
        assert "<button" not in after.text.partition("<main")[2]
        assert tables.dump() == dump

    def test_a_link_of_nobody_leads_to_both_places_of_choice(self, member: str) -> None:
        answer = Browser().get("/unsubscribe/none", accept="text/html")
        assert answer.status == 404
        for place in ("/account/privacy", "/account/notices"):
            assert f'href="{place}"' in answer.text

    @pytest.mark.parametrize("token", ["x", "A" * 43, "..", "%00"])
    def test_a_link_of_nobody_ends_nothing(self, member: str, tables: Tables, token: str) -> None:
        before = tables.dump()
        for answer in (
            Browser().get(f"/unsubscribe/{token}"),
            Browser().post_raw(f"/unsubscribe/{token}", ONE_CLICK),
        ):
            assert answer.status in {400, 404}
        assert tables.dump() == before

    def test_every_notice_of_a_kind_carries_the_same_link_and_no_id(self, member: str) -> None:
        path = link_of_a_notice(member)
        assert notice(member, "another") is State.SENT
        mail = last_mail()
        assert path in mail["List-Unsubscribe"]
        assert member not in path

    def test_no_table_holds_the_token(self, member: str, tables: Tables) -> None:
        token = link_of_a_notice(member).rpartition("/")[2]
        assert token not in tables.dump()

    def test_a_mail_with_the_token_does_the_same(
        self, member: str, tables: Tables, clock: FakeClock
    ) -> None:
        token = link_of_a_notice(member).rpartition("/")[2]
        assert deliver(raw(f"unsubscribe {token}", "somebody@example.org")) == {"removed": 1}
        assert notice(member) is State.REFUSED

    def test_a_mail_with_another_is_read_by_somebody(
        self, member: str, tables: Tables, clock: FakeClock
    ) -> None:
        assert deliver(raw(f"unsubscribe {'A' * 43}")) == {"case": 1}
        assert notice(member) is State.SENT

    def test_it_outlives_the_account_and_an_account_made_anew(
        self, member: str, tables: Tables, clock: FakeClock
    ) -> None:
        assert Browser().post_raw(link_of_a_notice(member), ONE_CLICK).status == 200
        item = tables.accounts.get(f"NOTICES#{member}", "NOTICES")
        assert item
        tables.accounts.apply(tables.accounts.delete(item["pk"], item["sk"]))
        assert notice(member) is State.REFUSED

    def test_it_follows_the_account_to_another_address(
        self, member: str, tables: Tables, clock: FakeClock
    ) -> None:
        assert Browser().post_raw(link_of_a_notice(member), ONE_CLICK).status == 200
        vault, subject = wiring.vault(), wiring.accounts().subject_of(member)
        changed = {**FORM, "email": "new@example.org"}
        vault.commit(lambda: vault.recollect(subject, changed, clock.now, "test"))
        assert notice(member) is State.REFUSED


class TestChoosing:
    def test_the_page_shows_what_is_on_and_keeps_what_is_chosen(self, kim: Browser) -> None:
        page = kim.get("/account/notices")
        assert page.text.count(" checked") == len(TOPICS)
        answer = kim.post("/account/notices", {"installer_updated": "on"})
        assert (answer.status, answer.location) == (303, "/account/notices?saved=notices")
        page = kim.get(answer.location)
        assert page.text.count(" checked") == 1
        assert "Saved" in page.words

    def test_what_was_switched_off_is_not_sent_and_comes_back_when_asked_for(
        self, kim: Browser, member: str
    ) -> None:
        kim.post("/account/notices", {"installer_updated": "on"})
        assert notice(member, "off") is State.REFUSED
        kim.post("/account/notices", {"installer_updated": "on", "usage_summary": "on"})
        assert notice(member, "on") is State.SENT

    def test_asking_again_ends_what_a_click_had_stopped(self, kim: Browser, member: str) -> None:
        Browser().post_raw(link_of_a_notice(member), ONE_CLICK)
        assert kim.get("/account/notices").text.count(" checked") == len(TOPICS) - 1
        kim.post("/account/notices", {"installer_updated": "on", "usage_summary": "on"})
        assert notice(member) is State.SENT

    def test_saving_without_a_change_lifts_nothing(
        self, kim: Browser, member: str, clock: FakeClock
    ) -> None:
        take(complaint(clock.now))
        clock.advance(HOUR)
        kim.post("/account/notices", dict.fromkeys(TOPICS, "on"))
        assert notice(member) is State.REFUSED

    @pytest.mark.promise("PS-62")
    @pytest.mark.parametrize("name", ["account", "announcement", "policy_change"])
    def test_what_comes_with_the_account_cannot_be_declined(
        self, kim: Browser, member: str, name: str
    ) -> None:
        answer = kim.post("/account/notices", {name: ""})
        assert answer.status == 409
        assert "cannot be switched off" in answer.words
        assert notice(member) is State.SENT

    @pytest.mark.parametrize("fields", [{"usage_summary": "off"}, {"newsletter": "on"}])
    def test_what_is_no_choice_is_refused(self, kim: Browser, fields: dict[str, str]) -> None:
        assert kim.post("/account/notices", fields).status == 422

    def test_nobody_chooses_for_others(self, member: str) -> None:
        answer = Browser().get("/account/notices")
        assert (answer.status, answer.location) == (303, "/login?next=%2Faccount%2Fnotices")

    def test_a_bounce_is_told_and_ended_by_who_mended_it(
        self, kim: Browser, member: str, clock: FakeClock
    ) -> None:
        take(bounce(clock.now))
        assert "Mail to your address bounces" in kim.get("/account").words
        assert "Mail to your address bounces" in kim.get("/account/notices").words
        clock.advance(HOUR)
        answer = kim.post("/account/notices/works-again", {}, page="/account/notices")
        assert answer.status == 303
        assert "bounces" not in kim.get("/account").words
        assert notice(member) is State.SENT

    def test_a_complaint_is_told(self, kim: Browser, clock: FakeClock) -> None:
        take(complaint(clock.now))
        assert "reported as spam" in kim.get("/account/notices").words

    def test_the_address_is_opened_only_to_lift_something(self, kim: Browser, member: str) -> None:
        subject = wiring.accounts().subject_of(member)
        before = len(list(wiring.vault().ledger.rows(subject)))
        kim.get("/account/notices")
        kim.post("/account/notices", {"installer_updated": "on"})
        assert len(list(wiring.vault().ledger.rows(subject))) == before


class TestZone:
    def selected(self, browser: Browser) -> list[str]:
        return re.findall(r"<option selected>([^\n<]+)", browser.get("/account/setup").text)

    def test_it_is_suggested_by_the_country_and_not_kept_until_it_is_saved(
        self, kim: Browser, member: str, tables: Tables
    ) -> None:
        assert self.selected(kim) == ["UTC"]
        assert kim.post("/account/setup", PROFILE).status == 303
        assert self.selected(kim) == ["Europe/Berlin"]
        assert "Europe/Berlin" not in tables.dump()
        assert wiring.notices().of(member).zone is None

    def test_it_is_kept_as_chosen(self, kim: Browser, member: str) -> None:
        chosen = {**PROFILE, "time_zone": "Asia/Kathmandu"}
        assert kim.post("/account/setup", chosen).status == 303
        assert self.selected(kim) == ["Asia/Kathmandu"]
        assert "Asia/Kathmandu" in kim.get("/account/notices").words
        assert kim.post("/account/setup", PROFILE).status == 303
        assert wiring.notices().of(member).zone == "Asia/Kathmandu"

    def test_any_other_is_chosen_from_all_of_them(self, kim: Browser, member: str) -> None:
        assert "Asia/Kathmandu" not in kim.get("/account/setup").text
        page = kim.get("/account/setup/zone")
        assert "Asia/Kathmandu" in page.text
        answer = kim.post("/account/setup/zone", {"time_zone": "Asia/Kathmandu"})
        assert (answer.status, answer.location) == (303, "/account/notices?saved=notices")
        assert wiring.notices().of(member).zone == "Asia/Kathmandu"
        assert self.selected(kim) == ["Asia/Kathmandu"]
        for wrong in ({"time_zone": "Mars/Olympus"}, {}):
            assert kim.post("/account/setup/zone", wrong).status == 422

    @pytest.mark.parametrize("zone", ["Mars/Olympus", "europe/berlin", "../UTC", "EST5EDT"])
    def test_what_is_no_zone_is_refused(self, kim: Browser, member: str, zone: str) -> None:
        answer = kim.post("/account/setup", {**PROFILE, "time_zone": zone})
        assert answer.status == 422
        assert "Choose a time zone from the list." in answer.words
        assert wiring.notices().of(member).zone is None

    def test_every_zone_on_offer_is_one(self) -> None:
        from zoneinfo import ZoneInfo

        from chalicelib.accounts.countries import COUNTRIES
        from chalicelib.accounts.zones import OF_COUNTRY, ZONES, suggested

        for name in ZONES:
            assert ZoneInfo(name)
        assert OF_COUNTRY.keys() <= COUNTRIES.keys()
        assert all(suggested(country) in ZONES for country in COUNTRIES)


def test_mail_that_must_arrive_asks_nobody(member: str) -> None:
    kept_client("sesv2")
    assert account_mail(member) is State.SENT
    assert last_mail()["List-Unsubscribe"] is None
    assert str(last_mail()["To"]) == KIM
