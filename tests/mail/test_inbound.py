"""Mail that reaches us: REMOVE works however it is written, and everything else is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY
from chalicelib.mail.inbound import CaseKind, read
from chalicelib.mail.wishes import suppression_of
from tests.conftest import kept_client

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

SENDER = "Kim@Example.com"


def raw(subject: str, sender: str = f"Kim <{SENDER}>", body: str = "hello") -> bytes:
    return f"From: {sender}\r\nTo: support@cetrus.test\r\nSubject: {subject}\r\n\r\n{body}".encode()


def event(*keys: str) -> dict[str, Any]:
    return {"Records": [{"s3": {"object": {"key": key}}} for key in keys]}


def deliver(data: bytes, key: str = "in/a") -> dict[str, int]:
    kept_client("s3").put_object(Bucket="cetrus-mail", Key=key, Body=data)
    return wiring.inbound_mail().receive(event(key))


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
        "=?utf-8?b?UkXCrU1PVkU=?=",
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
    def test_it_stops_partner_mail_for_the_sender_and_the_mail_is_gone(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        assert deliver(raw("Re: REMOVE")) == {"removed": 1}
        (row,) = tables.items("accounts")
        assert row["pk"] == f"SUPPRESSION#{suppression_of(wiring.keyed(), 'kim@example.com')}"
        assert row["sk"] == "CLASS#partner"
        assert objects() == []

    def test_it_keeps_no_address(self, tables: Tables, clock: FakeClock) -> None:
        deliver(raw("REMOVE"))
        assert "example" not in tables.dump().lower()

    def test_the_same_event_again_changes_nothing(self, tables: Tables, clock: FakeClock) -> None:
        deliver(raw("REMOVE"))
        before = tables.dump()
        assert wiring.inbound_mail().receive(event("in/a")) == {"gone": 1}
        assert tables.dump() == before

    def test_asking_twice_is_asking_once(self, tables: Tables, clock: FakeClock) -> None:
        deliver(raw("REMOVE"))
        before = tables.dump()
        clock.advance(DAY)
        assert deliver(raw("remove"), "in/b") == {"removed": 1}
        assert tables.dump() == before

    @pytest.mark.promise("PS-72")
    def test_a_wish_to_have_more_removed_is_also_read_by_somebody(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        assert deliver(raw("Please remove my account and all my data")) == {"case": 1}
        found = {item["type"]: item for item in tables.items("accounts")}
        assert found.keys() == {"suppression", "case"}
        assert found["case"]["kind"] == CaseKind.DATA
        assert objects() == ["in/a"]

    @pytest.mark.parametrize("sender", ["", "nobody", "<>", "a@b@c, d", "=?utf-8?q?=00?="])
    def test_without_a_usable_sender_somebody_reads_it(
        self, tables: Tables, clock: FakeClock, sender: str
    ) -> None:
        assert deliver(raw("REMOVE", sender)) == {"case": 1}

    def test_a_death_before_the_mail_is_deleted_is_finished_by_the_retry(
        self, tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inbound = wiring.inbound_mail()

        def die(_: str) -> None:
            raise ConnectionError

        with monkeypatch.context() as patch:
            patch.setattr(inbound.bucket, "delete", die)
            with pytest.raises(ConnectionError):
                deliver(raw("REMOVE"))
        assert inbound.receive(event("in/a")) == {"removed": 1}
        assert objects() == []


class TestCases:
    @pytest.mark.promise("PS-09")
    @pytest.mark.parametrize(
        ("subject", "kind"),
        [
            ("I cannot download", CaseKind.SUPPORT),
            ("Complaint about a bill", CaseKind.COMPLAINT),
            ("Your privacy policy", CaseKind.COMPLAINT),
            ("Delete me, please", CaseKind.DATA),
            ("Correct my postal code", CaseKind.DATA),
            ("", CaseKind.SUPPORT),
        ],
    )
    def test_anything_else_is_a_case_due_in_thirty_days(
        self, tables: Tables, clock: FakeClock, subject: str, kind: CaseKind
    ) -> None:
        assert deliver(raw(subject, body="CANARY")) == {"case": 1}
        (case,) = tables.items("accounts")
        assert (case["kind"], case["state"], case["object"]) == (kind, "open", "in/a")
        assert case["due_at"] == clock.now + 30 * DAY
        assert objects() == ["in/a"]

    def test_a_case_says_nothing_of_who_wrote_what(self, tables: Tables, clock: FakeClock) -> None:
        deliver(raw("My name is Canary", "Canary <canary@example.com>", "canary"))
        assert "canary" not in tables.dump().lower()

    def test_the_same_event_twice_makes_one_case(self, tables: Tables, clock: FakeClock) -> None:
        deliver(raw("Hello"))
        before = tables.dump()
        clock.advance(DAY)
        assert wiring.inbound_mail().receive(event("in/a", "in/a")) == {"case": 2}
        assert tables.dump() == before

    def test_keys_come_encoded(self, tables: Tables, clock: FakeClock) -> None:
        kept_client("s3").put_object(Bucket="cetrus-mail", Key="in/a b", Body=raw("Hello"))
        assert wiring.inbound_mail().receive(event("in/a+b")) == {"case": 1}

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x00\xff\xfe",
            b"From: \xff\xfe <a@b>\r\nSubject: \xff\xfe\r\n\r\n",
            b"Subject: =?utf-8?b?!!!?=\r\nFrom: [\r\n\r\n",
            b"Content-Type: multipart/mixed\r\n\r\n--x\r\n",
            b"From: a@[\r\nSubject: " + b"=?utf-8?q?" + b"=C3" * 500 + b"?=\r\n\r\n",
        ],
    )
    def test_what_cannot_be_read_is_a_case_and_no_error(
        self, tables: Tables, clock: FakeClock, data: bytes
    ) -> None:
        assert deliver(data) == {"case": 1}
