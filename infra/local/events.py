"""All that starts functions without a caller (queues, buckets, schedules), and its rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import queues
from .errors import InvocationError
from .feedback import Feedback
from .later import Later, matches, notification
from .names import ACCOUNT, REGION
from .queues import Poller
from .schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import SharedClock
    from .functions import Functions
    from .keeper import Keeper
    from .objects import ObjectEvent
    from .plan import Plan, Rule
    from .store import Store

OUTBOX = "mail_sweep"
"""The function that sends what waits in the outbox; `settle` runs it while it gets on."""


class Events:
    """`send(queue URL, body)` is how a schedule's message goes into a queue."""

    def __init__(
        self,
        plan: Plan,
        functions: Functions,
        clock: SharedClock,
        store: Store,
        keeper: Keeper,
        send: Callable[[str, str], Any],
    ) -> None:
        self._plan, self._functions, self._clock = plan, functions, clock
        self._keeper, self._send = keeper, send
        self.later = Later(store, functions.invoke, clock.seconds)
        self.pollers = [Poller(source, functions.invoke, self._keep) for source in plan.queues]
        self.schedules = Schedules(
            plan.rules, clock, store, self._start, self.quiet, functions.still
        )
        feedback = Feedback(plan, self._now, keeper.put_message)
        keeper.listen(self.notify, self.wake, feedback.tell)

    def begin(self) -> None:
        """Start functions from now on."""
        self.later.begin()
        for poller in self.pollers:
            poller.begin()
        self.schedules.begin()

    def stop(self) -> None:
        self.schedules.stop()
        for poller in self.pollers:
            poller.stop()
        self.later.stop()

    def wake(self) -> None:
        """Have everybody look whether something is due."""
        for poller in self.pollers:
            poller.wake()
        self.later.wake()

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds")

    def notify(self, events: list[ObjectEvent]) -> None:
        """Start the functions that the template names for these objects, each some time later."""
        at = self._now().replace("+00:00", "Z")
        for event in events:
            for source in self._plan.buckets:
                if matches(source, event):
                    self.later.add(source.function, notification(event, at))

    def settle(self) -> None:
        """Run queues, notifications and the outbox until nothing is left to do now."""
        self.quiet()
        scheduled = any(rule.function == OUTBOX for rule in self._plan.rules)
        for _ in range(20 if scheduled else 0):
            before = self._keeper.commits
            try:
                self.schedules.run(OUTBOX)
            except InvocationError:
                return  # what it left says by itself when it is due again
            self.quiet()
            if self._keeper.commits == before:
                return

    def quiet(self) -> None:
        """Serve what waits until a whole round finds nothing and nothing runs."""
        for _ in range(1000):
            self._functions.wait_idle()
            served = [poller.once() for poller in self.pollers]
            if not any((*served, self.later.once())):
                self._functions.wait_idle()
                return
        raise TimeoutError("queues do not come to rest")

    def _start(self, rule: Rule, event: Any) -> Any:
        if rule.function:
            return self._functions.invoke(rule.function, event)
        url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{rule.queue}"
        return self._send(url, json.dumps(event))

    def _keep(self) -> None:
        with queues.lock:
            self._keeper.messages.keep()
