"""G12 on the running cloud: each use case is killed at every cloud call, and nothing comes of it.

`nth` goes up until the fault no longer strikes; each death has a registrant, an order or a launch
of its own, so that one look at the end can judge them all: nothing lost, nothing doubled.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import (
    CARD,
    WEB,
    Customer,
    Visitor,
    confirm,
    new_customer,
    profile,
    send_registration,
)
from tests.cloud.program import Computer, claims_of, ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
MOST = 40
API = "api_handler"
pytestmark = pytest.mark.guarantee("G12")


def at_every_call(control: Control, function: str, act: Callable[[int], bool]) -> int:
    """Run `act(n)`, which sets the fault at call `n`, until it answers that nothing struck.

    How many times it was struck.
    """
    for nth in range(1, MOST):
        unharmed = act(nth)
        control.clear_faults()
        if unharmed:
            return nth - 1
    raise AssertionError(f"{function} made more than {MOST} calls")


def items(cloud: LocalCloud, table: str, kind: str) -> list[Json]:
    """Every item of a type, with plain values."""
    found = cloud.control.dump()["tables"][table]["items"]
    plain = [{name: next(iter(value.values())) for name, value in item.items()} for item in found]
    return [item for item in plain if item["type"] == kind]


def waiting(control: Control, queue: str) -> int:
    """Messages of a queue, those included that a dead worker took and nobody sees for now."""
    return len(control.queues()[queue]["messages"])


def sweeps(control: Control) -> None:
    """The next run of each schedule, after every claim and every hidden message has lapsed."""
    for _ in range(2):
        control.settle()
        control.advance(3600)
        for function in ("payment_sweep", "license_sweep", "mail_sweep"):
            control.run(function)
    control.settle()


def mails_of(control: Control, email: str) -> list[Json]:
    """One of each Message-ID: a hand-over whose outcome was unknown may have come twice."""
    return list({mail["headers"]["Message-ID"]: mail for mail in control.mail(to=email)}.values())


class TestRegistration:
    @pytest.mark.promise("PS-57")
    def test_killed_anywhere_it_ends_in_one_account_and_one_welcome(
        self, cloud: LocalCloud, control: Control
    ) -> None:
        people: list[tuple[Visitor, dict[str, str]]] = []

        def register(nth: int) -> bool:
            visitor, fields = Visitor(cloud.app), profile(f"death-register-{nth}")
            people.append((visitor, fields))
            visitor.open(f"{cloud.app}/register")
            control.fault("kill", function=API, nth=nth)
            struck = visitor.submit("/register", **fields).status == 502
            control.clear_faults()
            if struck:
                again = send_registration(cloud, visitor, fields)
                assert again.path == "/register/sent", again.text
            return not struck

        before = Counter(item["type"] for item in items_of_all(cloud))
        deaths = at_every_call(control, API, register)
        assert deaths >= 7
        sweeps(control)
        for _, fields in people:
            assert [mail["class"] for mail in control.mail(to=fields["email"])] == ["account"]
        after = Counter(item["type"] for item in items_of_all(cloud))
        made = {kind: after[kind] - before[kind] for kind in ("account", "email_claim", "message")}
        assert set(made.values()) == {len(people)}
        assert after["login_claim"] - before["login_claim"] == len(people)
        visitor, fields = people[-2]
        assert confirm(cloud, visitor, fields).path == "/account"


def items_of_all(cloud: LocalCloud) -> list[Json]:
    tables = cloud.control.dump()["tables"]
    return [{"type": item["type"]["S"]} for table in tables.values() for item in table["items"]]


@pytest.fixture(scope="module")
def buyer(cloud: LocalCloud) -> Customer:
    """Buys one plan of the stock after the other."""
    return new_customer(cloud, "death-buyer")


class TestFulfillment:
    def complete(self, cloud: LocalCloud, checkout: str) -> None:
        answer = ok(WEB.post(f"{cloud.processor}/_sim/complete", json={"session": checkout}))
        assert answer["completed"], answer

    def deliver_completion(self, cloud: LocalCloud) -> None:
        """Send the newest event that is held back, which says that the checkout is complete."""
        held = ok(WEB.get(f"{cloud.processor}/_sim/deliveries"))["waiting"]
        sent = WEB.post(f"{cloud.processor}/_sim/deliver", json={"event": held[-1]["event"]})
        (delivery,) = ok(sent)["deliveries"]
        assert json.loads(delivery["body"])["type"] == "checkout.session.completed"
        assert delivery["status"] == 200

    def judge(self, cloud: LocalCloud, buyer: Customer, orders: int) -> None:
        """As many of everything as there were orders, each with its own ground."""
        sweeps(cloud.control)
        account = account_of(cloud, buyer)
        mine = [o for o in items(cloud, "AccountsTable", "order") if o["account_id"] == account]
        assert [order["state"] for order in mine] == ["paid"] * orders
        licenses = {order["license_id"] for order in mine}
        owned = [o for o in items(cloud, "AccountsTable", "ownership") if o["account"] == account]
        heads = [h for h in items(cloud, "UsageTable", "license") if h["account"] == account]
        assert len(licenses) == len(owned) == len(heads) == orders
        assert {o["license"] for o in owned} == licenses
        assert len({o["ground"] for o in owned}) == orders
        subjects = Counter(mail["subject"].split()[0] for mail in buyer.mails())
        assert subjects == {"Welcome": 1, "Sextant": orders, "Your": orders}

    def test_killed_anywhere_in_worker_and_return_each_order_has_one_license(
        self, cloud: LocalCloud, control: Control, buyer: Customer, stock: Json
    ) -> None:
        slug, plans = stock["application"]["slug"], iter(stock["plans"])
        hold_back = {"delay_s": 30, "seed": 1}
        WEB.post(f"{cloud.processor}/_sim/hostility", json=hold_back)

        def by_the_return(nth: int) -> bool:
            """The person comes back before any webhook: the page itself fulfills."""
            buyer.order(slug, next(plans))
            control.fault("kill", function=API, nth=nth)
            page = buyer.browser.submit("/c/pay/", **CARD)
            return page.status != 502

        returns = at_every_call(control, API, by_the_return)
        assert returns >= 5

        def by_the_worker(nth: int) -> bool:
            """Nobody comes back, and the webhook's worker dies."""
            checkout = buyer.order(slug, next(plans))
            self.complete(cloud, checkout)
            left = waiting(control, "PaymentsQueue")
            control.fault("kill", function="payment_worker", nth=nth)
            self.deliver_completion(cloud)
            control.settle()
            return waiting(control, "PaymentsQueue") == left

        deaths = at_every_call(control, "payment_worker", by_the_worker)
        WEB.delete(f"{cloud.processor}/_sim/hostility")
        assert deaths >= 6
        self.judge(cloud, buyer, returns + 1 + deaths + 1)


def account_of(cloud: LocalCloud, customer: Customer) -> str:
    """The account of the newest order that this customer's page lists."""
    order = customer.open("/orders").link("/orders/ord_").rpartition("/")[2]
    pointers = items(cloud, "AccountsTable", "order_pointer")
    (account,) = [p["account_id"] for p in pointers if p["pk"] == f"ORDER#{order}"]
    return str(account)


@pytest.fixture(scope="module")
def customer(cloud: LocalCloud) -> Customer:
    made = new_customer(cloud, "death-user")
    made.buy()
    cloud.control.settle()
    return made


@pytest.fixture
def computer(cloud: LocalCloud, customer: Customer, halyard: Json) -> Computer:
    made = Computer(cloud, halyard["id"])
    made.sign_in(customer)
    return made


class TestLaunchAndEnd:
    def test_killed_anywhere_a_launch_is_one_lease_and_its_end_one_interval(
        self, cloud: LocalCloud, control: Control, computer: Computer
    ) -> None:
        leases: list[str] = []

        def launch(nth: int) -> bool:
            control.fault("kill", function=API, nth=nth)
            answer = computer.ask_to_launch(f"death-{nth}")
            control.clear_faults()
            first = computer.launch(f"death-{nth}")
            leases.append(first["lease"])
            if answer.status_code == 200:
                assert claims_of(answer.json()["lease"]) == claims_of(first["lease"])
            return answer.status_code != 502

        assert at_every_call(control, API, launch) >= 2
        license_id = claims_of(leases[0])["license"]
        assert len({claims_of(lease)["jti"] for lease in leases}) == len(leases)
        launched = [
            row for row in items(cloud, "UsageTable", "launch") if row["pk"].count(license_id)
        ]
        assert len([row for row in launched if "death-" in row["pk"]]) == len(leases)

        control.advance(60)
        receipts: list[Json] = []

        def end(nth: int) -> bool:
            lease = leases[nth - 1]
            control.fault("kill", function=API, nth=nth)
            answer = computer.of_lease(lease, "end", {"lease": lease})
            control.clear_faults()
            control.advance(1)
            receipt = claims_of(computer.end(lease)["receipt"])
            receipts.append(receipt)
            return answer.status_code != 502

        deaths = at_every_call(control, API, end)
        assert deaths >= 1
        rest = leases[len(receipts) :]
        receipts += [claims_of(computer.end(lease)["receipt"]) for lease in rest]
        control.run("license_sweep")
        control.run("license_sweep")
        intervals = [
            row
            for row in items(cloud, "UsageTable", "interval")
            if row["pk"].startswith(f"LICENSE#{license_id}#")
        ]
        assert len(intervals) == len(leases)
        computer.refresh()
        own = ok(computer.get("/v1/usage"))["items"]
        total = sum(row["milliseconds"] for row in own)
        assert total == sum(receipt["billed_ms"] for receipt in receipts)


class TestMail:
    @pytest.mark.guarantee("G11")
    @pytest.mark.promise("PS-57")
    def test_killed_anywhere_each_fact_is_one_message_handed_over(
        self, cloud: LocalCloud, control: Control
    ) -> None:
        emails: list[str] = []

        def mail(nth: int) -> bool:
            fields = profile(f"death-mail-{nth}")
            emails.append(fields["email"])
            left = waiting(control, "MailQueue")
            control.fault("kill", function="mail_sender", nth=nth)
            send_registration(cloud, Visitor(cloud.app), fields)
            control.settle()
            return waiting(control, "MailQueue") == left

        deaths = at_every_call(control, "mail_sender", mail)
        assert deaths >= 7
        sweeps(control)
        for email in emails:
            sent = control.mail(to=email)
            assert len({mail["headers"]["Message-ID"] for mail in sent}) == 1, email
            # Twice at most, where it died between the hand-over and its own word of it.
            assert len(sent) <= 2
        assert sum(len(control.mail(to=email)) == 2 for email in emails) <= 1


class TestLostAnswers:
    """A call took effect and its answer was lost, or the service was busy.

    The library tries again by itself, and the app must take its own first try for what it is.
    """

    @pytest.mark.parametrize("kind", ["timeout_after_commit", "throttle"])
    @pytest.mark.promise("PS-57")
    def test_a_registration_is_still_one(
        self, cloud: LocalCloud, control: Control, kind: str
    ) -> None:
        fields: list[dict[str, str]] = []
        struck = [("dynamodb", 1), ("dynamodb", 2), ("dynamodb", 3), ("kms", 1), ("kms", 2)]
        for service, nth in [*struck, ("sqs", 1)]:
            visitor = Visitor(cloud.app)
            fields.append(profile(f"lost-{kind[:5]}-{service}-{nth}"))
            visitor.open(f"{cloud.app}/register")
            control.fault(kind, function=API, nth=nth, service=service)
            page = visitor.submit("/register", **fields[-1])
            assert page.path == "/register/sent", page.text
        control.clear_faults()
        sweeps(control)
        for one in fields:
            assert len(control.mail(to=one["email"])) == 1

    @pytest.mark.parametrize("kind", ["timeout_after_commit", "throttle"])
    def test_a_launch_and_its_end_are_still_one(
        self, cloud: LocalCloud, control: Control, computer: Computer, kind: str
    ) -> None:
        for nth in (1, 2):
            name = f"lost-{kind}-{nth}"
            control.fault(kind, function=API, nth=nth, service="dynamodb")
            first = computer.launch(name)
            control.clear_faults()
            assert first["valid"]
            assert claims_of(computer.launch(name)["lease"]) == claims_of(first["lease"])
            shown = computer.shown(first["lease"], first["screen"])
            control.fault(kind, function=API, service="dynamodb")
            renewed = computer.beat(first["lease"], 1, shown)
            control.clear_faults()
            assert renewed["valid"]
            control.advance(5)
            control.fault(kind, function=API, nth=nth, service="dynamodb")
            receipt = computer.end(renewed["lease"])["receipt"]
            control.clear_faults()
            assert claims_of(receipt)["billed_ms"] == 5_000
            assert computer.end(renewed["lease"])["receipt"] == receipt

    @pytest.mark.guarantee("G11")
    @pytest.mark.parametrize("kind", ["timeout_after_commit", "throttle"])
    def test_a_mail_is_sent_under_one_id(
        self, cloud: LocalCloud, control: Control, kind: str
    ) -> None:
        for nth in range(1, 9):
            fields = profile(f"post-{kind[:5]}-{nth}")
            control.fault(kind, function="mail_sender", nth=nth)
            send_registration(cloud, Visitor(cloud.app), fields)
            control.settle()
            control.clear_faults()
        sweeps(control)
        for nth in range(1, 9):
            sent = control.mail(to=profile(f"post-{kind[:5]}-{nth}")["email"])
            assert len({mail["headers"]["Message-ID"] for mail in sent}) == 1
            assert len(sent) <= 2
