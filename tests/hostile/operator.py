"""What an operator does to a running cloud for these tests.

python -m tests.hostile.operator mails ACCOUNT COUNT      that many good messages and a broken one
python -m tests.hostile.operator events COUNT             that many good events and a broken one
python -m tests.hostile.operator mend EVENT               the row of a broken event, as it should be
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.payments.rules import Event
from chalicelib.payments.store import inbox_pk
from chalicelib.storage.dynamo import PRESENT
from infra.local.clock import follow

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
NOT_OURS = "customer.updated"


def mails(account: str, count: str) -> Json:
    """Each names a message of the outbox but the one in the middle, which names nothing."""
    outbox, now = wiring.outbox(), wiring.now()
    made = []
    for number in range(int(count)):
        message, write = outbox.message(
            "password_changed", fact=(account, number), account=account, arguments={}, due=now,
            now=now,
        )  # fmt: skip
        wiring.accounts_table().transact(write)
        made.append(message)
    bodies = [json.dumps({"message": message}) for message in made]
    broken = json.dumps({"massage": "poison"})
    bodies.insert(len(bodies) // 2, broken)
    for body in bodies:
        outbox.queue.send_message(QueueUrl=outbox.queue_url, MessageBody=body)
    return {"messages": made, "broken": broken}


def events(count: str) -> Json:
    """Each names an event of the inbox; the one in the middle lost its type on the way."""
    store, now = wiring.payment_store(), wiring.now()
    made = [f"evt_good{number}" for number in range(int(count))]
    broken = "evt_broken"
    order = [*made[: len(made) // 2], broken, *made[len(made) // 2 :]]
    for event in order:
        store.receive(Event(event, NOT_OURS, f"cus_{event}", None, "digest"), "first", now)
    store.table.apply(
        store.table.update(inbox_pk(broken), "INBOX", "REMOVE event_type", condition=PRESENT)
    )
    for event in order:
        wiring.payments_queue().send(event, f"cus_{event}")
    return {"events": made, "broken": broken}


def mend(event: str) -> Json:
    store = wiring.payment_store()
    pk, values = inbox_pk(event), {":type": NOT_OURS}
    store.table.apply(
        store.table.update(pk, "INBOX", "SET event_type = :type", values, condition=PRESENT)
    )
    return {"mended": event}


JOBS: dict[str, Callable[..., Json]] = {
    "mails": mails, "events": events, "mend": mend,
}  # fmt: skip


def main() -> int:
    follow(os.environ["LOCAL_CLOCK"])
    job, *arguments = sys.argv[1:]
    made = JOBS[job](*arguments)
    print(json.dumps(made))  # noqa: T201 - its answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
