"""Who gets a mailing, how often, and what stops it up to the hand-over."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR
from chalicelib.mail.outbox import message_of
from chalicelib.mail.rules import CLAIM_LIFE, LAWS, Lane, MailClass, State, Stop
from chalicelib.mail.templates import TEMPLATES
from chalicelib.mail.wishes import BOUNCED, COMPLAINED, suppression_of
from chalicelib.mailings import texts
from chalicelib.mailings.rules import LATEST, WrongState
from chalicelib.mailings.rules import State as Phase
from chalicelib.mailings.texts import TEXTS, Kind
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied
from chalicelib.privacy.sinks import MAILED_FOR
from infra import admin
from tests.browser import Browser
from tests.crash import at_every_call
from tests.interleaving import Turns
from tests.mailings.conftest import AUTHOR
from tests.mailings.test_rules import content

if TYPE_CHECKING:
    from tests.mailings.conftest import House

MAILED = [kind for kind in Kind if kind is not Kind.SCREEN]
ONE_CLICK = b"List-Unsubscribe=One-Click"


class TestTheTable:
    def test_the_sink_and_the_law_agree_on_purposes(self) -> None:
        assert {c: law.purposes for c, law in LAWS.items()} == {
            MailClass(name): purposes for name, purposes in MAILED_FOR.items()
        }

    def test_every_template_is_for_a_purpose_of_its_class(self) -> None:
        for name, template in TEMPLATES.items():
            assert template.purpose in LAWS[template.mail_class].purposes, name

    @pytest.mark.promise("PS-62")
    def test_what_comes_with_the_account_cannot_be_stopped(self) -> None:
        never = {c for c, law in LAWS.items() if law.stop is Stop.NEVER}
        assert never == {MailClass.ACCOUNT, MailClass.ANNOUNCEMENT, MailClass.POLICY_CHANGE}
        assert not [c for c in never if LAWS[c].promotes]

    @pytest.mark.promise("PS-59")
    def test_what_promotes_is_capped_at_two_in_thirty_days_and_nothing_else_is(self) -> None:
        capped = {c: (law.cap.mails, law.cap.days) for c, law in LAWS.items() if law.cap}
        assert capped == {MailClass.OFFER: (2, 30), MailClass.PARTNER: (2, 30)}
        assert capped.keys() == {c for c, law in LAWS.items() if law.promotes}

    def test_what_promotes_has_a_lane_of_its_own_and_is_approved(self) -> None:
        for law in LAWS.values():
            assert law.promotes is (law.lane is Lane.CAMPAIGN)
            assert law.approved or not law.promotes


class TestWhoGetsIt:
    @pytest.mark.promise("PS-61")
    def test_an_announcement_reaches_every_active_member_whatever_they_chose(
        self, house: House
    ) -> None:
        for name, yes in (("kim", True), ("lee", False), ("max", False)):
            house.join(name, yes=yes, paid=None)
        house.crowd.leave(house.join("left"))
        house.crowd.leave(house.join("resting"), "deactivated")
        reached = house.sent(Kind.ANNOUNCEMENT)
        assert sorted(reached) == ["kim@example.com", "lee@example.com", "max@example.com"]

    @pytest.mark.promise("PS-61")
    def test_neither_a_complaint_nor_a_bounce_keeps_an_announcement_back(
        self, house: House
    ) -> None:
        house.join("kim")
        hashed = suppression_of(wiring.keyed(), "kim@example.com")
        for row in (BOUNCED, COMPLAINED, "CLASS#announcement"):
            wiring.wishes().suppress(hashed, row, "mail_service", house.clock.now)
        assert house.sent(Kind.ANNOUNCEMENT) == ["kim@example.com"]

    @pytest.mark.promise("PS-59")
    @pytest.mark.promise("PS-60")
    def test_an_offer_reaches_established_members_who_said_yes(self, house: House) -> None:
        house.join("yes")
        house.join("declined", yes=False)
        house.join("new", paid=None)
        house.join("trying", paid="trial")
        house.order(house.join("refused", paid=None), state="refused")
        house.order(house.join("waiting", paid=None), state="checkout")
        house.order(house.join("card", paid=None), card_for="lic_1")
        assert house.sent(Kind.OFFER) == ["yes@example.com"]
        assert [item["account"] for item in house.messages()] == ["acc_yes"]

    @pytest.mark.promise("PS-76")
    def test_partner_mail_reaches_those_who_said_yes(self, house: House) -> None:
        house.join("yes", paid=None)
        house.join("declined", yes=False)
        assert house.sent(Kind.PARTNER) == ["yes@example.com"]

    @pytest.mark.promise("PS-18")
    def test_a_service_notice_reaches_owners_of_the_application(self, house: House) -> None:
        house.join("owner", yes=False, owns="app_1")
        house.join("of-another", owns="app_2")
        house.join("of-none")
        assert house.sent(Kind.SERVICE) == ["owner@example.com"]

    @pytest.mark.promise("PS-18")
    def test_nobody_else_is_written_to_about_an_application(self, house: House) -> None:
        account = house.join("of-another", owns="app_2")
        mailing = wiring.mailings().mailing(house.scheduled(Kind.SERVICE))
        with pytest.raises(PurposeDenied):
            wiring.mailing_planner().message(mailing, account)
        wiring.mailing_planner().run()
        assert house.messages() == []

    @pytest.mark.guarantee("G8")
    @pytest.mark.parametrize("kind", MAILED)
    def test_each_address_is_opened_for_the_purpose_of_its_class(
        self, house: House, kind: Kind
    ) -> None:
        house.join("kim", owns="app_1")
        house.sent(kind)
        rows = wiring.vault().ledger.rows("sub_kim")
        opened = [row.entry for row in rows if row.entry.event is Event.OPENED]
        expected = {
            Kind.OFFER: Purpose.MARKETING, Kind.PARTNER: Purpose.PARTNER_MAIL,
        }.get(kind, Purpose.ACCOUNT)  # fmt: skip
        assert [entry.purpose for entry in opened] == [expected]

    @pytest.mark.promise("PS-36")
    @pytest.mark.parametrize("kind", [Kind.OFFER, Kind.PARTNER, Kind.ANNOUNCEMENT])
    def test_what_somebody_uses_chooses_nobody(self, house: House, kind: Kind) -> None:
        house.join("heavy", owns="app_1")
        house.join("idle")
        total = {
            "pk": "TOTALS#lic_1", "sk": "2026-11-10", "type": "total", "v": 1,
            "usage_day": "2026-11-10", "license": "lic_1", "application": "halyard",
            "milliseconds": 3_600_000,
        }  # fmt: skip
        house.tables.usage.apply(house.tables.usage.put(total))
        assert wiring.usage().of_account("acc_heavy")
        assert sorted(house.sent(kind)) == ["heavy@example.com", "idle@example.com"]


class TestOnce:
    def test_a_mailing_writes_one_message_a_person_however_often_it_runs(
        self, house: House
    ) -> None:
        for name in ("kim", "lee", "max"):
            house.join(name)
        house.scheduled(Kind.OFFER)
        planner = wiring.mailing_planner()
        assert planner.run() == {"finished": 1, "messages": 3, "failed": 0}
        assert planner.run() == {"finished": 0, "messages": 0, "failed": 0}
        assert house.hand_over() == {"sent": 3}

    @pytest.mark.guarantee("G12")
    def test_a_planner_that_dies_anywhere_is_finished_by_the_next(self, house: House) -> None:
        account, store = house.join("kim", paid=None), wiring.mailings().store
        base = wiring.mailings().mailing(house.approved(Kind.ANNOUNCEMENT))
        wiring.mailing_planner().run()
        number = iter(range(1000))

        def prepare() -> str:
            made = replace(base, id=f"mlg_{next(number)}", state=Phase.APPROVED)
            store.table.transact(*store.draft(made))
            store.table.transact(*store.schedule(made, house.clock.now, None))
            return made.id

        def judge(mailing: str) -> None:
            wiring.mailing_planner().run()
            message = message_of("announcement", mailing, account)
            assert house.tables.accounts.get(f"MESSAGE#{message}", "MESSAGE")
            assert wiring.mailings().mailing(mailing).state is Phase.SENT

        assert at_every_call(prepare, lambda _: wiring.mailing_planner().run(), judge) > 15

    def test_a_run_out_of_time_goes_on_behind_its_cursor(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(6):
            house.join(f"p{number}")
        house.scheduled(Kind.ANNOUNCEMENT)
        ticks = iter([0.0, *[1.0] * 4, *[999.0] * 50])
        monkeypatch.setattr("chalicelib.mailings.planner.time.monotonic", lambda: next(ticks))
        assert wiring.mailing_planner().run() == {"finished": 0, "messages": 4, "failed": 0}
        monkeypatch.undo()
        monkeypatch.setattr(wiring, "clock", house.clock)
        assert wiring.mailing_planner().run() == {"finished": 1, "messages": 2, "failed": 0}

    def test_nothing_is_written_before_its_instant(self, house: House) -> None:
        house.join("kim")
        mailing = house.approved(Kind.ANNOUNCEMENT)
        wiring.mailings().schedule(AUTHOR, mailing, house.clock.now + HOUR)
        assert wiring.mailing_planner().run()["messages"] == 0
        house.clock.advance(HOUR)
        assert wiring.mailing_planner().run()["messages"] == 1


@pytest.mark.promise("PS-59")
class TestTheCap:
    def offers(self, house: House, number: int, kind: Kind = Kind.OFFER) -> list[str]:
        wordings = (content(kind, body=f"Offer {n}.") for n in range(number))
        return [to for what in wordings for to in house.sent(kind, what)]

    def test_a_third_offer_in_thirty_days_is_suppressed_and_the_reason_recorded(
        self, house: House
    ) -> None:
        house.join("kim")
        assert len(self.offers(house, 3)) == 2
        ended = [(item["state"], item.get("why")) for item in house.messages()]
        assert sorted(ended, key=str) == [("refused", "cap"), ("sent", None), ("sent", None)]

    def test_mail_of_partners_is_counted_by_itself_and_no_third_goes_out(
        self, house: House
    ) -> None:
        house.join("kim")
        assert len(self.offers(house, 3)) == 2
        assert len(self.offers(house, 3, Kind.PARTNER)) == 2
        house.clock.advance(30 * DAY)
        assert len(self.offers(house, 1, Kind.PARTNER)) == 1

    def test_it_counts_thirty_days_from_each_to_the_instant(self, house: House) -> None:
        house.join("kim")
        begun = house.clock.now
        assert len(self.offers(house, 1)) == 1
        house.clock.advance(10 * DAY)
        assert len(self.offers(house, 1)) == 1
        house.clock.now = begun + 30 * DAY - 1
        assert len(self.offers(house, 1)) == 0
        house.clock.now = begun + 30 * DAY
        assert len(self.offers(house, 2)) == 1
        house.clock.now = begun + 40 * DAY
        assert len(self.offers(house, 2)) == 1

    def test_another_persons_offers_and_other_mail_do_not_count(self, house: House) -> None:
        house.join("kim")
        assert len(self.offers(house, 2)) == 2
        house.join("lee")
        assert house.sent(Kind.OFFER) == ["lee@example.com"]
        assert len(house.sent(Kind.PARTNER)) == 2
        assert len(house.sent(Kind.ANNOUNCEMENT)) == 2

    def test_one_that_is_tried_again_counts_once(self, house: House) -> None:
        from chalicelib.mail.rules import Outcome

        house.join("kim")
        house.scheduled(Kind.OFFER)
        wiring.mailing_planner().run()
        mailer = wiring.campaign_mailer()
        for _ in range(4):
            house.listen(mailer)
            mailer.post.hand_over = lambda *_: Outcome.NOT_SENT  # type: ignore[method-assign]
            assert mailer.sweep() == {"waiting": 1}
            house.clock.advance(HOUR)
        assert house.hand_over() == {"sent": 1}
        assert len(self.offers(house, 2)) == 1

    @pytest.mark.usefixtures("both_engines")
    @pytest.mark.parametrize("seed", range(6))
    def test_three_that_are_sent_at_once_are_two(self, house: House, seed: int) -> None:
        house.join("kim")
        for number in range(3):
            house.scheduled(Kind.OFFER, content(Kind.OFFER, body=f"Offer {number}."))
        wiring.mailing_planner().run()
        ids = [item["id"] for item in house.messages()]
        turns, real = Turns(seed), wiring.database().client
        mailers = []
        for _ in ids:
            wiring.campaign_mailer.cache_clear()
            mailer = wiring.campaign_mailer()
            house.listen(mailer)
            mailers.append(mailer)
        wiring.database().client = turns.client(real)
        results = turns.run(
            *(lambda m=m, i=i: m.send(i) for m, i in zip(mailers, ids, strict=True))
        )
        wiring.database().client = real
        assert sorted(map(str, results)) == ["refused", "sent", "sent"]
        assert len(house.handed) == 2


@pytest.mark.promise("PS-60")
class TestStopping:
    def path(self, house: House) -> str:
        text = str(house.handed[-1].get_body(("plain",)).get_content())  # type: ignore[union-attr]
        (found,) = re.findall(r"https://cetrus.test(/unsubscribe/[\w-]+)", text)
        return str(found)

    @pytest.mark.parametrize("kind", [Kind.OFFER, Kind.PARTNER, Kind.SERVICE])
    def test_optional_mail_carries_both_ways_out_and_no_other_does(
        self, house: House, kind: Kind
    ) -> None:
        house.join("kim", owns="app_1")
        house.sent(kind)
        house.sent(Kind.ANNOUNCEMENT)
        optional, announcement = house.handed
        assert re.fullmatch(
            r"<https://cetrus.test/unsubscribe/[\w-]{43}>, "
            r"<mailto:support@cetrus.test\?subject=unsubscribe%20[\w-]{43}>",
            str(optional["List-Unsubscribe"]),
        )
        assert optional["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert announcement["List-Unsubscribe"] is None
        assert announcement["List-Unsubscribe-Post"] is None
        assert "unsubscribe" not in announcement.as_string()

    @pytest.mark.parametrize("kind", [Kind.OFFER, Kind.PARTNER])
    def test_one_click_ends_what_is_already_in_the_outbox(self, house: House, kind: Kind) -> None:
        house.join("kim")
        house.sent(kind)
        house.scheduled(kind, content(kind, body="Another."))
        wiring.mailing_planner().run()
        before = house.tables.dump()
        assert Browser().get(self.path(house)).status == 200
        assert house.tables.dump() == before
        answer = Browser().post_raw(self.path(house), ONE_CLICK)
        assert (answer.status, answer.cookies) == (200, ())
        house.hand_over()
        assert len(house.handed) == 1
        purpose = {Kind.OFFER: Purpose.MARKETING, Kind.PARTNER: Purpose.PARTNER_MAIL}[kind]
        assert purpose not in wiring.vault().granted("sub_kim")
        assert len(house.sent(Kind.ANNOUNCEMENT)) == 1

    def test_a_click_between_opening_and_hand_over_still_counts(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.join("kim")
        house.sent(Kind.OFFER)
        path = self.path(house)
        house.scheduled(Kind.OFFER, content(Kind.OFFER, body="Another."))
        wiring.mailing_planner().run()
        mailer = wiring.campaign_mailer()
        house.listen(mailer)
        write = mailer._write

        def click_first(*parts: Any) -> Any:
            assert Browser().post_raw(path, ONE_CLICK).status == 200
            return write(*parts)

        monkeypatch.setattr(mailer, "_write", click_first)
        assert mailer.sweep() == {"refused": 1}
        assert len(house.handed) == 1

    @pytest.mark.promise("PS-74")
    @pytest.mark.parametrize("how", ["withdraw", "deactivate", "erase"])
    @pytest.mark.parametrize("kind", [Kind.OFFER, Kind.PARTNER])
    def test_a_no_between_opening_and_hand_over_keeps_it_from_going(
        self, house: House, monkeypatch: pytest.MonkeyPatch, kind: Kind, how: str
    ) -> None:
        house.join("kim")
        house.scheduled(kind)
        wiring.mailing_planner().run()
        mailer, vault = wiring.campaign_mailer(), wiring.vault()
        house.listen(mailer)
        write = mailer._write
        purpose = {Kind.OFFER: Purpose.MARKETING, Kind.PARTNER: Purpose.PARTNER_MAIL}[kind]

        def say_no_first(*parts: Any) -> Any:
            match how:
                case "withdraw":
                    vault.withdraw("sub_kim", purpose, "page:/account/privacy")
                case "deactivate":
                    vault.commit(lambda: vault.hold("sub_kim", "page:/account/deactivate"))
                case _:
                    vault.erase("sub_kim")
            return write(*parts)

        monkeypatch.setattr(mailer, "_write", say_no_first)
        assert mailer.sweep() == {"no_recipient": 1}
        assert house.handed == []
        assert [item["why"] for item in house.messages()] == ["no_grant"]

    def test_a_new_yes_after_a_click_brings_offers_again(self, house: House) -> None:
        kim = house.join("kim")
        house.sent(Kind.OFFER)
        assert Browser().post_raw(self.path(house), ONE_CLICK).status == 200
        assert house.sent(Kind.OFFER, content(Kind.OFFER, body="Another.")) == []
        wiring.choosing().change(kim, Purpose.MARKETING, yes=True)
        third = content(Kind.OFFER, body="A third.")
        assert house.sent(Kind.OFFER, third) == ["kim@example.com"]

    def test_a_yes_taken_back_keeps_what_waits_from_going(self, house: House) -> None:
        house.join("kim")
        house.scheduled(Kind.OFFER)
        wiring.mailing_planner().run()
        wiring.vault().withdraw("sub_kim", Purpose.MARKETING, "page:/account/privacy")
        assert house.hand_over() == {"no_recipient": 1}
        assert [item["why"] for item in house.messages()] == ["no_grant"]

    @pytest.mark.promise("PS-68")
    @pytest.mark.parametrize("row", [BOUNCED, COMPLAINED])
    def test_an_address_that_bounced_or_complained_gets_no_offer_even_in_a_new_account(
        self, house: House, row: str
    ) -> None:
        house.join("kim")
        hashed = suppression_of(wiring.keyed(), "kim@example.com")
        wiring.wishes().suppress(hashed, row, "mail_service", house.clock.now)
        assert house.sent(Kind.OFFER) == []
        house.crowd.leave("acc_kim")
        wiring.vault().erase("sub_kim")
        claim = next(i for i in house.tables.items("accounts") if i["type"] == "email_claim")
        house.tables.accounts.apply(house.tables.accounts.delete(claim["pk"], claim["sk"]))
        again = house.crowd.join("kim-again", chosen={Purpose.MARKETING: True})
        house.order(again)
        profile = {"email": "KIM@example.com", "name": "Kim", "account_name": "K", "login": "k"}
        vault = wiring.vault()
        vault.commit(lambda: vault.recollect(f"sub_{again[4:]}", profile, house.clock.now, "test"))
        assert house.sent(Kind.OFFER, content(Kind.OFFER, body="Another.")) == []
        assert [i["why"] for i in house.messages()] == ["unwanted", "unwanted"]
        if row == COMPLAINED:
            wiring.notices().ask_again(again, MailClass.OFFER, "kim@EXAMPLE.com")
        else:
            wiring.notices().works_again(again)
        assert house.sent(Kind.OFFER, content(Kind.OFFER, body="A third.")) == ["KIM@example.com"]


@pytest.mark.promise("PS-62")
@pytest.mark.parametrize("value", ["off", "", "on"])
def test_announcements_cannot_be_declined(house: House, value: str) -> None:
    from chalicelib.notices.forms import NoticesForm

    assert NoticesForm(announcement=value).declines_what_nobody_can()
    assert "announcement" not in {kind for kind in TEMPLATES if TEMPLATES[kind].topic}


@pytest.mark.promise("PS-63")
class TestWhatGoesOut:
    def test_it_says_what_was_approved_in_words_alone(self, house: House) -> None:
        house.join("kim")
        house.sent(Kind.ANNOUNCEMENT)
        (mail,) = house.handed
        assert mail["Subject"] == "Maintenance on 31 March 2027"
        assert mail["X-SES-MESSAGE-TAGS"] == "class=announcement"
        text = str(mail.get_body(("plain",)).get_content())  # type: ignore[union-attr]
        assert "Cetrus will not answer on 31 March 2027 from 06:30 to 07:15 UTC." in text
        assert "We replace a disk." in text
        links = set(re.findall(r'href="([^"]+)"', mail.as_string().replace("=\n", "")))
        assert all("cetrus.test" in link for link in links)

    def test_paragraphs_stay_apart_in_both_forms(self, house: House) -> None:
        house.join("kim")
        house.sent(Kind.OFFER, content(Kind.OFFER, body="One thing.\n\nAnother thing."))
        (mail,) = house.handed
        text, markup = (
            mail.get_body((form,)).get_content().replace("\r", "")  # type: ignore[union-attr]
            for form in ("plain", "html")
        )
        assert "One thing.\n\nAnother thing.\n" in text
        assert "<p>One thing.</p>\n<p>Another thing.</p>" in markup.replace("\n\n", "\n")

    def test_a_text_that_changed_after_the_approval_is_never_sent(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.join("kim")
        house.scheduled(Kind.ANNOUNCEMENT)
        wiring.mailing_planner().run()
        changed = replace(TEXTS["maintenance"], title="Maintenance soon, on {day}")
        monkeypatch.setitem(texts.TEXTS, "maintenance", changed)
        assert house.hand_over() == {"refused": 1}
        assert [item["why"] for item in house.messages()] == ["unapproved"]
        assert all("purge_at" in item for item in house.messages())
        assert house.handed == []

    def test_a_row_that_was_tampered_with_is_never_sent(self, house: House) -> None:
        house.join("kim")
        mailing = house.scheduled(Kind.ANNOUNCEMENT)
        wiring.mailing_planner().run()
        table = house.tables.accounts
        table.apply(
            table.update(
                f"MAILING#{mailing}", "MAILING", "SET content.#f.what = :new",
                {":new": "Buy now."}, condition="attribute_exists(pk)", names={"#f": "fields"},
            )
        )  # fmt: skip
        assert house.hand_over() == {"refused": 1}
        assert house.handed == []

    @pytest.mark.parametrize("step", ["cancel", "refuse"])
    def test_what_is_stopped_while_it_is_sent_goes_no_further(
        self, house: House, step: str
    ) -> None:
        house.join("kim")
        mailing = house.scheduled(Kind.ANNOUNCEMENT)
        planner = wiring.mailing_planner()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(planner.store, "finish", lambda _: False)
            planner.run()
        house.stop(step, mailing)
        assert house.hand_over() == {"refused": 1}
        house.join("lee")
        assert planner.run()["messages"] == 0

    @pytest.mark.parametrize("step", ["cancel", "refuse"])
    @pytest.mark.parametrize("kind", MAILED)
    def test_what_is_written_and_not_handed_over_stays_unsent_once_it_is_stopped(
        self, house: House, kind: Kind, step: str
    ) -> None:
        house.join("kim", owns="app_1")
        mailing = house.scheduled(kind)
        wiring.mailing_planner().run()
        assert wiring.mailings().mailing(mailing).state is Phase.SENT
        house.clock.advance(LATEST - HOUR)
        house.stop(step, mailing)
        assert house.hand_over() == {"refused": 1}
        assert [item["why"] for item in house.messages()] == ["unapproved"]
        assert house.handed == []

    @pytest.mark.parametrize("step", ["cancel", "refuse"])
    def test_what_can_no_longer_go_out_stays_sent(self, house: House, step: str) -> None:
        mailing = house.scheduled(Kind.ANNOUNCEMENT)
        wiring.mailing_planner().run()
        house.clock.advance(LATEST)
        with pytest.raises(WrongState):
            house.stop(step, mailing)
        assert wiring.mailings().mailing(mailing).state is Phase.SENT

    def test_it_is_not_sent_when_it_is_stale(self, house: House) -> None:
        house.join("kim")
        house.scheduled(Kind.OFFER)
        wiring.mailing_planner().run()
        house.clock.advance(15 * DAY)
        assert house.hand_over() == {"stale": 1}


@pytest.mark.promise("PS-77")
class TestPartners:
    def test_a_partners_page_opens_through_ours(self, house: House) -> None:
        house.join("kim", paid=None)
        house.join("lee", paid=None)
        house.sent(Kind.PARTNER)
        bodies = [
            str(mail.get_body(("plain",)).get_content())  # type: ignore[union-attr]
            for mail in house.handed
        ]
        assert not [text for text in bodies if "charts.example" in text]
        links = {re.findall(r"https://cetrus.test(/exit\?to=\S+)", text)[0] for text in bodies}
        (link,) = links  # the same for everybody, so that it tells the partner of nobody
        assert "charts.example" in Browser().get(link).text

    def test_the_partner_is_told_a_number_from_eleven_on_and_nothing_else(
        self, house: House
    ) -> None:
        from chalicelib.mailings.service import TooFew

        for number in range(10):
            house.join(f"p{number}", paid=None)
        house.sent(Kind.PARTNER)
        few = next(i["id"] for i in house.tables.items("accounts") if i["type"] == "mailing")
        with pytest.raises(TooFew):
            wiring.mailings().for_partner(few)
        house.join("one-more", paid=None)
        house.sent(Kind.PARTNER, content(Kind.PARTNER, body="Another."))
        mailings = [i["id"] for i in house.tables.items("accounts") if i["type"] == "mailing"]
        (enough,) = set(mailings) - {few}
        told = admin.command_mailing_count(argparse.Namespace(mailing=enough))
        assert told == {"headline": "Two weeks at half price", "delivered": 11}
        assert "@" not in json.dumps(told)
        shown = wiring.mailings().tally(wiring.mailings().mailing(few))
        assert shown == {"sent": None}

    def test_only_partner_mail_is_told_of(self, house: House) -> None:
        from chalicelib.core.errors import NotFound

        with pytest.raises(NotFound):
            wiring.mailings().for_partner(house.scheduled(Kind.OFFER))


def test_a_campaigns_claim_lapses_and_an_unknown_hand_over_ends(house: House) -> None:
    house.join("kim")
    house.scheduled(Kind.OFFER)
    wiring.mailing_planner().run()
    (message,) = [item["id"] for item in house.messages()]
    mailer = wiring.campaign_mailer()

    def die(*_: Any) -> Any:
        raise KeyboardInterrupt

    house.listen(mailer)
    mailer.post.hand_over = die  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        mailer.send(message)
    house.clock.advance(CLAIM_LIFE)
    assert mailer.send(message) is State.UNKNOWN
