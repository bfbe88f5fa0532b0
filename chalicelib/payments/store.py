"""Orders, the inbox and effects in `accounts`: every key and condition of the feature.

| item | pk | sk | gsi1 |
|---|---|---|---|
| order | ACCOUNT#<id> | ORDER#<order> | ORDER_OPEN / created or last looked at, while not settled |
| pointer to an order | ORDER#<order> | ORDER | |
| the one open order of a plan | ACCOUNT#<id> | WISH#<plan> | |
| customer at the processor | ACCOUNT#<id> | CUSTOMER | |
| card in use | ACCOUNT#<id> | CARD | |
| inbox | INBOX#stripe#<event> | INBOX | INBOX_DUE / due, until it is done |
| effect, kept for ever | EFFECT#<fact> | EFFECT | |
| how far the event list was read | CURSOR#stripe | CURSOR | |
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chalicelib.catalog.rules import plan_from
from chalicelib.core.clock import purge_at
from chalicelib.payments.rules import KEPT, Card, Event, Order
from chalicelib.storage.dynamo import ABSENT, ConditionFailed, Item, Table, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS_OPEN, INBOX_DUE = "ORDER_OPEN", "INBOX_DUE"
AS_READ = "#state = :was AND version = :version"


def due_key(instant: int) -> str:
    return f"{instant:013d}"


def account_pk(account_id: str) -> str:
    return f"ACCOUNT#{account_id}"


class PaymentStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    # orders

    def order_writes(self, order: Order) -> list[Write]:
        """Create the order once, with the pointer that its reference is looked up by."""
        facts = asdict(order)
        item: Item = {
            **facts,
            "pk": account_pk(order.account_id),
            "sk": f"ORDER#{order.id}",
            "type": "order",
            "v": 1,
            "gsi1pk": ORDERS_OPEN,
            "gsi1sk": due_key(order.created_at),
        }
        pointer = {"pk": f"ORDER#{order.id}", "sk": "ORDER", "type": "order_pointer", "v": 1}
        return [
            self.table.put(item, ABSENT),
            self.table.put({**pointer, "account_id": order.account_id}, ABSENT),
        ]

    def wish(self, account_id: str, wish: str) -> str | None:
        """The order that the account wished for last."""
        item = self.table.get(account_pk(account_id), f"WISH#{wish}")
        return str(item["order_id"]) if item else None

    def take_wish(self, order: Order, wish: str, was: str | None) -> Write:
        """One order at a time: refused unless the last one is still the one that was read."""
        item: Item = {"pk": account_pk(order.account_id), "sk": f"WISH#{wish}", "type": "wish"}
        condition, values = (ABSENT, {}) if was is None else ("order_id = :was", {":was": was})
        return self.table.put({**item, "v": 1, "order_id": order.id}, condition, values)

    def order(self, account_id: str, order_id: str) -> Order | None:
        item = self.table.get(account_pk(account_id), f"ORDER#{order_id}")
        return to_order(item) if item else None

    def owner_of_order(self, order_id: str) -> str | None:
        item = self.table.get(f"ORDER#{order_id}", "ORDER")
        return str(item["account_id"]) if item else None

    def orders(self, account_id: str) -> list[Order]:
        """Newest first."""
        found = self.table.query(account_pk(account_id), prefix="ORDER#")
        return sorted(map(to_order, found), key=lambda order: -order.created_at)

    def open_orders(self, up_to: int) -> Iterator[tuple[str, str]]:
        """Account and order of what the index says was opened, or looked at, until then."""
        keys = self.table.index(
            "gsi1", "gsi1pk", ORDERS_OPEN, range_name="gsi1sk", up_to=due_key(up_to)
        )
        return ((key.pk.partition("#")[2], key.sk.partition("#")[2]) for key in keys)

    def order_later(self, account_id: str, order_id: str, looked_at: int) -> None:
        """Behind the open orders that nobody looked at since; one that is settled stays out."""
        self._move(account_pk(account_id), f"ORDER#{order_id}", looked_at, looked_at)

    def at_checkout(self, order: Order, session_id: str) -> None:
        """open -> checkout; ConditionFailed where it has moved."""
        self.table.apply(
            self._change(
                order,
                "SET #state = :next, version = :after, session_id = :session",
                {":next": "checkout", ":session": session_id},
            )
        )

    def paid(
        self, order: Order, *, license_id: str, card: Card | None, payment: str | None, now: int
    ) -> Write:
        """checkout -> paid, and out of the open orders."""
        return self._change(
            order,
            "SET #state = :next, version = :after, license_id = :license, card = :card, "
            "payment_id = :payment, paid_at = :now REMOVE gsi1pk, gsi1sk",
            {
                ":next": "paid",
                ":license": license_id,
                ":card": asdict(card) if card else None,
                ":payment": payment,
                ":now": now,
            },
        )

    def refused(self, order: Order, why: str, payment: str) -> Write:
        """checkout -> refused, and out of the open orders."""
        return self._change(
            order,
            "SET #state = :next, version = :after, refusal = :why, payment_id = :payment "
            "REMOVE gsi1pk, gsi1sk",
            {":next": "refused", ":why": why, ":payment": payment},
        )

    def abandoned(self, order: Order) -> Write:
        """open or checkout -> abandoned, and out of the open orders."""
        update = "SET #state = :next, version = :after REMOVE gsi1pk, gsi1sk"
        return self._change(order, update, {":next": "abandoned"})

    def _change(self, order: Order, update: str, values: Item) -> Write:
        pinned = {":was": order.state, ":version": order.version, ":after": order.version + 1}
        return self.table.update(
            account_pk(order.account_id),
            f"ORDER#{order.id}",
            update,
            {**values, **pinned},
            condition=AS_READ,
            names={"#state": "state"},
        )

    def effect(self, fact: str, order_id: str, now: int) -> Write:
        """What a fact of the processor did, once and for ever."""
        item: Item = {"pk": f"EFFECT#{fact}", "sk": "EFFECT", "type": "effect", "v": 1}
        return self.table.put({**item, "order_id": order_id, "at": now}, ABSENT)

    def card(self, order: Order, card: Card, customer: str, method: str) -> Write:
        """The card that the account's bills go to from now on; replaces the one before."""
        item: Item = {"pk": account_pk(order.account_id), "sk": "CARD", "type": "card", "v": 1}
        known = {**asdict(card), "customer": customer, "method": method, "order_id": order.id}
        return self.table.put({**item, **known})

    def card_in_use(self, account_id: str) -> Item | None:
        """Customer, method, brand and last four of what the account's bills go to."""
        return self.table.get(account_pk(account_id), "CARD")

    def customer(self, account_id: str) -> str | None:
        item = self.table.get(account_pk(account_id), "CUSTOMER")
        return str(item["customer"]) if item else None

    def keep_customer(self, account_id: str, customer: str) -> str:
        """The account's customer at the processor: the first one kept stays."""
        item: Item = {"pk": account_pk(account_id), "sk": "CUSTOMER", "type": "customer", "v": 1}
        try:
            self.table.apply(self.table.put({**item, "customer": customer}, ABSENT))
        except ConditionFailed:
            return self.customer(account_id) or customer
        return customer

    # the inbox

    def receive(self, event: Event, secret_id: str, now: int) -> str | None:
        """None if the event is new and now kept; else the digest it was kept with."""
        item: Item = {
            "pk": inbox_pk(event.id),
            "sk": "INBOX",
            "type": "inbox",
            "v": 1,
            "event_type": event.type,
            "object_id": event.object_id,
            "order_id": event.order_id,
            "payment_id": event.payment_id,
            "sha256": event.sha256,
            "secret_id": secret_id,
            "state": "received",
            "attempts": 0,
            "received_at": now,
            "gsi1pk": INBOX_DUE,
            "gsi1sk": due_key(now),
            "purge_at": purge_at(now + KEPT),
        }
        try:
            self.table.apply(self.table.put(item, ABSENT))
        except ConditionFailed:
            kept = self.inbox(event.id)
            return str(kept["sha256"]) if kept else None
        return None

    def adopt(self, event: Event) -> bool:
        """Give an event that was listed first the digest of its delivery; False if it has one."""
        write = self.table.update(
            inbox_pk(event.id),
            "INBOX",
            "SET sha256 = :digest",
            {":digest": event.sha256, ":none": ""},
            condition="sha256 = :none",
        )
        try:
            self.table.apply(write)
        except ConditionFailed:
            return False
        return True

    def inbox(self, event_id: str) -> Item | None:
        return self.table.get(inbox_pk(event_id), "INBOX")

    def due_events(self, up_to: int) -> Iterator[str]:
        keys = self.table.index(
            "gsi1", "gsi1pk", INBOX_DUE, range_name="gsi1sk", up_to=due_key(up_to)
        )
        return (key.pk.rpartition("#")[2] for key in keys)

    def done(self, event_id: str, outcome: str) -> Write:
        """received -> done, in the transaction that holds what the event did."""
        return self.table.update(
            inbox_pk(event_id),
            "INBOX",
            "SET #state = :done, outcome = :outcome REMOVE gsi1pk, gsi1sk",
            {":done": "done", ":outcome": outcome, ":received": "received"},
            condition="#state = :received",
            names={"#state": "state"},
        )

    def park(self, event_id: str, attempts: int, due: int) -> None:
        """Not understood yet: look again at `due`."""
        self.table.apply(
            self.table.update(
                inbox_pk(event_id),
                "INBOX",
                "SET attempts = :n, gsi1sk = :due",
                {
                    ":n": attempts + 1,
                    ":due": due_key(due),
                    ":received": "received",
                    ":was": attempts,
                },
                condition="#state = :received AND attempts = :was",
                names={"#state": "state"},
            )
        )

    def event_later(self, event_id: str, now: int, due: int) -> None:
        """Look again at `due`, without reading it; nothing where it is not due now."""
        self._move(inbox_pk(event_id), "INBOX", now, due)

    def _move(self, pk: str, sk: str, now: int, due: int) -> None:
        """On in its index by the key alone, from wherever up to `now` it is."""
        write = self.table.update(
            pk,
            sk,
            "SET gsi1sk = :due",
            {":due": due_key(due), ":now": due_key(now)},
            condition="gsi1sk <= :now",
        )
        try:
            self.table.apply(write)
        except ConditionFailed:
            return  # done meanwhile, or moved by another sweep

    # the event list

    def cursor(self) -> int | None:
        item = self.table.get("CURSOR#stripe", "CURSOR")
        return int(item["read_until"]) if item else None

    def advance_cursor(self, read_until: int) -> None:
        """Forward only: a slower sweep does not take it back."""
        item: Item = {"pk": "CURSOR#stripe", "sk": "CURSOR", "type": "cursor", "v": 1}
        write = self.table.put(
            {**item, "read_until": read_until},
            "attribute_not_exists(pk) OR read_until <= :until",
            {":until": read_until},
        )
        try:
            self.table.apply(write)
        except ConditionFailed:
            return  # another sweep has read further


def inbox_pk(event_id: str) -> str:
    return f"INBOX#stripe#{event_id}"


def to_order(item: Item) -> Order:
    plain = ("id", "account_id", "state", "application_name", "slug", "created_at", "version")
    facts: dict[str, Any] = {name: item[name] for name in plain}
    for name in (
        "session_id",
        "license_id",
        "paid_at",
        "seats",
        "payment_id",
        "refusal",
        "card_for",
    ):
        facts[name] = item.get(name)
    facts["amount"] = item.get("amount", 0)
    card = Card(**item["card"]) if item.get("card") else None
    return Order(**facts, plan=plan_from(item["plan"]), card=card)
