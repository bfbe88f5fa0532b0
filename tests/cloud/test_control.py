"""The control surface as section 6 of the design lists it, and what a run keeps for the next."""

from __future__ import annotations

import json
import re
import socket
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.front.run import DidNotStart, LocalCloud
from tests.cloud.people import WEB, Visitor, new_customer, profile, send_registration
from tests.cloud.program import Computer, claims_of, published_keys, verified

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from infra.local.front.client import Control

Json = dict[str, Any]
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def get(cloud: LocalCloud, path: str) -> Any:
    answer = WEB.get(f"{cloud.app}/_local{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(cloud: LocalCloud, path: str, body: Any = None) -> httpx.Response:
    return WEB.post(f"{cloud.app}/_local{path}", json=body)


class TestSurface:
    def test_a_page_shows_inbox_clock_schedules_links_and_seed(self, cloud: LocalCloud) -> None:
        cloud.control.settle()  # the seeded customer's own welcome
        page = WEB.get(f"{cloud.app}/_local/").text
        seed = cloud.control.seed()
        for shown in (
            "mail_sweep", cloud.processor, seed["sign_ins"][0]["login"],
            seed["applications"][0]["name"], seed["vendors"][0]["name"],
            cloud.control.mail()[-1]["subject"],
        ):  # fmt: skip
            assert shown in page

    def test_the_seed_has_everything_that_an_outside_test_starts_from(
        self, cloud: LocalCloud
    ) -> None:
        seed = get(cloud, "/seed")
        assert {
            "urls", "sign_ins", "tokens", "vendors", "applications", "plans", "functions",
        } <= set(seed)  # fmt: skip
        assert set(seed["urls"]) == {"app", "s3", "processor"}
        person = seed["sign_ins"][0]
        assert set(person) == {"role", "login", "password"}
        visitor = Visitor(cloud.app)
        visitor.open(f"{cloud.app}/login")
        page = visitor.submit("/login", login=person["login"], password=person["password"])
        assert page.path == "/account"
        token = seed["tokens"][0]["token"]
        answer = WEB.get(
            f"{cloud.app}/v1/vendor/applications", headers={"authorization": f"Bearer {token}"}
        )
        assert {item["id"] for item in answer.json()["items"]} == {
            application["id"] for application in seed["applications"]
        }

    def test_mail_is_listed_whole_and_by_recipient(self, cloud: LocalCloud) -> None:
        fields = profile("control-mail")
        send_registration(cloud, Visitor(cloud.app), fields)
        cloud.control.settle()
        (mail,) = get(cloud, f"/mail?to={fields['email']}")
        assert {
            "to", "from", "subject", "class", "headers", "text", "html", "raw", "at",
        } <= set(mail)  # fmt: skip
        assert (mail["to"], mail["class"]) == (fields["email"], "account")
        assert mail["headers"]["X-SES-MESSAGE-TAGS"] == "class=account"
        assert ISO.fullmatch(mail["at"])
        assert mail in get(cloud, "/mail")
        assert get(cloud, "/mail?to=nobody@example.org") == []

    def test_inbound_mail_becomes_a_case(self, cloud: LocalCloud) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "a@example.org", "support@cetrus.test", "Help"
        mail.set_content("Please help.")
        before = items_of_type(cloud, "case")
        answer = WEB.post(f"{cloud.app}/_local/mail", content=mail.as_bytes())
        assert answer.status_code < 300
        cloud.control.settle()
        fresh = [case for case in items_of_type(cloud, "case") if case not in before]
        assert len(fresh) == 1

    def test_the_clock_stands_goes_and_moves_by_fractions(self, cloud: LocalCloud) -> None:
        before = instant(get(cloud, "/clock")["now"])
        assert get(cloud, "/clock")["now"] == get(cloud, "/clock")["now"]
        moved = post(cloud, "/clock", {"advance": 0.125}).json()["now"]
        assert instant(moved) - before == timedelta(seconds=0.125)
        assert instant(get(cloud, "/clock")["now"]) == instant(moved)
        try:
            post(cloud, "/clock", {"freeze": False})
            first = instant(get(cloud, "/clock")["now"])
            assert instant(get(cloud, "/clock")["now"]) > first
        finally:
            stopped = instant(post(cloud, "/clock", {"freeze": True}).json()["now"])
        assert instant(get(cloud, "/clock")["now"]) == stopped
        assert post(cloud, "/clock", {"advance": -1}).status_code == 400

    def test_functions_follow_the_clock(self, cloud: LocalCloud) -> None:
        customer = new_customer(cloud, "control-clock")
        assert customer.open("/account").path == "/account"
        cloud.control.advance(30 * 24 * 3600 + 1)
        assert customer.open("/account").path == "/login"

    def test_a_scheduled_function_runs_now_and_another_is_refused(self, cloud: LocalCloud) -> None:
        since = len(cloud.control.calls())
        assert post(cloud, "/run/license_sweep").status_code == 200
        assert {row["function"] for row in cloud.control.calls(since)} == {"license_sweep"}
        assert post(cloud, "/run/api_handler").status_code == 400
        assert post(cloud, "/run/mail_sender").status_code == 400
        assert post(cloud, "/run/nope").status_code == 404

    def test_settle_leaves_nothing_to_do(self, cloud: LocalCloud) -> None:
        send_registration(cloud, Visitor(cloud.app), profile("control-settle"))
        assert post(cloud, "/settle").status_code == 200
        queues = get(cloud, "/queues")
        assert {"MailQueue", "MailDlq", "PaymentsQueue", "PaymentsDlq"} <= set(queues)
        assert all(not queue["messages"] for queue in queues.values())

    def test_the_dump_has_every_item_and_object_key(self, cloud: LocalCloud) -> None:
        dump = get(cloud, "/dump")
        assert set(dump["tables"]) == {"AccountsTable", "UsageTable", "KeysTable"}
        for table in dump["tables"].values():
            assert table["items"]
            odd = [i["pk"] for i in table["items"] if not {"pk", "sk", "type", "v"} <= set(i)]
            assert odd == []
        key = dump["buckets"]["InstallersBucket"]["keys"][0]
        assert len(cloud.control.object("InstallersBucket", key)) > 100
        assert WEB.get(f"{cloud.app}/_local/objects/InstallersBucket/nope").status_code == 404

    def test_logs_say_who_wrote_them(self, cloud: LocalCloud) -> None:
        WEB.post(f"{cloud.app}/webhooks/stripe", json={"id": "evt_forged"})
        lines = get(cloud, "/logs")
        assert lines
        assert all({"at", "function", "line"} <= set(line) for line in lines)

    def test_outgoing_requests_are_listed_and_go_to_the_processor_alone(
        self, cloud: LocalCloud
    ) -> None:
        customer = new_customer(cloud, "control-requests")
        customer.order()
        requests = get(cloud, "/requests")
        assert requests
        for request in requests:
            assert {"at", "function", "method", "url", "headers", "body"} <= set(request)
            assert request["url"].startswith(cloud.processor)

    def test_calls_name_function_action_table_and_units(self, cloud: LocalCloud) -> None:
        since = get(cloud, "/calls")[-1]["seq"]
        visitor = Visitor(cloud.app)
        visitor.open(f"{cloud.app}/login")
        visitor.submit("/login", login="nobody", password="a wrong password")
        rows = get(cloud, f"/calls?since={since}&function=api_handler")
        assert [row["seq"] for row in rows] == sorted({row["seq"] for row in rows})
        assert rows[0]["seq"] > since
        assert all(
            set(row) == {"seq", "at", "function", "service", "action", "table", "units"}
            for row in rows
        )
        assert [row["service"] for row in rows].count("argon2") == 1
        assert any(row["action"] == "UpdateItem" and row["units"] == 1 for row in rows)
        assert get(cloud, f"/calls?since={since}&function=payment_sweep") == []

    def test_schedules_are_manual_or_automatic(self, cloud: LocalCloud) -> None:
        assert post(cloud, "/schedules", {"mode": "sometimes"}).status_code == 400
        assert post(cloud, "/schedules", {"mode": "manual"}).status_code == 200
        since = len(cloud.control.calls())
        cloud.control.advance(3600)
        scheduled = {row["function"] for row in get(cloud, "/schedules")["schedules"]}
        assert [r for r in cloud.control.calls(since) if r["function"] in scheduled] == []

    @pytest.mark.parametrize(
        ("kind", "status", "done"),
        [
            ("fail", 503, False), ("throttle", 303, True), ("conflict", 303, True),
            ("timeout_after_commit", 303, True), ("kill", 502, False),
        ],
    )  # fmt: skip
    def test_a_fault_strikes_the_nth_matching_call(
        self, cloud: LocalCloud, control: Control, kind: str, status: int, done: bool
    ) -> None:
        """botocore tries again what was throttled or not answered; the rest is the app's."""
        fields = profile(f"control-{kind.partition('_')[0]}")
        visitor = Visitor(cloud.app)
        visitor.open(f"{cloud.app}/register")
        control.fault(
            kind, service="dynamodb", action="TransactWriteItems", function="api_handler", nth=1
        )
        visitor.submit("/register", **fields)
        assert visitor.page
        seen = visitor.page.status if visitor.page.path == "/register" else 303
        assert seen == status
        visitor.open(f"{cloud.app}/login")
        page = visitor.submit("/login", login=fields["login"], password=fields["password"])
        assert page.status == (403 if done else 401)  # not confirmed, or not known at all

    def test_faults_are_cleared_and_bad_ones_refused(self, cloud: LocalCloud) -> None:
        for bad in ({"kind": "explode"}, {"kind": "kill", "nth": 0}, {"kind": "kill", "x": 1}):
            assert post(cloud, "/faults", bad).status_code == 400
        assert post(cloud, "/faults", {"kind": "fail", "function": "api_handler"}).is_success
        assert WEB.delete(f"{cloud.app}/_local/faults").status_code == 200
        assert WEB.get(f"{cloud.app}/apps").status_code == 200

    def test_the_processor_lists_controls_secrets_and_raw_deliveries(
        self, cloud: LocalCloud
    ) -> None:
        shown = WEB.get(f"{cloud.processor}/_sim/", headers={"accept": "application/json"}).json()
        paths = {(control["method"], control["path"]) for control in shown["controls"]}
        assert {
            ("POST", "/_sim/hostility"), ("GET", "/_sim/deliveries"), ("POST", "/_sim/deliver"),
            ("POST", "/_sim/complete"), ("POST", "/_sim/disputes"), ("GET", "/_sim/webhooks"),
        } <= paths  # fmt: skip
        secrets = WEB.get(f"{cloud.processor}/_sim/webhooks").json()["endpoints"][0]["secrets"]
        assert all(secret.startswith("whsec_") for secret in secrets)


def items_of_type(cloud: LocalCloud, kind: str) -> list[Json]:
    tables = cloud.control.dump()["tables"].values()
    return [i for table in tables for i in table["items"] if i.get("type") == {"S": kind}]


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A cloud of our own, beside the other: it may be stopped, killed and left to its schedules."""
    made = LocalCloud(data=tmp_path_factory.mktemp("second") / "data")
    try:
        yield made.start()
    finally:
        made.stop()


class TestRuns:
    """In order: each test goes on with what the one before left."""

    def test_two_clouds_side_by_side_share_nothing(
        self, cloud: LocalCloud, second: LocalCloud
    ) -> None:
        assert len({cloud.app, second.app, cloud.s3, second.s3}) == 4
        assert second.control.seed()["applications"] != cloud.control.seed()["applications"]
        assert instant(second.control.now()) < instant(cloud.control.now())
        customer = new_customer(cloud, "control-here")
        visitor = Visitor(second.app)
        visitor.cookies = customer.browser.cookies
        assert visitor.open(f"{second.app}/account").path == "/login"

    def test_schedules_run_once_each_in_order_at_their_own_due_times(
        self, second: LocalCloud
    ) -> None:
        control = second.control
        control.freeze()
        rows = get(second, "/schedules")["schedules"]
        since = len(control.calls())
        start = instant(control.now())
        planned = {row["function"]: instant(row["due"]) for row in rows}
        assert planned.keys() >= {"mail_sweep", "license_sweep", "payment_sweep", "visit_sweep"}
        due = {name: at for name, at in planned.items() if at <= start + timedelta(seconds=900)}
        control.advance(900)
        late = instant(control.now()) - start - timedelta(seconds=900)
        assert abs(late) < timedelta(milliseconds=1)  # seconds travel as a JSON number
        ran = [
            (row["function"], instant(row["at"]))
            for row in control.calls(since)
            if row["function"] in planned  # and not what a queue was told by them
        ]
        first = dict(reversed(ran))
        assert first == due
        assert [at for _, at in ran] == sorted(at for _, at in ran)
        assert {at for function, at in ran if function == "mail_sweep"} == {due["mail_sweep"]}

    def test_schedules_run_by_themselves_until_they_are_told_not_to(
        self, second: LocalCloud
    ) -> None:
        control = second.control
        visitor, fields = Visitor(second.app), profile("control-automatic")
        control.fault("fail", service="sqs", action="SendMessage", function="api_handler")
        send_registration(second, visitor, fields)
        control.clear_faults()
        assert control.mail(to=fields["email"]) == []
        control.advance(61)
        assert len(control.mail(to=fields["email"])) == 1
        control.schedules("manual")

    def test_a_restart_keeps_sessions_licenses_sealed_profiles_mail_and_keys(
        self, second: LocalCloud
    ) -> None:
        customer = new_customer(second, "control-kept", company="Kept Company")
        customer.buy()
        second.control.settle()
        computer = Computer(second, second.control.seed()["applications"][0]["id"])
        computer.sign_in(customer)
        started = computer.launch("kept-1")
        keys, subjects = published_keys(second), customer.subjects()
        now, urls = second.control.now(), second.control.seed()["urls"]

        second.stop()
        second.start()

        assert second.control.seed()["urls"] == urls
        assert instant(second.control.now()) >= instant(now)
        assert published_keys(second) == keys
        assert customer.subjects() == subjects
        page = customer.open("/account/setup")
        assert page.path == "/account/setup"
        assert "Kept Company" in page.html
        assert "for Linux" in customer.open("/account/downloads").html
        shown = computer.shown(started["lease"], started["screen"])
        renewed = computer.beat(started["lease"], 1, shown)
        assert renewed["valid"]
        assert computer.check()["valid"]
        assert verified(renewed["lease"], keys, "lease+jwt")["launch_id"] == "kept-1"

    def test_a_power_cut_loses_nothing_that_was_acknowledged(self, second: LocalCloud) -> None:
        second.control.freeze()
        customer = new_customer(second, "control-cut")
        order = customer.order()
        WEB.post(f"{second.processor}/_sim/complete", json={"session": order})
        waiting = profile("control-waiting")
        send_registration(second, Visitor(second.app), waiting)

        second.kill()
        second.start()
        second.control.schedules("manual")
        second.control.freeze()

        second.control.settle()
        second.control.advance(3600)
        second.control.run("payment_sweep")
        second.control.settle()
        assert "for Linux" in customer.open("/account/downloads").html
        assert len(second.control.mail(to=waiting["email"])) == 1
        computer = Computer(second, second.control.seed()["applications"][0]["id"])
        computer.sign_in(customer)
        launched = computer.launch("cut-1")["lease"]

        second.kill()
        second.start()
        second.control.schedules("manual")

        again = computer.launch("cut-1")
        assert claims_of(again["lease"])["jti"] == claims_of(launched)["jti"]
        shown = computer.shown(again["lease"], again["screen"])
        assert computer.beat(again["lease"], 1, shown)["valid"]


class TestInTheWay:
    """One clear line each."""

    def test_a_port_that_is_taken(self, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            assert str(port) in said(LocalCloud(data=tmp_path / "data", port=port))

    def test_a_folder_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "letter.txt").write_text("not ours")
        assert "not a data folder of Cetrus" in said(LocalCloud(data=tmp_path))

    def test_a_folder_of_another_version(self, tmp_path: Path) -> None:
        (tmp_path / ".cetrus").write_text("0")
        assert "another version" in said(LocalCloud(data=tmp_path))

    def test_a_folder_whose_facts_are_damaged(self, tmp_path: Path) -> None:
        (tmp_path / ".cetrus").write_text("1")
        (tmp_path / "ports.json").write_text("{")
        assert "cannot be read" in said(LocalCloud(data=tmp_path))

    def test_a_folder_that_another_run_holds(self, cloud: LocalCloud) -> None:
        assert "in use by another run" in said(LocalCloud(data=cloud.data))
        assert json.loads((cloud.data / "running.json").read_text())["urls"]["app"] == cloud.app


def said(cloud: LocalCloud) -> str:
    """The one line with which it did not start."""
    with pytest.raises(DidNotStart) as refused:
        cloud.start()
    (line,) = str(refused.value).splitlines()
    return line
