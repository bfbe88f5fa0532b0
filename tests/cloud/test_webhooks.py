"""The processor's webhooks in a hostile network: whatever comes, and however often, ends right."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import WEB, new_customer
from tests.cloud.program import ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud
    from tests.cloud.people import Customer

Json = dict[str, Any]
PATH = "/webhooks/stripe"
pytestmark = pytest.mark.guarantee("G5")


class Network:
    """The processor's controls, and what it sent."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud

    def post(self, path: str, **body: Any) -> Json:
        return ok(WEB.post(f"{self.cloud.processor}/_sim/{path}", json=body))

    def hostile(self, **troubles: Any) -> None:
        self.post("hostility", seed=7, **troubles)

    def calm(self) -> None:
        WEB.delete(f"{self.cloud.processor}/_sim/hostility")

    def deliveries(self, since: int = 0) -> list[Json]:
        path = f"{self.cloud.processor}/_sim/deliveries?since={since}"
        return list(ok(WEB.get(path))["deliveries"])

    def newest(self) -> int:
        return max((one["id"] for one in self.deliveries()), default=0)

    def secret(self) -> str:
        endpoints = ok(WEB.get(f"{self.cloud.processor}/_sim/webhooks"))["endpoints"]
        return str(endpoints[0]["secrets"][0])

    def completed(self, since: int = 0) -> Json:
        """The newest good delivery that says a checkout is complete."""
        sent = [one for one in self.deliveries(since) if one.get("body")]
        told = [one for one in sent if json.loads(one["body"])["type"] == COMPLETED]
        return told[-1]


COMPLETED = "checkout.session.completed"


def send(
    cloud: LocalCloud, body: bytes, secret: str, *, skew: int = 0, header: str | None = None
) -> httpx.Response:
    """The bytes, signed as the processor signs them."""
    stamp = int(datetime.fromisoformat(cloud.control.now()).timestamp()) + skew
    mark = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    signature = f"t={stamp},v1={mark}" if header is None else header
    headers = {"stripe-signature": signature, "content-type": "application/json"}
    return WEB.post(cloud.app + PATH, content=body, headers=headers)


@pytest.fixture
def network(cloud: LocalCloud) -> Iterator[Network]:
    made = Network(cloud)
    yield made
    made.calm()


@pytest.fixture(scope="module")
def buyer(cloud: LocalCloud) -> Customer:
    return new_customer(cloud, "hook-buyer")


@pytest.fixture(scope="module")
def plans(stock: Json) -> Iterator[str]:
    """Plans that nobody bought yet, from the far end, which no other test comes to."""
    return reversed(stock["plans"])


def order(buyer: Customer, stock: Json, plans: Iterator[str]) -> str:
    return buyer.order(stock["application"]["slug"], next(plans))


def items(cloud: LocalCloud, kind: str) -> list[Json]:
    tables = cloud.control.dump()["tables"].values()
    found = [item for table in tables for item in table["items"] if item["type"]["S"] == kind]
    return [{name: next(iter(value.values())) for name, value in item.items()} for item in found]


def order_of(cloud: LocalCloud, checkout: str) -> Json:
    (found,) = [o for o in items(cloud, "order") if o.get("session_id") == checkout]
    return found


def licensed_once(cloud: LocalCloud, checkout: str) -> None:
    """Paid, with one license, one ground and one of each mail."""
    one = order_of(cloud, checkout)
    assert one["state"] == "paid"
    owned = [o for o in items(cloud, "ownership") if o["license"] == one["license_id"]]
    heads = [h for h in items(cloud, "license") if h["pk"] == f"LICENSE#{one['license_id']}"]
    assert (len(owned), len(heads)) == (1, 1)
    effects = [e for e in items(cloud, "effect") if e["order_id"] == one["id"]]
    assert len(effects) == 1
    receipts = [
        m for m in items(cloud, "message")
        if m["template"] == "receipt" and one["id"] in json.dumps(m)
    ]  # fmt: skip
    assert len(receipts) == 1
    assert receipts[0]["state"] == "sent"


def come_to_rest(control: Control) -> None:
    """Everything that is late has come, and the sweep has looked for what never did."""
    for _ in range(3):
        control.settle()
        control.advance(3600)
    control.run("payment_sweep")
    control.settle()


class TestHostility:
    @pytest.mark.parametrize(
        "troubles",
        [
            {"duplicate": 1}, {"drop": 1}, {"reorder": 1}, {"retry": 1}, {"stale": 1},
            {"future": 1}, {"delay_s": 900}, {"fail_after_commit": 1}, {"lose_response": 1},
            {"duplicate": 0.5, "drop": 0.3, "reorder": 0.5, "retry": 0.5, "stale": 0.3,
             "future": 0.3, "fail_after_commit": 0.5, "lose_response": 0.5},
        ],
        ids=lambda troubles: "+".join(troubles) if len(troubles) == 1 else "all",
    )  # fmt: skip
    def test_it_ends_in_one_license(
        self, cloud: LocalCloud, control: Control, network: Network, buyer: Customer,
        stock: Json, plans: Iterator[str], troubles: Json,
    ) -> None:  # fmt: skip
        network.hostile(**troubles)
        checkout = order(buyer, stock, plans)
        assert network.post("complete", session=checkout)["completed"]
        come_to_rest(control)
        licensed_once(cloud, checkout)

    def test_a_webhook_and_the_return_at_once_end_in_one_license(
        self, cloud: LocalCloud, control: Control, buyer: Customer, stock: Json,
        plans: Iterator[str],
    ) -> None:  # fmt: skip
        checkout = order(buyer, stock, plans)
        page = buyer.pay()
        assert page.path.startswith("/orders/")
        for _ in range(3):
            buyer.open(page.path)
        come_to_rest(control)
        licensed_once(cloud, checkout)

    def test_a_declined_card_and_an_open_checkout_give_no_license(
        self, cloud: LocalCloud, control: Control, network: Network, buyer: Customer,
        stock: Json, plans: Iterator[str],
    ) -> None:  # fmt: skip
        checkout = order(buyer, stock, plans)
        assert not network.post("complete", session=checkout, card="declined")["completed"]
        come_to_rest(control)
        one = order_of(cloud, checkout)
        assert one["state"] == "checkout"
        buyer.open(f"/orders/{one['id']}")
        control.advance(25 * 3600)
        come_to_rest(control)
        assert order_of(cloud, checkout)["state"] == "abandoned"
        assert not [e for e in items(cloud, "effect") if e["order_id"] == one["id"]]


@pytest.fixture(scope="module")
def event(
    cloud: LocalCloud, buyer: Customer, stock: Json, plans: Iterator[str]
) -> tuple[str, bytes]:
    """A known event: its id and its exact bytes."""
    network = Network(cloud)
    since = network.newest()
    checkout = order(buyer, stock, plans)
    network.post("complete", session=checkout)
    network.post("flush")
    cloud.control.settle()
    delivery = network.completed(since)
    return delivery["event"], base64.b64decode(delivery["body_base64"])


def state(cloud: LocalCloud) -> str:
    """All but the inbox of what is at rest, and every mail."""
    dump = cloud.control.dump()["tables"]
    return json.dumps([dump, len(cloud.control.mail())], sort_keys=True)


class TestSignatures:
    def test_deliveries_are_known_as_bytes_and_signed_with_the_listed_secret(
        self, cloud: LocalCloud, network: Network, event: tuple[str, bytes]
    ) -> None:
        told = [d for d in network.deliveries() if d["event"] == event[0] and d.get("body")][-1]
        raw = base64.b64decode(told["body_base64"])
        assert raw == event[1] == told["body"].encode()
        assert json.loads(raw)["id"] == event[0]
        sent = {name.lower(): value for name, value in told["headers"].items()}
        stamp, _, rest = sent["stripe-signature"].partition(",")
        signed = stamp.removeprefix("t=").encode() + b"." + raw
        mark = hmac.new(network.secret().encode(), signed, hashlib.sha256).hexdigest()
        assert f"v1={mark}" in rest

    def test_a_known_event_is_acknowledged_and_does_nothing(
        self, cloud: LocalCloud, control: Control, network: Network, event: tuple[str, bytes]
    ) -> None:
        control.settle()
        before = state(cloud)
        for skew in (0, 299, -299):
            answer = send(cloud, event[1], network.secret(), skew=skew)
            assert (skew, answer.status_code) == (skew, 200)
        control.settle()
        assert state(cloud) == before

    def test_stale_and_future_ones_are_refused(
        self, cloud: LocalCloud, control: Control, network: Network, event: tuple[str, bytes]
    ) -> None:
        before = state(cloud)
        for skew in (-301, 301, -86_400, 86_400):
            problem(send(cloud, event[1], network.secret(), skew=skew), 400)
        control.settle()
        assert state(cloud) == before

    def test_forged_ones_are_refused_and_counted(
        self, cloud: LocalCloud, control: Control, network: Network, event: tuple[str, bytes]
    ) -> None:
        fresh = event[1].replace(event[0].encode(), b"evt_forged")
        before, lines = state(cloud), len(control.logs())
        now = int(datetime.fromisoformat(control.now()).timestamp())
        for header in ("", "t=1", f"t={now}", f"t={now},v1=", f"t={now},v1={'0' * 64}",
                       f"t={now},t={now},v1=aa", "x" * 9000, f"t={now},v0={'0' * 64}"):  # fmt: skip
            problem(send(cloud, fresh, network.secret(), header=header), 400)
        problem(send(cloud, fresh, "whsec_guessed"), 400)
        problem(send(cloud, fresh, ""), 400)
        bare = WEB.post(
            cloud.app + PATH, content=fresh, headers={"content-type": "application/json"}
        )
        problem(bare, 400)
        # Signed for other bytes: one space more is another event.
        now_signed = send(cloud, event[1], network.secret()).request.headers["stripe-signature"]
        problem(send(cloud, event[1] + b" ", network.secret(), header=now_signed), 400)
        control.settle()
        assert state(cloud) == before
        counted = [line["line"] for line in control.logs()[lines:]]
        assert sum('"webhook_refused"' in line for line in counted) >= 11

    def test_what_is_signed_but_no_event_is_refused(
        self, cloud: LocalCloud, control: Control, network: Network
    ) -> None:
        before = state(cloud)
        odd = [
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe",
            b'{"id": 1}',
            b'{"id": "evt_x", "type": "y"}',
        ]
        for body in (*odd, b'{"id": "evt_x", "type": "y", "data": {"object": []}}'):
            problem(send(cloud, body, network.secret()), 400)
        problem(send(cloud, b'{"x": "' + b"y" * 300_000 + b'"}', network.secret()), 413)
        control.settle()
        assert state(cloud) == before

    def test_the_same_id_with_another_body_is_a_conflict_and_an_alarm(
        self, cloud: LocalCloud, control: Control, network: Network, event: tuple[str, bytes]
    ) -> None:
        before, lines = state(cloud), len(control.logs())
        problem(send(cloud, event[1] + b"\n", network.secret()), 409)
        assert state(cloud) == before
        told = [line["line"] for line in control.logs()[lines:]]
        assert any('"CRITICAL"' in line and "webhook.changed" in line for line in told)
        assert any('"webhook_changed"' in line for line in told)
        assert send(cloud, event[1], network.secret()).status_code == 200

    def test_an_event_that_names_nothing_of_ours_waits_and_does_nothing(
        self, cloud: LocalCloud, control: Control, network: Network
    ) -> None:
        licenses = len(items(cloud, "license"))
        for number, reference in enumerate(("ord_unknown", None)):
            thing = {"id": f"cs_test_other{number}", "client_reference_id": reference}
            body = json.dumps(
                {"id": f"evt_other{number}", "type": COMPLETED, "data": {"object": thing}}
            )
            assert send(cloud, body.encode(), network.secret()).status_code == 200
        come_to_rest(control)
        assert len(items(cloud, "license")) == licenses
        waiting = [i for i in items(cloud, "inbox") if i["pk"].rpartition("#")[2] == "evt_other0"]
        assert [i["state"] for i in waiting] == ["received"]

    def test_a_rotated_secret_overlaps_and_then_ends(
        self, cloud: LocalCloud, control: Control, network: Network, event: tuple[str, bytes]
    ) -> None:
        old = network.secret()
        network.post("webhooks/rotate", overlap_s=900)
        fresh = network.secret()
        assert fresh != old
        control.advance(301)  # a function looks at its secrets again at most five minutes later
        assert send(cloud, event[1], fresh).status_code == 200
        assert send(cloud, event[1], old).status_code == 200
        control.advance(901)
        problem(send(cloud, event[1], old), 400)
        assert send(cloud, event[1], fresh).status_code == 200


def problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
