"""The sweep: what no webhook told, events that wait, orders that nobody came back from.

One failure stops no other, and what failed or led to nothing waits behind the others, so that
however many of them there are, they hide nothing (G12).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from chalicelib.core.clock import HOUR
from chalicelib.observability import failure
from chalicelib.payments import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chalicelib.core.clock import Clock
    from chalicelib.payments.fulfillment import Fulfillment
    from chalicelib.payments.processor import Processor
    from chalicelib.payments.store import PaymentStore

T = TypeVar("T")
SWEPT = 200  # how many of each kind one sweep takes on; the next goes on behind them
LATE = HOUR  # how much later than it happened an event may appear in the processor's list
SLICE = 2 * LATE  # longer than that, so that each slice leads further


class Sweep:
    def __init__(
        self,
        store: PaymentStore,
        processor: Processor,
        fulfillment: Fulfillment,
        process: Callable[[str], None],
        clock: Clock,
    ) -> None:
        """`process` does what one event is about."""
        self.store, self.processor, self.fulfillment = store, processor, fulfillment
        self.process, self.clock = process, clock

    def run(self) -> dict[str, int]:
        """How many of each kind went through."""
        now, store = self.clock(), self.store
        listed = self._each("list", self._list_events, [now], lambda _: None)
        events = self._each("event", self.process, store.due_events(now), self._event_later)
        open_until = now - rules.UNWATCHED
        orders = self._each("order", self._settle, store.open_orders(open_until), self._order_later)
        return {"listed": listed, "events": events, "orders": orders}

    def _each(
        self,
        what: str,
        act: Callable[[T], None],
        things: Iterable[T],
        later: Callable[[T], None],
    ) -> int:
        """How many went through; each of the others is put behind."""
        through = 0
        for thing in list(islice(things, SWEPT)):
            try:
                act(thing)
            except Exception as error:  # noqa: BLE001 - one poisoned item must not stop the others
                failure(f"payment_sweep_{what}", error)
                self._put_behind(what, later, thing)
            else:
                through += 1
        return through

    def _put_behind(self, what: str, later: Callable[[T], None], thing: T) -> None:
        try:
            later(thing)
        except Exception as error:  # noqa: BLE001 - nor may one that cannot be moved stop the others
            failure(f"payment_sweep_{what}", error)

    def _event_later(self, event_id: str) -> None:
        now = self.clock()
        self.store.event_later(event_id, now, now + rules.UNWATCHED)

    def _order_later(self, found: tuple[str, str]) -> None:
        """Behind the orders that were not looked at since; again after the time they all have."""
        self.store.order_later(*found, self.clock())

    def _settle(self, found: tuple[str, str]) -> None:
        account_id, order_id = found
        order = self.store.order(account_id, order_id)
        if order and order.session_id is None:
            if self.clock() - order.created_at >= rules.SESSION_LIFE:
                self.store.table.apply(self.store.abandoned(order))
                return
        else:
            order = self.fulfillment.fulfill(account_id, order_id)
        if order and not order.settled:
            self._order_later(found)

    def _list_events(self, now: int) -> None:
        """Put what the processor has and we do not into the inbox, from the cursor minus 1 h.

        Slice by slice, oldest first: a run that is cut off leaves the next one further on.
        """
        since = (self.store.cursor() or now - rules.SESSION_LIFE) - LATE
        while since < now:
            until = since + SLICE
            # The last one has no end, for what happens while it is read.
            for event in self.processor.list_events(since, until if until < now else None):
                self.store.receive(event, "listed", now)
            self.store.advance_cursor(min(until, now))
            since = until
