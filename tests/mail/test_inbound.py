"""Mail that reaches us: REMOVE works however it is written, and everything else is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import LinkKind
from chalicelib.cases.rules import MESSAGES_A_DAY, Kind
from chalicelib.core.clock import DAY
from chalicelib.mail.incoming import read
from chalicelib.mail.links import link_token
from chalicelib.mail.wishes import suppression_of
from chalicelib.privacy.rules import Purpose
from tests.cases.conftest import cases, deliver, messages, raw, verdicts
from tests.conftest import kept_client

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

DOUBTED = [
    verdicts(dmarc="fail"),
    verdicts(spf="fail"),
    verdicts(dkim="fail"),
    verdicts(spf="softfail", dmarc="none"),
    verdicts(dmarc="permerror"),
    verdicts("evil.example"),
    verdicts(dmarc="fail") + verdicts(),  # what a sender wrote stands below
    verdicts(spf="pass (; dmarc=pass header.from=example.com)", dmarc="fail"),
    verdicts(dmarc="fail").replace("mx.", "x; dmarc=pass header.from=example.com; mx."),
    verdicts(dmarc="none").replace("mx.", "x; dmarc=pass header.from=example.com; mx."),
    verdicts() + "From: Eve <eve@evil.example>\r\n",
]
"""Something speaks against the sender, or the mail service's word was tampered with."""
UNKNOWN = ["", verdicts(dmarc="none"), verdicts(spf="none", dkim="none", dmarc="none")]
"""Nothing speaks for the sender, and nothing against."""

PROFILE = {"account_name": "Kim", "login": "kim", "email": "kim@example.com", "name": "Kim"}


def event(*keys: str) -> dict[str, Any]:
    return {"Records": [{"s3": {"object": {"key": key}}} for key in keys]}


def objects() -> list[str]:
    listed = kept_client("s3").list_objects_v2(Bucket="cetrus-mail")
    return [entry["Key"] for entry in listed.get("Contents", [])]


@pytest.mark.promise("PS-76")
@pytest.mark.parametrize(
    "subject",
    [
        "REMOVE", "remove", "Remove", "rEmOvE", " REMOVE ", "REMOVE!", '"REMOVE"', "'remove'.",
        "Re: REMOVE", "RE: remove", "re:REMOVE", "Re[2]: Remove", "Fwd: REMOVE", "FW: Re: REMOVE",
        "AW: WG: remove", "Sv: REMOVE", "RE: RE: RE: REMOVE", "Re: Offers of the week REMOVE",
        "REMOVE Re: Offers of the week", "Please REMOVE me", "REMOVE - thanks", "*REMOVE*",
        "REMOVE-ME", "_REMOVE_", "(remove)", "[Newsletter] remove", "remove, please",
        "=?utf-8?q?REMOVE?=", "=?UTF-8?B?UkVNT1ZF?=", "=?iso-8859-1?q?Re=3A_REMOVE?=",
        "=?utf-8?b?77yy77yl77yt77yv77y277yl?=", "Re:\r\n REMOVE", "=?utf-8?q?RE?= =?utf-8?q?MOVE?=",
        "=?utf-8?b?UkXCrU1PVkU=?=", "Rif: REMOVE", "RES: REMOVE", "ENC: REMOVE", "Antw: REMOVE",
        "VS: remove", "SV: VB: Remove", "TR: REMOVE", "RV: remove", "Odp: REMOVE", "YNT: REMOVE",
        "R: I: REMOVE", "回复\uff1aREMOVE", "转发: remove", "Отв: REMOVE", "הועבר: REMOVE",
        "RE\u200bMO\u200dVE", "\u202eREMOVE\u202c", "R\u0332E\u0332M\u0332O\u0332V\u0332E\u0332",
        "\U0001d411\U0001d404\U0001d40c\U0001d40e\U0001d415\U0001d404", "ⓇⒺⓂⓄⓋⒺ",
        "R\u0415\u041c\u041eV\u0415", "R\u0395\u039c\u039fV\u0395", "\u00a0REMOVE\u3000",
        "=?gb2312?B?UkVNT1ZF?=", "=?koi8-r?Q?REMOVE?=", "=?utf-7?q?REMOVE?=",
        "=?utf-16?b?//5SAEUATQBPAFYARQA=?=",
    ],
)  # fmt: skip
def test_remove_is_found_however_it_is_written(subject: str) -> None:
    assert read(raw(subject)).asks_removal


@pytest.mark.parametrize(
    "subject",
    ["", "removed", "removal", "REMOVER", "unremove", "premove", "re move", "Remov", "move",
     "=?utf-8?q?remov=C3=A9?=", "=?utf-8?q?=", "=?x-unknown?q?hello?="],
)  # fmt: skip
def test_other_words_are_not_remove(subject: str) -> None:
    assert not read(raw(subject)).asks_removal


class TestRemove:
    @pytest.mark.promise("PS-76")
    @pytest.mark.parametrize(
        "above",
        ["", verdicts(spf="fail"), verdicts(dkim="fail"), verdicts(dmarc="fail"), verdicts()],
    )
    def test_it_stops_partner_mail_for_the_sender_forged_or_not_and_the_mail_is_gone(
        self, tables: Tables, clock: FakeClock, above: str
    ) -> None:
        assert deliver(raw("Re: REMOVE", "Kim <Kim@Example.com>", above)) == {"removed": 1}
        (row,) = (item for item in tables.items("accounts") if item["type"] == "suppression")
        assert row["pk"] == f"SUPPRESSION#{suppression_of(wiring.keyed(), 'kim@example.com')}"
        assert row["sk"] == "CLASS#partner"
        assert objects() == []
        assert cases(tables) == []
        assert wiring.times().spread(clock.now)["stopped_by_mail"]["number"] == 1

    @pytest.mark.promise("PS-76")
    @pytest.mark.parametrize("above", DOUBTED)
    def test_forged_it_stops_partner_mail_and_has_nobody_written_to(
        self, tables: Tables, clock: FakeClock, above: str
    ) -> None:
        assert deliver(raw("REMOVE", above=above)) == {"removed": 1}
        assert [item for item in tables.items("accounts") if item["type"] == "suppression"]
        assert messages(tables) == []

    @pytest.mark.promise("PS-76")
    @pytest.mark.parametrize("confirmed", [True, False])
    def test_a_member_is_told_of_a_forged_one_and_once(
        self, tables: Tables, clock: FakeClock, kim: str, confirmed: bool
    ) -> None:
        if confirmed:
            confirm(tables)
        for number in range(2):
            forged = raw("REMOVE", above=verdicts(dmarc="fail"))
            assert deliver(forged, f"in/{number}") == {"removed": 1}
        assert len(messages(tables, "removal_confirmed")) == (1 if confirmed else 0)

    def test_it_keeps_no_address(self, tables: Tables, clock: FakeClock) -> None:
        deliver(raw("REMOVE"))
        assert "example" not in tables.dump().lower()

    @pytest.mark.promise("PS-76")
    def test_it_is_confirmed_once_however_often_it_is_sent(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        deliver(raw("REMOVE"))
        (mail,) = messages(tables)
        assert mail["template"] == "removal_confirmed"
        assert set(wiring.vault().granted(mail["account"])) == {Purpose.SUPPORT}
        before = tables.dump()
        clock.advance(DAY)
        assert deliver(raw("remove", "KIM@EXAMPLE.COM"), "in/b") == {"removed": 1}
        assert tables.dump() == before

    def test_the_address_that_was_confirmed_is_forgotten_after_a_week(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        deliver(raw("REMOVE"))
        (mail,) = messages(tables)
        clock.advance(7 * DAY)
        assert wiring.cleanup().run(lambda: 100_000)["guests"] == 1
        assert wiring.vault().granted(mail["account"]) == {}

    @pytest.mark.parametrize(
        "above",
        [
            "Auto-Submitted: auto-replied\r\n", "Auto-Submitted: auto-generated; x=1\r\n",
            "Precedence: bulk\r\n", "Precedence: list\r\n", "Precedence: junk\r\n",
            "List-Id: <talk.example.com>\r\n", "List-Unsubscribe: <https://example.com>\r\n",
            "Return-Path: <>\r\n", "Content-Type: multipart/report; boundary=x\r\n",
            "Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n",
            "auto-submitted:\r\n AUTO-REPLIED (vacation)\r\n",
            "Precedence: first-class\r\nPrecedence: bulk\r\n", "Precedence: auto_reply\r\n",
            "List-Help: <mailto:a@example.com>\r\n", "List-Archive: <https://example.com>\r\n",
            "X-Auto-Response-Suppress: DR, OOF, AutoReply\r\n", "X-Autoreply: yes\r\n",
            "X-Failed-Recipients: a@example.com\r\n", "Return-Path: < >\r\n",
            "Return-Path:\r\n", "Return-Path: <a@example.com>\r\nReturn-Path: <>\r\n",
            "Content-Type: message/delivery-status\r\n",
            "Content-Type: text/plain\r\nContent-Type: multipart/report; boundary=x\r\n",
        ],
    )  # fmt: skip
    def test_a_machine_is_heard_and_never_answered(
        self, tables: Tables, clock: FakeClock, above: str
    ) -> None:
        assert deliver(raw("REMOVE", above=above)) == {"removed": 1}
        assert deliver(raw("Help", above=above), "in/b") == {"case": 1}
        assert deliver(raw("Delete my data", above=above + verdicts()), "in/c") == {"case": 1}
        assert messages(tables) == []

    @pytest.mark.parametrize(
        "sender",
        ["support@cetrus.test", "a@mail.Cetrus.Test", "MAILER-DAEMON@example.com",
         "postmaster@example.com", "no-reply@example.com", "bounces+17=x@example.com"],
    )  # fmt: skip
    def test_neither_are_we_ourselves_nor_a_mail_server(
        self, tables: Tables, clock: FakeClock, sender: str
    ) -> None:
        deliver(raw("REMOVE", sender))
        deliver(raw("Help", sender), "in/b")
        assert messages(tables) == []

    def test_a_person_s_own_auto_submitted_no_is_answered(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        deliver(raw("Help", above="Auto-Submitted: no\r\nReturn-Path: <kim@example.com>\r\n"))
        assert len(messages(tables)) == 1

    def test_the_same_event_again_changes_nothing(self, tables: Tables, clock: FakeClock) -> None:
        deliver(raw("REMOVE"))
        before = tables.dump()
        assert wiring.inbound_mail().receive(event("in/a")) == {"gone": 1}
        assert tables.dump() == before

    @pytest.mark.parametrize("sender", ["reply@example.com", "bouncer@example.com"])
    @pytest.mark.parametrize("above", ["", "X-Auto-Response-Suppress: DR, RN\r\n"])
    def test_a_person_who_looks_a_little_like_a_machine_is_answered(
        self, tables: Tables, clock: FakeClock, sender: str, above: str
    ) -> None:
        deliver(raw("Help", sender, above))
        assert len(messages(tables)) == 1

    @pytest.mark.promise("PS-72")
    def test_a_wish_to_have_more_removed_is_also_read_by_somebody(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        assert deliver(raw("Please remove my account and all my data")) == {"case": 1}
        (case,) = cases(tables)
        assert case["kind"] == Kind.DATA
        assert [item for item in tables.items("accounts") if item["type"] == "suppression"]
        assert objects() == ["in/a"]

    @pytest.mark.promise("PS-67")
    @pytest.mark.promise("PS-76")
    @pytest.mark.parametrize(
        "subject",
        [
            "How do I remove a computer from my license?", "Cannot remove my card",
            "Re: Cannot remove my card", "Please remove the charge of May", "Do not remove me",
            "Card: remove", "Remove Windows 11 from the list", "RE: Offers of the week REMOVE",
        ],
    )  # fmt: skip
    def test_a_question_with_the_word_is_a_case_too_and_acknowledged(
        self, tables: Tables, clock: FakeClock, subject: str
    ) -> None:
        assert deliver(raw(subject)) == {"case": 1}
        (case,) = cases(tables)
        assert (case["kind"], case["state"], case["object"]) == ("support", "acknowledged", "in/a")
        assert [item for item in tables.items("accounts") if item["type"] == "suppression"]
        assert objects() == ["in/a"]
        assert len(messages(tables, "case_received")) == 1

    @pytest.mark.promise("PS-76")
    @pytest.mark.parametrize(
        "subject",
        [
            "REMOVE", "Re: REMOVE", "Fwd: AW: Please REMOVE me", "Re[2]: remove, please!",
            "REMOVE - thanks", "Unsubscribe / remove me. Thank you", "R: I: REMOVE",
            "回复\uff1aREMOVE", "Отв: REMOVE", "הועבר: REMOVE", "_REMOVE_", "RE\u200bMO\u200dVE",
        ],
    )  # fmt: skip
    def test_a_plain_remove_is_nobodys_to_read(
        self, tables: Tables, clock: FakeClock, subject: str
    ) -> None:
        assert deliver(raw(subject)) == {"removed": 1}
        assert cases(tables) == objects() == []

    @pytest.mark.parametrize("sender", ["", "nobody", "<>", "a@b@c, d", "=?utf-8?q?=00?="])
    def test_without_a_usable_sender_somebody_reads_it(
        self, tables: Tables, clock: FakeClock, sender: str
    ) -> None:
        assert deliver(raw("REMOVE", sender)) == {"case": 1}
        assert messages(tables) == []

    def test_a_death_before_the_mail_is_deleted_is_finished_by_the_retry(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        inbound = wiring.inbound_mail()

        def die(_: str) -> None:
            raise ConnectionError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inbound.bucket, "delete", die)
            with pytest.raises(ConnectionError):
                deliver(raw("REMOVE"))
        assert inbound.receive(event("in/a")) == {"removed": 1}
        assert objects() == []
        assert len(messages(tables)) == 1


class TestCases:
    @pytest.mark.promise("PS-09")
    @pytest.mark.parametrize(
        ("subject", "kind", "days"),
        [
            ("I cannot download", Kind.SUPPORT, 7),
            ("My account does not start", Kind.SUPPORT, 7),
            ("Complaint about a bill", Kind.CONCERN, 14),
            ("Your privacy policy", Kind.CONCERN, 14),
            ("Delete me, please", Kind.DATA, 30),
            ("Correct my postal code", Kind.DATA, 30),
            ("Re: AW: please erase my personal data", Kind.DATA, 30),
            ("A question on security", Kind.SECURITY, 3),
            ("Vulnerability in your sign-in", Kind.SECURITY, 3),
            ("My account was hacked", Kind.SECURITY, 3),
            ("", Kind.SUPPORT, 7),
        ],
    )
    def test_anything_else_is_a_case_and_acknowledged(
        self, tables: Tables, clock: FakeClock, subject: str, kind: Kind, days: int
    ) -> None:
        assert deliver(raw(subject, body="CANARY")) == {"case": 1}
        (case,) = cases(tables)
        assert (case["kind"], case["state"], case["object"]) == (kind, "acknowledged", "in/a")
        assert case["due_at"] == clock.now + days * DAY
        assert objects() == ["in/a"]
        (mail,) = messages(tables)
        assert (mail["template"], mail["account"]) == ("case_received", case["subject"])

    @pytest.mark.promise("PS-09")
    @pytest.mark.promise("PS-56")
    @pytest.mark.parametrize("above", UNKNOWN)
    def test_who_cannot_prove_who_they_are_is_answered_once_a_day(
        self, tables: Tables, clock: FakeClock, above: str
    ) -> None:
        for number in range(3):
            assert deliver(raw("A complaint", above=above), f"in/{number}") == {"case": 1}
        assert len(messages(tables, "case_received")) == 1
        assert [case["state"] for case in cases(tables)].count("open") == 2
        deliver(raw("A complaint", "other@example.com", above), "in/other")
        assert len(messages(tables, "case_received")) == 2
        clock.advance(DAY)
        deliver(raw("A complaint", above=above), "in/late")
        assert len(messages(tables, "case_received")) == 3

    @pytest.mark.promise("PS-09")
    @pytest.mark.parametrize("above", DOUBTED)
    @pytest.mark.parametrize("subject", ["Help", "A complaint", "Delete my account"])
    def test_forged_mail_is_a_case_and_has_nobody_written_to(
        self, tables: Tables, clock: FakeClock, kim: str, subject: str, above: str
    ) -> None:
        confirm(tables)
        assert deliver(raw(subject, above=above)) == {"case": 1}
        (case,) = cases(tables)
        assert (case["state"], case["object"]) == ("open", "in/a")
        assert messages(tables, "case_received", "rights_link") == []

    @pytest.mark.promise("PS-09")
    def test_proven_mail_is_answered_five_times_a_day(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        for number in range(MESSAGES_A_DAY + 1):
            deliver(raw("A complaint", above=verdicts()), f"in/{number}")
        assert len(messages(tables, "case_received")) == MESSAGES_A_DAY

    def test_a_case_says_nothing_of_who_wrote_what(self, tables: Tables, clock: FakeClock) -> None:
        deliver(raw("My name is Canary", "Canary <canary@example.com>", body="canary"))
        assert "canary" not in tables.dump().lower()

    def test_the_same_event_again_makes_no_second_case_and_no_second_mail(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        deliver(raw("Help"))
        before = tables.dump()
        clock.advance(60_000)
        assert wiring.inbound_mail().receive(event("in/a")) == {"case": 1}
        assert tables.dump() == before


@pytest.fixture
def kim(tables: Tables, clock: FakeClock) -> str:
    """An account with the sender's address; the keyed hash of that."""
    wiring.registration().register(PROFILE, "nine slow boats at anchor", CHOSEN)
    return wiring.keyed().of("email", "kim@example.com")


def confirm(tables: Tables) -> None:
    """The one account there is belongs to whoever reads its mailbox."""
    (account,) = (item for item in tables.items("accounts") if item["type"] == "account")
    tables.accounts.apply(tables.accounts.put({**account, "state": "active"}))


CHOSEN = {Purpose.MARKETING: False, Purpose.PARTNER_MAIL: False}


class TestRights:
    @pytest.mark.promise("PS-72")
    def test_a_proven_request_brings_a_link_to_the_address_on_file(
        self, tables: Tables, clock: FakeClock, kim: str
    ) -> None:
        deliver(raw("Delete my account", "Kim <KIM@example.com>", verdicts()))
        (mail,) = messages(tables, "rights_link")
        assert mail["claim"] == kim
        assert len(messages(tables, "case_received")) == 1
        token = link_token(wiring.link_key(), mail["id"])
        assert wiring.links().read(token, LinkKind.RIGHTS, clock.now).target == kim

    @pytest.mark.promise("PS-76")
    @pytest.mark.parametrize(
        "above", [*DOUBTED, *UNKNOWN, verdicts().replace("amazonses.com", "mx.evil.example")]
    )
    def test_one_that_is_not_proven_touches_nothing_of_the_account(
        self, tables: Tables, clock: FakeClock, kim: str, above: str
    ) -> None:
        before = {i["pk"]: i for i in tables.items("accounts") if i["pk"].startswith("ACCOUNT#")}
        mail = raw("REMOVE and delete my account", above=above)
        assert not read(mail).proven
        deliver(mail)
        assert messages(tables, "rights_link") == []
        assert {i["pk"]: i for i in tables.items("accounts") if i["pk"].startswith("ACCOUNT#")} == (
            before
        )

    def test_a_stranger_s_proven_request_gets_an_acknowledgment_alone(
        self, tables: Tables, clock: FakeClock, kim: str
    ) -> None:
        deliver(raw("Delete my data", "eve@evil.example", verdicts("evil.example")))
        assert messages(tables, "rights_link") == []
        assert len(messages(tables, "case_received")) == 1

    @pytest.mark.promise("PS-72")
    @pytest.mark.parametrize("above", ["", verdicts()])
    def test_neither_forged_nor_many_mails_keep_a_proven_request_from_its_link(
        self, tables: Tables, clock: FakeClock, kim: str, above: str
    ) -> None:
        for number in range(MESSAGES_A_DAY):
            deliver(raw("Help", above=above), f"in/{number}")
        acknowledged = len(messages(tables, "case_received"))
        deliver(raw("Delete my account", above=verdicts()), "in/own")
        assert len(messages(tables, "rights_link")) == 1
        assert len(messages(tables, "case_received")) - acknowledged == (0 if above else 1)

    def test_another_kind_of_mail_brings_no_link(
        self, tables: Tables, clock: FakeClock, kim: str
    ) -> None:
        deliver(raw("Help", above=verdicts()))
        assert messages(tables, "rights_link") == []
