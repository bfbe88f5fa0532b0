"""What people write to us, on the running cloud: heard at once, answered in time or told on."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.core.clock import DAY, MINUTE, from_text
from tests.cases.conftest import raw, verdicts
from tests.cloud.conftest import operate
from tests.cloud.people import RUN, WEB, Visitor, new_customer
from tests.cloud.program import Computer
from tests.cloud.scan import found_in
from tests.cloud.test_mail_by_morning import (
    STOP,
    go_to,
    leave_the_end_of_the_week,
    mails_of,
    next_monday,
    plan_and_send,
)

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud
    from tests.cloud.people import Customer

Item = dict[str, Any]
MACHINES = [
    "Auto-Submitted: auto-replied\r\n", "Return-Path: <>\r\n", "Precedence: list\r\n",
    "Content-Type: multipart/report; boundary=x\r\n",
]  # fmt: skip


def plain(item: Item) -> Item:
    return {name: next(iter(value.values())) for name, value in item.items()}


def items(control: Control, kind: str, table: str = "AccountsTable") -> list[Item]:
    found = map(plain, control.dump()["tables"][table]["items"])
    return [item for item in found if item.get("type") == kind]


def arrived(control: Control, mail: bytes) -> list[Item]:
    """The cases that this mail made."""
    before = {case["id"] for case in items(control, "case")}
    control.receive(mail)
    control.settle()
    return [case for case in items(control, "case") if case["id"] not in before]


def subjects(control: Control, to: str) -> list[str]:
    return [mail["subject"] for mail in control.mail(to=to)]


def address(name: str) -> str:
    return f"{name}-{secrets.token_hex(3)}@example.org"


def go_on(control: Control, milliseconds: int) -> None:
    control.advance((milliseconds + 5) / 1000)


@pytest.fixture(scope="module")
def officer(cloud: LocalCloud) -> str:
    """The address of somebody who sees to privacy."""
    email = address("officer")
    operate(
        cloud, "staff", "--name", f"officer-{RUN}", "--role", "privacy", "--email", email,
        of="infra.admin",
    )  # fmt: skip
    return email


@pytest.fixture(scope="module")
def kim(cloud: LocalCloud) -> Customer:
    return new_customer(cloud, "cases-kim")


class TestRemove:
    @pytest.mark.promise("PS-76")
    def test_a_forged_remove_ends_partner_mail_before_the_next_and_touches_no_account(
        self, cloud: LocalCloud, control: Control, kim: Customer
    ) -> None:
        before = items(control, "account")
        mail = raw("=?utf-8?q?Re:_R?= =?utf-8?q?EMOVE?=", kim.email, verdicts(dmarc="fail"))
        assert arrived(control, mail) == []
        stopped = [row for row in items(control, "suppression") if row["source"] == "remove"]
        assert [row["sk"] for row in stopped][-1:] == ["CLASS#partner"]
        assert items(control, "account") == before
        assert subjects(control, kim.email).count("You get no more material of partners") == 1
        assert arrived(control, raw("remove", kim.email)) == []
        assert subjects(control, kim.email).count("You get no more material of partners") == 1
        assert [key for key in objects(control) if key.startswith("in/")] == kept(control)

    @pytest.mark.guarantee("G12")
    @pytest.mark.promise("PS-76")
    def test_a_remove_whose_deletion_was_never_confirmed_is_one_and_its_retry_finds_it_gone(
        self, control: Control
    ) -> None:
        sender = address("unconfirmed")
        since = control.calls()[-1]["seq"]
        control.fault(
            "timeout_after_commit", function="inbound_mail", action="DeleteObject", times=3
        )
        assert arrived(control, raw("REMOVE", sender, verdicts("example.org"))) == []
        control.clear_faults()
        go_on(control, MINUTE)
        control.settle()
        made = [call["action"] for call in control.calls(since, "inbound_mail")]
        assert made.count("DeleteObject") == 3
        assert made[-1] == "GetObject"
        assert subjects(control, sender) == ["You get no more material of partners"]
        assert [key for key in objects(control) if key.startswith("in/")] == kept(control)

    @pytest.mark.promise("PS-76")
    def test_a_forged_remove_in_a_stranger_s_name_has_nobody_written_to(
        self, control: Control
    ) -> None:
        sender = address("victim")
        before = len(items(control, "suppression"))
        forged = verdicts("example.org", dmarc="fail")
        assert arrived(control, raw("REMOVE", sender, forged)) == []
        assert len(items(control, "suppression")) == before + 1
        assert control.mail(to=sender) == []

    @pytest.mark.parametrize("above", MACHINES)
    def test_a_machine_gets_no_answer(self, control: Control, above: str) -> None:
        sender = address("machine")
        assert arrived(control, raw("REMOVE", sender, above)) == []
        (case,) = arrived(control, raw("Out of office", sender, above))
        assert case["state"] == "open"
        control.run("case_sweep")
        control.settle()
        assert control.mail(to=sender) == []

    def test_a_token_of_nobody_s_is_read_by_somebody(self, control: Control) -> None:
        (case,) = arrived(control, raw(f"unsubscribe {secrets.token_urlsafe(32)}", address("x")))
        assert case["kind"] == "support"

    def test_mail_that_a_mail_program_wrote_ends_what_its_token_says(
        self, cloud: LocalCloud, control: Control, halyard: dict[str, Any]
    ) -> None:
        leave_the_end_of_the_week(control)
        customer = new_customer(cloud, "cases-notices")
        customer.buy()
        control.run("mail_planner")
        computer = Computer(cloud, halyard["id"])
        computer.sign_in(customer)
        lease = computer.launch("cases-launch")["lease"]
        control.advance(120)
        computer.end(lease)
        control.run("license_sweep")
        go_to(control, next_monday(control))
        plan_and_send(control)
        (mail,) = mails_of(customer, "Your usage")
        found = STOP.search(mail["headers"]["List-Unsubscribe"])
        assert found
        token = found[1].rpartition("/")[2]
        assert arrived(control, raw(f"unsubscribe {token}", customer.email)) == []
        assert "Weekly summary" in customer.open("/account/notices").text
        chosen = {row["pk"]: row.get("topics_off") for row in items(control, "notices")}
        (account,) = [pk.partition("#")[2] for pk, off in chosen.items() if off]
        assert chosen[f"NOTICES#{account}"] == ["usage_summary"]
        assert account in {row["account"] for row in items(control, "unsubscribe")}
        customer.open("/account/privacy/erase")
        customer.browser.submit(
            "/account/privacy/erase", hours="1", password=customer.fields["password"]
        )
        control.advance(3_700)
        control.run("erasure_sweep")
        assert account not in {row.get("account") for row in items(control, "unsubscribe")}


def objects(control: Control) -> list[str]:
    return list(control.dump()["buckets"]["MailBucket"]["keys"])


def kept(control: Control) -> list[str]:
    """The objects that some case still needs, and nothing else, are in the bucket."""
    named = {case.get("object") for case in items(control, "case")}
    return [key for key in objects(control) if key in named]


class TestRequests:
    @pytest.mark.promise("PS-72")
    def test_a_proven_request_brings_a_link_and_a_forged_one_does_not(
        self, control: Control, kim: Customer
    ) -> None:
        forged = raw("Delete my account", kim.email, verdicts("example.org", dmarc="fail"))
        (case,) = arrived(control, forged)
        assert case["kind"] == "data"
        assert "Correct or remove your data" not in subjects(control, kim.email)
        (case,) = arrived(control, raw("Delete my account", kim.email, verdicts("example.org")))
        assert subjects(control, kim.email).count("Correct or remove your data") == 1
        (mail,) = [m for m in kim.mails() if m["subject"] == "Correct or remove your data"]
        assert "/rights/" in mail["text"]

    @pytest.mark.promise("PS-72")
    def test_its_link_corrects_the_details_without_a_password_and_once(
        self, cloud: LocalCloud, control: Control
    ) -> None:
        asker = new_customer(cloud, "cases-correct")
        arrived(control, raw("Correct my data", asker.email, verdicts("example.org")))
        (mail,) = [m for m in asker.mails() if m["subject"] == "Correct or remove your data"]
        link = next(word for word in mail["text"].split() if "/rights/" in word)
        reader = Visitor(cloud.app)
        reader.open(link)
        path = f"/rights/{link.rpartition('/')[2]}"
        shown = reader.submit(f"{path}/details")
        assert shown.status == 200, shown.text
        done = reader.submit(f"{path}/correct", city="Ballina")
        assert "Your details are corrected" in done.text
        assert 'value="Ballina"' in asker.open("/account/setup").html
        assert reader.open(link).status == 404

    @pytest.mark.promise("PS-56")
    def test_a_question_on_security_is_a_case_and_acknowledged(self, control: Control) -> None:
        sender = address("sam")
        (case,) = arrived(control, raw("A question on your security", sender, body="zq7secret"))
        assert case["kind"] == "security"
        (mail,) = control.mail(to=sender)
        assert mail["subject"] == "We have your message"
        assert mail["headers"]["Auto-Submitted"] == "auto-generated"
        assert "zq7secret" not in mail["raw"]
        assert case["id"] in mail["text"]

    @pytest.mark.promise("PS-09")
    @pytest.mark.parametrize(("above", "told"), [("", 1), (verdicts(dmarc="fail"), 0)])
    def test_mail_in_somebody_s_name_has_hardly_anything_sent_there(
        self, control: Control, above: str, told: int
    ) -> None:
        sender = address("victim")
        made = [arrived(control, raw(f"A complaint {n}", sender, above))[0] for n in range(4)]
        assert [case["state"] for case in made].count("acknowledged") == told
        assert len(control.mail(to=sender)) == told
        go_on(control, DAY)
        control.run("case_sweep")
        control.settle()
        assert len(control.mail(to=sender)) == told

    @pytest.mark.promise("PS-67")
    def test_the_form_answers_alike_however_often_an_address_wrote(
        self, cloud: LocalCloud, control: Control
    ) -> None:
        visitor, sender = Visitor(cloud.app), address("busy")
        before = len(items(control, "case"))
        pages = []
        for number in range(7):
            visitor.open(f"{cloud.app}/contact")
            pages += [
                visitor.submit(
                    "/contact", about="support", email=sender, message=f"number {number}"
                )
            ]
            control.settle()
        assert {page.status for page in pages} == {200}
        assert len({page.text for page in pages}) == 1
        assert len(items(control, "case")) - before == 7
        assert len(control.mail(to=sender)) == 5
        go_on(control, DAY)
        control.run("case_sweep")
        control.settle()
        assert len(control.mail(to=sender)) == 5

    @pytest.mark.promise("PS-67")
    def test_the_form_works_without_an_account_and_says_until_when(
        self, cloud: LocalCloud, control: Control
    ) -> None:
        visitor, sender = Visitor(cloud.app), address("zq7canaryc")
        visitor.open(f"{cloud.app}/contact")
        page = visitor.submit(
            "/contact", about="concern", email=sender, phone="+49 30 7777 123", message="zq7 words"
        )
        assert (page.status, page.path) == (200, "/contact")
        assert "answers by" in page.text
        control.settle()
        (mail,) = control.mail(to=sender)
        assert "zq7 words" not in mail["raw"]
        told = [control.dump(), control.logs(), control.queues(), control.requests()]
        assert found_in(told, ["zq7canaryc", "7777 123", "zq7 words"]) == []

    def test_who_is_signed_in_finds_the_form_filled_in(
        self, cloud: LocalCloud, kim: Customer
    ) -> None:
        page = kim.browser.fetch(f"{cloud.app}/contact?about=data").text
        assert f'value="{kim.email}"' in page
        assert '<option value="data" selected>' in page


class TestInTime:
    @pytest.mark.promise("PS-09")
    def test_what_nobody_answers_is_told_to_those_who_see_to_privacy(
        self, cloud: LocalCloud, control: Control, officer: str
    ) -> None:
        (concern,) = arrived(control, raw("A complaint about privacy", address("ann")))
        (data,) = arrived(control, raw("Please correct my street", address("bob")))
        closed = arrived(control, raw("A complaint about privacy", address("cid")))[0]
        operate(cloud, "case-close", "--case", closed["id"], of="infra.admin")
        written = operate(cloud, "case", "--case", concern["id"], of="infra.admin")
        assert written["written"]["email"].startswith("ann-")

        def told(kind: str, case: Item) -> int:
            control.run("case_sweep")
            control.settle()
            mails = control.mail(to=officer)
            return len([m for m in mails if kind in m["subject"] and case["id"] in m["subject"]])

        assert (told("waits", data), told("overdue", concern)) == (0, 0)
        go_on(control, int(concern["due_at"]) - from_text(control.now()))
        assert (told("overdue", concern), told("overdue", closed)) == (1, 0)
        assert told("waits", data) == 0
        go_on(control, 21 * DAY - 14 * DAY)
        assert (told("waits", data), told("overdue", concern)) == (1, 1)

    @pytest.mark.promise("PS-09")
    def test_what_the_day_s_limit_held_back_is_acknowledged_on_the_next(
        self, control: Control
    ) -> None:
        sender, above = address("often"), verdicts("example.org")
        made = [arrived(control, raw(f"Help {n}", sender, above))[0] for n in range(6)]
        assert [case["state"] for case in made] == ["acknowledged"] * 5 + ["open"]
        assert len(control.mail(to=sender)) == 5
        go_on(control, DAY)
        for _ in range(2):
            control.run("case_sweep")
            control.settle()
            assert len(control.mail(to=sender)) == 6

    @pytest.mark.promise("PS-53")
    def test_those_who_work_here_are_reminded_once_a_quarter(
        self, control: Control, officer: str
    ) -> None:
        def reminded() -> int:
            control.run("staff_reminders")
            control.settle()
            return subjects(control, officer).count("Privacy at Cetrus: what you can do for it")

        before = reminded()
        assert before == reminded() == 1
        go_on(control, 93 * DAY)
        assert reminded() == reminded() == 2
        mail = control.mail(to=officer)[-1]
        assert "answer each case before it is due" in mail["text"]

    def test_who_left_is_written_to_no_more(self, cloud: LocalCloud, control: Control) -> None:
        email, name = address("leaver"), f"leaver-{RUN}"
        staff = ("--name", name, "--role", "service", "--email", email)
        operate(cloud, "staff", *staff, of="infra.admin")
        operate(cloud, "staff-end", "--name", name, of="infra.admin")
        go_on(control, 93 * DAY)
        control.run("staff_reminders")
        control.settle()
        assert control.mail(to=email) == []


def test_the_contact_page_answers_a_program_with_a_problem(cloud: LocalCloud) -> None:
    answer = WEB.post(f"{cloud.app}/contact", headers={"accept": "application/json"})
    assert 400 <= answer.status_code < 500
