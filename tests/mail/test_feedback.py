"""PS-68: bounces and complaints end optional mail, whatever order their events come in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import app
from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, SECOND, to_text
from chalicelib.mail.rules import State
from chalicelib.mail.wishes import BOUNCED, COMPLAINED, suppression_of
from tests.conftest import kept_client
from tests.context import CONTEXT
from tests.crash import at_every_call
from tests.mail.test_mailer import record

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

KIM = "Kim@Example.com"
FORM = {"account_name": "Kim", "login": "kim", "email": KIM, "name": "Kim"}
PASSWORD = "a-passphrase-of-some-length"
SUMMARY = {"week": "16 to 22 November 2026", "total": "1 hour", "lines": ["Halyard: 1 hour"]}


def bounce(at: int, address: str = KIM, kind: str = "Permanent") -> str:
    return json.dumps(
        {
            "eventType": "Bounce",
            "bounce": {
                "bounceType": kind,
                "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": address, "status": "5.1.1"}],
                "timestamp": to_text(at),
            },
            "mail": {"destination": [address], "headers": [], "tags": {}},
        }
    )


def complaint(at: int, address: str = KIM, kind: str | None = "abuse") -> str:
    told = {"complainedRecipients": [{"emailAddress": address}], "timestamp": to_text(at)}
    more = {"complaintFeedbackType": kind} if kind else {}
    return json.dumps({"eventType": "Complaint", "complaint": {**told, **more}, "mail": {}})


def take(*bodies: str) -> dict[str, Any]:
    event = {"Records": [record(n, body) for n, body in enumerate(bodies)]}
    answer: dict[str, Any] = app.mail_feedback(event, CONTEXT)
    return answer


@pytest.fixture
def member(tables: Tables, clock: FakeClock) -> str:
    """The id of a confirmed account; its address is Kim's."""
    from chalicelib.mail.links import link_token

    kept_client("sesv2").create_configuration_set(ConfigurationSetName="cetrus-local")
    message = wiring.registration().register(FORM, PASSWORD)
    assert message
    wiring.recovery().confirm(link_token(wiring.link_key(), message), PASSWORD)
    wiring.mailer().sweep()
    (account,) = (item for item in tables.items("accounts") if item["type"] == "account")
    return str(account["pk"].removeprefix("ACCOUNT#"))


def write(account: str, template: str, fact: str, arguments: Any) -> str:
    now = wiring.now()
    message, put = wiring.outbox().message(
        template, fact=(fact,), account=account, arguments=arguments, due=now, now=now
    )
    wiring.accounts_table().apply(put)
    return message


def notice(account: str, fact: str = "w") -> State | None:
    """What becomes of a notice that is sent now."""
    return wiring.mailer().send(write(account, "usage_summary", fact, SUMMARY))


def account_mail(account: str, fact: str = "p") -> State | None:
    return wiring.mailer().send(write(account, "password_changed", fact, {}))


@pytest.mark.promise("PS-68")
class TestWhatEnds:
    @pytest.mark.parametrize("event", [bounce, complaint])
    def test_notices_end_and_mail_about_the_account_does_not(
        self, member: str, clock: FakeClock, event: Any
    ) -> None:
        assert notice(member, "before") is State.SENT
        assert take(event(clock.now)) == {"batchItemFailures": []}
        assert notice(member, "after") is State.REFUSED
        assert account_mail(member) is State.SENT

    def test_a_hard_bounce_stands_in_the_account_since_its_time(
        self, member: str, clock: FakeClock
    ) -> None:
        take(bounce(clock.now - HOUR), bounce(clock.now))
        choices = wiring.notices().of(member)
        assert (choices.bounced_at, choices.complained_at) == (clock.now - HOUR, None)

    @pytest.mark.parametrize("kind", ["Transient", "Undetermined"])
    def test_what_may_work_the_next_time_ends_nothing(
        self, member: str, clock: FakeClock, kind: str
    ) -> None:
        take(bounce(clock.now, kind=kind))
        assert notice(member) is State.SENT
        assert wiring.notices().of(member).bounced_at is None

    @pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
    def test_what_is_no_complaint_ends_nothing(
        self, member: str, clock: FakeClock, kind: str
    ) -> None:
        take(complaint(clock.now, kind=kind))
        assert notice(member) is State.SENT

    @pytest.mark.parametrize("kind", ["abuse", "fraud", "virus", "other", None])
    def test_every_other_complaint_does(
        self, member: str, clock: FakeClock, kind: str | None
    ) -> None:
        take(complaint(clock.now, kind=kind))
        assert notice(member) is State.REFUSED

    @pytest.mark.parametrize("spelling", ["kim@example.com", "KIM@EXAMPLE.COM", "Kim@example.com"])
    def test_an_address_is_one_however_it_is_spelled(
        self, member: str, clock: FakeClock, spelling: str
    ) -> None:
        take(bounce(clock.now, spelling))
        assert notice(member) is State.REFUSED
        assert wiring.notices().of(member).bounced_at == clock.now

    def test_a_wish_that_came_after_the_claim_still_counts(
        self, member: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mailer, now = wiring.mailer(), clock.now
        opened = mailer.vault.open

        def open_then_complain(*args: Any) -> Any:
            secret = opened(*args)
            take(complaint(now))
            return secret

        with monkeypatch.context() as patch:
            patch.setattr(mailer.vault, "open", open_then_complain)
            assert notice(member) is State.REFUSED

    def test_it_outlives_the_account(self, member: str, tables: Tables, clock: FakeClock) -> None:
        take(complaint(clock.now))
        wiring.vault().erase(wiring.accounts().subject_of(member))
        row = tables.accounts.get(f"SUPPRESSION#{suppression_of(wiring.keyed(), KIM)}", COMPLAINED)
        assert row
        assert "lifted_at" not in row

    def test_it_keeps_no_address(self, member: str, tables: Tables, clock: FakeClock) -> None:
        take(bounce(clock.now), complaint(clock.now), bounce(clock.now, "nobody@example.org"))
        assert "example" not in tables.dump().lower()

    def test_an_address_of_nobody_is_kept_from_getting_any(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        take(bounce(clock.now, "nobody@example.org"))
        hashed = suppression_of(wiring.keyed(), "nobody@example.org")
        assert tables.accounts.get(f"SUPPRESSION#{hashed}", BOUNCED)


class TestDisorder:
    def test_copies_and_another_order_change_nothing(
        self, member: str, tables: Tables, clock: FakeClock
    ) -> None:
        events = [bounce(clock.now - n * SECOND) for n in (0, 2, 1)] + [complaint(clock.now)]
        take(*events)
        before = tables.dump()
        clock.advance(DAY)
        take(*reversed(events), *events)
        assert tables.dump() == before

    def test_a_copy_that_comes_after_it_was_lifted_is_old_news(
        self, member: str, clock: FakeClock
    ) -> None:
        at = clock.now
        take(bounce(at), complaint(at))
        clock.advance(HOUR)
        wiring.notices().works_again(member)
        wiring.notices().choose(member, [])
        wiring.notices().choose(member, ["usage_summary", "installer_updated"])
        take(bounce(at), complaint(at))
        assert notice(member) is State.SENT
        choices = wiring.notices().of(member)
        assert (choices.bounced_at, choices.complained_at) == (None, None)

    def test_what_bounces_once_more_ends_it_once_more(self, member: str, clock: FakeClock) -> None:
        take(bounce(clock.now))
        clock.advance(HOUR)
        wiring.notices().works_again(member)
        clock.advance(HOUR)
        take(bounce(clock.now))
        assert notice(member) is State.REFUSED
        assert wiring.notices().of(member).bounced_at == clock.now

    def test_what_says_nothing_known_stays_in_the_queue(
        self, member: str, clock: FakeClock
    ) -> None:
        answer = take("{}", bounce(clock.now), "not json")
        failed = [entry["itemIdentifier"] for entry in answer["batchItemFailures"]]
        assert failed == ["r0", "r2"]
        assert notice(member) is State.REFUSED

    @pytest.mark.parametrize("address", ["", "kim", "a@b@c, d", "Kim: kim@example.com;"])
    def test_what_is_no_address_ends_nothing(
        self, member: str, clock: FakeClock, address: str
    ) -> None:
        assert take(bounce(clock.now, address)) == {"batchItemFailures": []}
        assert notice(member) is State.SENT

    def test_other_events_are_let_pass(self, member: str) -> None:
        assert take(json.dumps({"eventType": "Delivery"})) == {"batchItemFailures": []}

    def test_no_line_of_the_log_names_an_address(
        self, member: str, clock: FakeClock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        take(bounce(clock.now), "not json", bounce(clock.now, "kim"), "{}")
        out = capsys.readouterr()
        assert "kim" not in (out.out + out.err).lower()

    @pytest.mark.guarantee("G12")
    def test_a_death_at_any_call_is_finished_by_the_next_copy(
        self, member: str, tables: Tables, clock: FakeClock
    ) -> None:
        def act(body: str) -> None:
            wiring.mail_feedback().take(read_one(body))

        def judge(body: str) -> None:
            act(body)
            assert tables.accounts.get(*suppressed)
            assert wiring.notices().of(member).bounced_at

        def prepare() -> str:
            for key in (suppressed, (f"NOTICES#{member}", "NOTICES")):
                tables.accounts.apply(tables.accounts.delete(*key))
            return bounce(clock.now)

        suppressed = (f"SUPPRESSION#{suppression_of(wiring.keyed(), KIM)}", BOUNCED)

        assert at_every_call(prepare, act, judge) >= 6


def read_one(body: str) -> Any:
    from chalicelib.mail.feedback import read

    (report,) = read(body)
    return report
