"""G11 and G12: one mail a fact; nothing is lost, and nothing that was refused goes out."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from moto.ses.models import ses_backends

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, SECOND, purge_at
from chalicelib.mail.rules import (
    CLAIM_LIFE,
    LAWS,
    MAX_TRIES,
    Lane,
    MailClass,
    Message,
    State,
    pause,
)
from chalicelib.mail.templates import RESTING, TEMPLATES
from chalicelib.mail.wishes import WishStore, class_row, suppression_of
from chalicelib.privacy.rules import ASKED_AT_REST, Event, Purpose, reference
from chalicelib.settings import settings
from chalicelib.storage.dynamo import ConditionFailed
from tests.conftest import kept_client
from tests.interleaving import Turns
from tests.mail.conftest import ARGUMENTS, OPTIONAL, PARTNER, PROFILE, Cloud, Died, Office, Person

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Tables

URL = "https://email.example"


def error(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "SendEmail")


def raising(problem: Exception) -> Callable[..., Any]:
    def answer(**_: Any) -> Any:
        raise problem

    return answer


UNANSWERED = [
    ReadTimeoutError(endpoint_url=URL),
    ConnectionClosedError(endpoint_url=URL),
    error("InternalFailure", 400),
    error("InternalServerError", 500),
]
NOT_TAKEN = [
    error("TooManyRequestsException", 429),
    error("Throttling", 400),
    error("SendingPausedException", 400),
    error("AccessDeniedException", 403),
    EndpointConnectionError(endpoint_url=URL),
]
REFUSED = [error("MessageRejected", 400), error("BadRequestException", 400)]


@pytest.mark.usefixtures("both_engines")
class TestSending:
    def test_a_due_message_is_sent_to_the_address_on_file(
        self, office: Office, cloud: Cloud
    ) -> None:
        message = office.write("password_changed")
        assert office.mailer(cloud).send(message) is State.SENT
        ((to, raw),) = cloud.sent
        assert to == "Kim.Gruenwald@Example.com"
        mail = message_from_bytes(raw, policy=default)
        assert mail["Message-ID"] == f"<{message}@cetrus.test>"
        assert mail["X-SES-MESSAGE-TAGS"] == "class=account"
        assert office.state(message) is State.SENT

    def test_the_mail_service_takes_the_mail_as_it_is(self, office: Office, cloud: Cloud) -> None:
        office.mailer(cloud).send(office.write("welcome"))
        (kept,) = ses_backends["123456789012"]["eu-west-1"].sent_messages
        assert kept.raw_data.encode() == cloud.sent[0][1]

    def test_the_address_is_opened_once_for_its_mail_and_the_ledger_says_so(
        self, office: Office, cloud: Cloud
    ) -> None:
        message = office.write("receipt")
        office.mailer(cloud).send(message)
        rows = wiring.vault().ledger.rows("sub_member")
        opened = [row.entry for row in rows if row.entry.event is Event.OPENED]
        held = wiring.vault().store.grant("sub_member", Purpose.ACCOUNT)
        assert held
        assert [entry.reason for entry in opened] == [
            f"mail:receipt:{reference(message, held.wrapped)}"
        ]

    def test_what_was_opened_is_listed_for_its_account_and_forgotten_with_it(
        self, office: Office, cloud: Cloud
    ) -> None:
        first, second = office.write("welcome"), office.write("receipt", claim="claim_member")
        office.write("password_changed", due=office.clock.now + HOUR)
        for message in (first, second):
            office.mailer(cloud).send(message)
        assert set(office.store.of_account("acc_member")) == {first, second}
        office.store.forget("acc_member", first)
        office.store.forget("acc_member", first)
        assert (office.store.message(first), set(office.store.of_account("acc_member"))) == (
            None, {second}
        )  # fmt: skip

    def test_of_who_is_no_account_nothing_is_listed(self, office: Office, cloud: Cloud) -> None:
        office.people.members["acc_member"] = Person("active", "sub_member", id="sub_member")
        message = office.write("welcome")
        office.mailer(cloud).send(message)
        assert list(office.store.of_account("sub_member")) == []

    def test_a_sent_message_is_never_sent_again(self, office: Office, cloud: Cloud) -> None:
        message = office.write("welcome")
        mailer = office.mailer(cloud)
        mailer.send(message)
        office.clock.advance(30 * 24 * HOUR)
        assert mailer.send(message) is None
        assert mailer.sweep() == {}
        assert len(cloud.sent) == 1

    @pytest.mark.promise("PS-57")
    def test_a_fact_has_one_message(self, office: Office) -> None:
        office.write("welcome", fact="acc_1")
        with pytest.raises(ConditionFailed):
            office.write("welcome", fact="acc_1")

    def test_nothing_is_sent_before_it_is_due(self, office: Office, cloud: Cloud) -> None:
        message = office.write("welcome", due=office.clock.now + 1, account="acc_member")
        mailer = office.mailer(cloud)
        assert mailer.send(message) is None
        assert mailer.sweep() == {}
        office.clock.advance(1)
        assert mailer.sweep() == {"sent": 1}

    def test_the_sweep_sends_what_nobody_nudged(self, office: Office, cloud: Cloud) -> None:
        for fact in "abcdef":
            office.write("welcome", fact=fact)
        assert office.mailer(cloud).sweep() == {"sent": 6}
        assert len(cloud.sent) == 6

    def test_no_address_and_no_token_is_in_the_outbox(
        self, office: Office, cloud: Cloud, tables: Tables
    ) -> None:
        message = office.write("password_reset", claim="claim_member")
        office.mailer(cloud).send(message)
        token = wiring.link_key().token("link", message)
        assert token.encode() in cloud.sent[0][1].replace(b"=\r\n", b"")
        assert token not in tables.dump()
        assert "gruenwald" not in tables.dump().lower()

    @pytest.mark.parametrize("seed", range(8))
    def test_two_that_send_at_once_hand_over_once(self, office: Office, seed: int) -> None:
        message = office.write("welcome")
        turns, cloud = Turns(seed), Cloud()
        mailers = [office.mailer(cloud), office.mailer(cloud)]
        for mailer in mailers:
            database = mailer.store.table.database
            database.client = turns.client(database.client)
        results = turns.run(*(lambda mailer=mailer: mailer.send(message) for mailer in mailers))
        assert sorted(map(str, results)) == ["None", "sent"]
        assert len(cloud.sent) == 1


class TestRecipients:
    @pytest.mark.parametrize(
        ("template", "state", "expected"),
        [
            ("welcome", "unconfirmed", State.SENT),
            ("welcome", "active", State.SENT),
            ("password_reset", "unconfirmed", State.SENT),
            ("password_reset", "ending", State.NO_RECIPIENT),
            ("receipt", "unconfirmed", State.NO_RECIPIENT),
            ("welcome", "deactivated", State.NO_RECIPIENT),
            ("receipt", "deactivated", State.NO_RECIPIENT),
            ("receipt", "anything new", State.NO_RECIPIENT),
        ],
    )
    def test_mail_goes_to_the_states_that_its_template_names(
        self, office: Office, cloud: Cloud, template: str, state: str, expected: State
    ) -> None:
        office.people.members["acc_member"] = Person(state, "sub_member")
        assert office.mailer(cloud).send(office.write(template)) is expected
        assert len(cloud.sent) == (expected is State.SENT)

    def test_who_rests_gets_the_links_that_they_ask_for_and_no_other_mail(
        self, office: Office, cloud: Cloud
    ) -> None:
        office.people.members["claim_member"] = Person("deactivated", "sub_member")
        wiring.vault().commit(lambda: wiring.vault().hold("sub_member", "page:/x"))
        asked = {f"mail:{name}:" for name, kind in TEMPLATES.items() if RESTING in kind.audience}
        assert asked == set(ASKED_AT_REST)
        for template in ("password_reset", "rights_link"):
            message = office.write(template, claim="claim_member")
            assert office.mailer(cloud).send(message) is State.SENT
        assert len(cloud.sent) == 2

    def test_a_decoy_gets_no_mail(self, office: Office, cloud: Cloud) -> None:
        office.people.members["acc_member"] = Person("unconfirmed", "sub_member", decoy=True)
        assert office.mailer(cloud).send(office.write("welcome")) is State.NO_RECIPIENT

    @pytest.mark.parametrize("of", [{"account": "acc_nobody"}, {"claim": "claim_nobody"}])
    def test_where_there_is_nobody_the_message_ends(
        self, office: Office, cloud: Cloud, of: dict[str, str]
    ) -> None:
        message = office.write("password_reset", **of)
        assert office.mailer(cloud).send(message) is State.NO_RECIPIENT
        assert office.state(message) is State.NO_RECIPIENT

    @pytest.mark.promise("PS-70", "PS-83")
    @pytest.mark.parametrize("template", ["receipt", "policy_changed"])
    @pytest.mark.parametrize(
        "leave",
        [
            lambda: wiring.vault().commit(lambda: wiring.vault().hold("sub_member", "page:/x")),
            lambda: wiring.vault().erase("sub_member"),
        ],
        ids=["rests", "is erased"],
    )
    def test_nothing_goes_to_who_leaves_while_it_is_opened(
        self, office: Office, cloud: Cloud, template: str, leave: Callable[[], Any]
    ) -> None:
        def slow(**request: Any) -> Any:
            leave()
            return kept_client("kms").decrypt(**request)

        cloud.answers["decrypt"] = slow
        message = office.write(template)
        assert office.mailer(cloud).send(message) is State.NO_RECIPIENT
        assert "decrypt" in cloud.calls
        assert cloud.sent == []

    def test_nor_to_who_comes_back_from_rest_meanwhile_what_they_asked_for_at_rest(
        self, office: Office, cloud: Cloud
    ) -> None:
        vault = wiring.vault()
        office.people.members["claim_member"] = Person("deactivated", "sub_member")
        vault.commit(lambda: vault.hold("sub_member", "page:/x"))

        def slow(**request: Any) -> Any:
            vault.commit(lambda: vault.release("sub_member", "page:/x"))
            return kept_client("kms").decrypt(**request)

        cloud.answers["decrypt"] = slow
        message = office.write("password_reset", claim="claim_member")
        assert office.mailer(cloud).send(message) is State.NO_RECIPIENT
        assert cloud.sent == []

    @pytest.mark.promise("PS-70")
    def test_nothing_goes_to_the_erased(self, office: Office, cloud: Cloud) -> None:
        message = office.write("receipt")
        wiring.vault().erase("sub_member")
        assert office.mailer(cloud).send(message) is State.NO_RECIPIENT
        assert cloud.sent == []

    @pytest.mark.parametrize(
        "change",
        [
            {"email": "kim@example.com\r\nBcc: all@example.com"},
            {"email": "kim@example.com, all@example.com"},
            {"email": "<kim@example.com>"},
            {"email": "kim"},
            {"login": "kim\nBcc: all@example.com"},
            {"account_name": "A\u2028B"},
        ],
    )
    def test_what_no_header_may_hold_is_never_handed_over(
        self, office: Office, cloud: Cloud, change: dict[str, str]
    ) -> None:
        vault = wiring.vault()
        profile = PROFILE | change
        vault.commit(lambda: vault.recollect("sub_member", profile, office.clock.now, "test"))
        message = office.write("welcome")
        assert office.mailer(cloud).send(message) is State.REFUSED
        assert "send_email" not in cloud.calls


@pytest.mark.guarantee("G11")
@pytest.mark.promise("PS-70")
class TestWhatIsWritten:
    """Whoever may write a row of the outbox still cannot bring words of their own."""

    @pytest.mark.promise("PS-63")
    @pytest.mark.parametrize("template", ["announcement", "service_notice", "offer"])
    @pytest.mark.parametrize(
        "arguments",
        [
            {"title": "Half the price", "lines": ["At evil.example."], "where": "/account"},
            {"mailing": "mlg_1", "title": "Half the price"},
            {"mailing": 1},
            {},
        ],
    )
    def test_a_mailing_that_nobody_approved_is_refused(
        self, office: Office, cloud: Cloud, template: str, arguments: dict[str, Any]
    ) -> None:
        kind, now = TEMPLATES[template], office.clock.now
        row = Message("msg_x", template, kind.mail_class, "acc_member", None, arguments, now, now)
        office.store.table.apply(office.store.put(row))
        lane = kind_lane(kind)
        assert office.mailer(cloud, lane=lane).send("msg_x") is State.REFUSED
        assert cloud.sent == []
        assert "decrypt" not in cloud.calls

    @pytest.mark.promise("PS-60")
    def test_nor_does_mail_of_partners_go_as_mail_of_the_account(
        self, office: Office, cloud: Cloud
    ) -> None:
        told, now = ARGUMENTS["download_ready"], office.clock.now
        row = Message(
            "msg_x", "download_ready", MailClass.ACCOUNT, "acc_member", None, told, now, now
        )
        office.store.table.apply(office.store.put(row))
        assert office.mailer(cloud, PARTNER).send("msg_x") is State.REFUSED
        assert cloud.sent == []


def kind_lane(kind: Any) -> Lane:
    return LAWS[kind.mail_class].lane


class TestWhatIsKept:
    def row(self, office: Office, message: str) -> dict[str, Any]:
        found = office.store.table.get(f"MESSAGE#{message}", "MESSAGE")
        assert found
        return found

    def test_a_mail_to_somebody_who_rests_goes_ninety_days_after_it_ended(
        self, cloud: Cloud, office: Office
    ) -> None:
        message = office.write("welcome")
        office.people.members["acc_member"] = Person(RESTING, "sub_member")
        office.clock.advance(DAY)
        assert office.mailer(cloud).send(message) is State.NO_RECIPIENT
        assert self.row(office, message)["purge_at"] == purge_at(office.clock.now + 90 * DAY)

    @pytest.mark.promise("PS-70")
    @pytest.mark.parametrize("left", [Person("ending", "sub_member"), None])
    def test_one_to_somebody_who_was_erased_goes_at_once(
        self, cloud: Cloud, office: Office, left: Person | None
    ) -> None:
        message = office.write("welcome")
        office.people.members.pop("acc_member")
        if left:
            office.people.members["acc_member"] = left
        office.clock.advance(DAY)
        assert office.mailer(cloud).send(message) is State.NO_RECIPIENT
        assert self.row(office, message)["purge_at"] == purge_at(office.clock.now)

    def test_so_does_one_that_was_not_worth_sending_any_more(
        self, cloud: Cloud, office: Office
    ) -> None:
        message = office.write("welcome", account="acc_member", not_after=office.clock.now + DAY)
        office.clock.advance(DAY)
        assert office.mailer(cloud).send(message) is State.STALE
        assert self.row(office, message)["purge_at"] == purge_at(office.clock.now + 90 * DAY)

    def test_one_that_was_opened_stays_so_that_it_is_never_sent_again(
        self, cloud: Cloud, office: Office
    ) -> None:
        message = office.write("welcome")
        assert office.mailer(cloud).send(message) is State.SENT
        assert "purge_at" not in self.row(office, message)


class TestOutcomes:
    @pytest.mark.parametrize("problem", UNANSWERED, ids=repr)
    def test_account_mail_without_an_answer_goes_again_as_the_same_bytes(
        self, office: Office, cloud: Cloud, problem: Exception
    ) -> None:
        message = office.write("welcome")
        taken: list[bytes] = []

        def take_and_fail(**request: Any) -> Any:
            taken.append(request["Content"]["Raw"]["Data"])
            raise problem

        cloud.answers["send_email"] = take_and_fail
        assert office.mailer(cloud).send(message) is State.WAITING
        del cloud.answers["send_email"]
        assert office.mailer(cloud).send(message) is None
        office.clock.advance(pause(1))
        assert office.mailer(cloud).sweep() == {"sent": 1}
        assert [raw for _, raw in cloud.sent] == taken

    @pytest.mark.parametrize("problem", UNANSWERED, ids=repr)
    def test_optional_mail_without_an_answer_never_goes_again(
        self, office: Office, cloud: Cloud, problem: Exception
    ) -> None:
        message = office.write("download_ready", templates=OPTIONAL)
        cloud.answers["send_email"] = raising(problem)
        assert office.mailer(cloud, OPTIONAL).send(message) is State.UNKNOWN
        office.clock.advance(24 * HOUR)
        assert office.mailer(cloud, OPTIONAL).sweep() == {}
        assert cloud.calls.count("send_email") == 1

    @pytest.mark.parametrize("problem", NOT_TAKEN, ids=repr)
    @pytest.mark.parametrize("templates", [None, OPTIONAL], ids=["account", "optional"])
    def test_what_was_not_taken_waits_and_goes_later(
        self, office: Office, cloud: Cloud, problem: Exception, templates: Any
    ) -> None:
        given = {} if templates is None else {"templates": templates}
        message = office.write("download_ready", account="acc_member", **given)
        cloud.answers["send_email"] = raising(problem)
        assert office.mailer(cloud, **given).send(message) is State.WAITING
        del cloud.answers["send_email"]
        office.clock.advance(pause(1))
        assert office.mailer(cloud, **given).send(message) is State.SENT
        assert len(cloud.sent) == 1

    @pytest.mark.parametrize("problem", REFUSED, ids=repr)
    def test_refused_mail_never_goes_out(
        self, office: Office, cloud: Cloud, problem: Exception
    ) -> None:
        message = office.write("welcome")
        cloud.answers["send_email"] = raising(problem)
        assert office.mailer(cloud).send(message) is State.REFUSED
        del cloud.answers["send_email"]
        office.clock.advance(24 * HOUR)
        assert office.mailer(cloud).send(message) is None
        assert office.mailer(cloud).sweep() == {}
        assert cloud.sent == []

    def test_the_client_does_not_hand_over_twice_by_itself(self) -> None:
        assert kept_client("sesv2").meta.config.retries["total_max_attempts"] == 1

    @pytest.mark.promise("PS-76")
    def test_a_removal_stops_partner_mail_up_to_the_hand_over(
        self, office: Office, cloud: Cloud
    ) -> None:
        message = office.write("download_ready", templates=PARTNER)
        other = office.write("receipt")
        hashed = suppression_of(wiring.keyed(), "KIM.gruenwald@example.com")
        wishes, row = WishStore(office.store.table), class_row(MailClass.PARTNER)
        wishes.suppress(hashed, row, "remove", office.clock.now)
        campaigns = office.mailer(cloud, PARTNER, Lane.CAMPAIGN)
        assert campaigns.send(message) is State.REFUSED
        assert "send_email" not in cloud.calls
        assert office.mailer(cloud, PARTNER).send(other) is State.SENT

    @pytest.mark.guarantee("G8")
    def test_each_lane_hands_over_its_own_classes_alone(self, office: Office, cloud: Cloud) -> None:
        campaign = office.write("download_ready", templates=PARTNER)
        service = office.write("receipt")
        one, other = (office.mailer(cloud, PARTNER, lane) for lane in Lane)
        assert (one.send(campaign), other.send(service)) == (None, None)
        assert (one.sweep(), other.sweep()) == ({"sent": 1}, {"sent": 1})
        assert office.state(campaign) is office.state(service) is State.SENT


class TestFailing:
    def test_what_fails_for_good_ends_after_its_tries_and_is_counted(
        self, office: Office, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted: list[str] = []
        monkeypatch.setattr("chalicelib.mail.service.count", counted.append)
        message = office.write("welcome")
        mailer = office.mailer(cloud, templates={})
        for tries in range(1, MAX_TRIES + 1):
            with pytest.raises(KeyError):
                mailer.send(message)
            office.clock.advance(pause(tries))
        assert mailer.send(message) is State.FAILED
        assert counted == ["mail_failed"]
        assert mailer.sweep() == {}

    def test_pauses_grow_to_an_end(self) -> None:
        pauses = [pause(tries) for tries in range(1, MAX_TRIES + 1)]
        assert pauses[:3] == [30 * SECOND, 60 * SECOND, 120 * SECOND]
        assert pauses == sorted(pauses)
        assert pauses[-1] == 4 * HOUR

    def test_one_that_fails_does_not_hold_up_the_others(self, office: Office, cloud: Cloud) -> None:
        templates = {name: kind for name, kind in OPTIONAL.items() if name != "receipt"}
        office.write("receipt")
        office.clock.advance(1)
        office.write("welcome")
        assert office.mailer(cloud, templates).sweep() == {"error": 1, "sent": 1}

    def test_the_sweep_stops_in_time_and_the_next_goes_on(
        self, office: Office, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for fact in "abc":
            office.write("welcome", fact=fact)
        ticks = iter([0.0, 1.0, 41.0])
        with monkeypatch.context() as patch:
            patch.setattr("chalicelib.mail.service.time.monotonic", lambda: next(ticks))
            assert office.mailer(cloud).sweep() == {"sent": 1}
        assert office.mailer(cloud).sweep() == {"sent": 2}


def record(number: int, body: str) -> dict[str, Any]:
    return {
        "messageId": f"r{number}", "receiptHandle": "x", "body": body, "attributes": {},
        "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-west-1",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:mail", "md5OfBody": "",
    }  # fmt: skip


class TestBatches:
    def test_only_what_failed_stays_in_the_queue(self, office: Office, cloud: Cloud) -> None:
        good, bad = office.write("welcome"), office.write("receipt")
        templates = {name: kind for name, kind in OPTIONAL.items() if name != "receipt"}
        bodies = [json.dumps({"message": good}), "{", json.dumps({"message": bad}), "{}"]
        event = {"Records": [record(number, body) for number, body in enumerate(bodies)]}
        answer = office.mailer(cloud, templates).handle_batch(event, None)
        assert answer == {
            "batchItemFailures": [{"itemIdentifier": f"r{number}"} for number in (1, 2, 3)]
        }
        assert office.state(good) is State.SENT

    def test_a_batch_that_fails_whole_is_listed_whole(self, office: Office, cloud: Cloud) -> None:
        answer = office.mailer(cloud).handle_batch({"Records": [record(0, "[")]}, None)
        assert answer == {"batchItemFailures": [{"itemIdentifier": "r0"}]}

    def test_a_message_that_does_not_exist_is_done_with(self, office: Office, cloud: Cloud) -> None:
        event = {"Records": [record(0, json.dumps({"message": "msg_none"}))]}
        assert office.mailer(cloud).handle_batch(event, None) == {"batchItemFailures": []}

    def test_a_batch_out_of_time_leaves_the_rest_in_the_queue(
        self, office: Office, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [office.write("welcome", fact=fact) for fact in "ab"]
        event = {"Records": [record(n, json.dumps({"message": id_})) for n, id_ in enumerate(ids)]}
        ticks = iter([0.0, 1.0, 41.0])
        monkeypatch.setattr("chalicelib.mail.service.time.monotonic", lambda: next(ticks))
        answer = office.mailer(cloud).handle_batch(event, None)
        assert answer == {"batchItemFailures": [{"itemIdentifier": "r1"}]}

    def test_a_nudge_names_the_message_and_nothing_else(self, office: Office) -> None:
        wiring.outbox().nudge("msg_x")
        got = kept_client("sqs").receive_message(QueueUrl=settings().mail_queue_url)
        assert [json.loads(m["Body"]) for m in got["Messages"]] == [{"message": "msg_x"}]

    def test_a_nudge_that_fails_does_not_fail_its_caller(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outbox = wiring.outbox()
        outbox.queue = None
        outbox.nudge("msg_x")


def dying(moment: str, number: int) -> Cloud:
    return Cloud(before=number) if moment == "before" else Cloud(after=number)


def deaths(office: Office, template: str, templates: Any) -> int:
    """How many cloud calls it takes to send one message of this template."""
    cloud = Cloud()
    office.mailer(cloud, templates).send(office.write(template, "count", templates))
    return len(cloud.calls)


@pytest.mark.usefixtures("both_engines")
@pytest.mark.guarantee("G11")
@pytest.mark.guarantee("G12")
class TestDeath:
    """The process dies at each cloud call in turn, before it or after it, and a sweep follows."""

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_account_mail_arrives_once_or_as_the_same_bytes_twice(
        self, office: Office, moment: str
    ) -> None:
        total = deaths(office, "welcome", OPTIONAL)
        assert total >= 7
        for number in range(1, total + 1):
            message = office.write("welcome", f"{moment}{number}")
            first, then = dying(moment, number), Cloud()
            with pytest.raises(Died):
                office.mailer(first).send(message)
            office.clock.advance(CLAIM_LIFE)
            office.mailer(then).sweep()
            handed = [raw for _, raw in first.sent + then.sent]
            assert office.state(message) is State.SENT
            assert len(handed) in ({1, 2} if "send_email" in first.calls else {1})
            assert len(set(handed)) == 1

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_optional_mail_is_never_handed_over_twice(self, office: Office, moment: str) -> None:
        total = deaths(office, "download_ready", OPTIONAL)
        for number in range(1, total + 1):
            message = office.write("download_ready", f"{moment}{number}", OPTIONAL)
            first, then = dying(moment, number), Cloud()
            with pytest.raises(Died):
                office.mailer(first, OPTIONAL).send(message)
            office.clock.advance(CLAIM_LIFE)
            office.mailer(then, OPTIONAL).sweep()
            handed = len(first.sent + then.sent)
            marked = "transact_write_items" in first.calls[3:]
            assert handed <= 1
            assert handed == 1 or (marked and office.state(message) is State.UNKNOWN)

    def test_a_claim_is_nobody_elses_until_it_lapses(self, office: Office) -> None:
        message = office.write("welcome")
        with pytest.raises(Died):
            office.mailer(Cloud(after=1)).send(message)
        office.clock.advance(CLAIM_LIFE - 1)
        assert office.mailer(Cloud()).send(message) is None
        office.clock.advance(1)
        assert office.mailer(Cloud()).send(message) is State.SENT

    def test_one_that_comes_back_after_its_claim_lapsed_ends_nothing(
        self, office: Office, cloud: Cloud
    ) -> None:
        message = office.write("welcome")
        slow = office.store.claim(message, office.clock.now)
        assert slow
        office.clock.advance(CLAIM_LIFE)
        quick = office.store.claim(message, office.clock.now)
        assert quick
        with pytest.raises(ConditionFailed):
            office.store.end(slow, State.REFUSED, office.clock.now)
        with pytest.raises(ConditionFailed):
            office.store.give_back(slow, office.clock.now)
        office.store.end(quick, State.SENT, office.clock.now)
