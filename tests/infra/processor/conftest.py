import itertools
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe

from infra.local.processor import Handle, serve

SECRETS = ("whsec_new", "whsec_old")
RETURN_URL = "http://localhost:9/orders/o1?checkout={CHECKOUT_SESSION_ID}"
CANCEL_URL = "http://localhost:9/apps/halyard"


@dataclass(frozen=True)
class Received:
    body: bytes
    signature: str

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    @property
    def timestamp(self) -> int:
        return int(self.signature.removeprefix("t=").partition(",")[0])


@dataclass
class Shop:
    """The merchant's webhook endpoint: keeps what arrives, answers with the statuses given."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    statuses: Iterator[int] = field(default_factory=lambda: itertools.repeat(200))

    def types(self) -> list[str]:
        return [one.event["type"] for one in self.received]


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            shop.received.append(Received(body, self.headers.get("Stripe-Signature", "")))
            self.send_response(next(shop.statuses))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            body = b"<!doctype html><html lang=en><title>Shop</title><h1>Back in the shop</h1>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks/stripe"
    yield shop
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Handle]]:
    """Starts simulators on one folder; stops those that still run at the end."""
    running: list[Handle] = []

    def begin(**options: Any) -> Handle:
        running.append(serve(tmp_path / "processor", **options))
        return running[-1]

    yield begin
    for handle in running:
        handle.stop()


@pytest.fixture
def processor(start: Callable[..., Handle]) -> Handle:
    return start()


@pytest.fixture
def api(processor: Handle) -> stripe.StripeClient:
    return client(processor)


def client(
    handle: Handle, key: str = "sk_test_everything", retries: int = 0
) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": handle.url}, max_network_retries=retries)


def open_setup(api: stripe.StripeClient, **more: Any) -> Any:
    """A checkout session that saves a card, for a new customer."""
    customer = api.v1.customers.create({"metadata": {"account": "a1"}})
    params: Any = {
        "mode": "setup",
        "currency": "usd",
        "customer": customer.id,
        "client_reference_id": "o1",
        "success_url": RETURN_URL,
        "cancel_url": CANCEL_URL,
        **more,
    }
    return api.v1.checkout.sessions.create(params)


def open_payment(api: stripe.StripeClient, amount: int = 2500, **more: Any) -> Any:
    params: Any = {
        "mode": "payment",
        "line_items": [
            {
                "price_data": {
                    "currency": "usd",
                    "unit_amount": amount,
                    "product_data": {"name": "Prepaid time"},
                },
                "quantity": 2,
            }
        ],
        "success_url": RETURN_URL,
        "cancel_url": CANCEL_URL,
        **more,
    }
    return api.v1.checkout.sessions.create(params)


def saved_card(handle: Handle, api: stripe.StripeClient, card: str = "succeeds") -> tuple[str, str]:
    """A customer with a saved card: both ids."""
    session = open_setup(api)
    assert handle.complete(session.id, card)["completed"]
    found = api.v1.setup_intents.retrieve(session.setup_intent)
    return str(found.customer), str(found.payment_method)


def charge(api: stripe.StripeClient, customer: str, method: str, **more: Any) -> Any:
    """An off-session payment of 7.77 USD, as an invoice would make it."""
    key = more.pop("idempotency_key", None)
    params: Any = {
        "amount": 777,
        "currency": "usd",
        "customer": customer,
        "payment_method": method,
        "confirm": True,
        "off_session": True,
        **more,
    }
    return api.v1.payment_intents.create(params, {"idempotency_key": key} if key else {})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


def ask(
    url: str,
    *,
    form: dict[str, str] | None = None,
    body: Any = None,
    raw: bytes | None = None,
    method: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request as a browser or a program makes it; redirects are not followed."""
    data = urllib.parse.urlencode(form).encode() if form is not None else raw
    if body is not None:
        data = json.dumps(body).encode()
    # S310: every URL is the simulator's own, on this machine.
    request = urllib.request.Request(url, data, headers or {}, method=method)  # noqa: S310
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=10) as response:
            return Answer(response.status, response.headers, response.read().decode())
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.headers, refused.read().decode())


def form(number: str, expiry: str = "12/34", cvc: str = "123") -> dict[str, str]:
    return {"number": number, "expiry": expiry, "cvc": cvc}
