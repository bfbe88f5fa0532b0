"""Serves queues to functions as Lambda's pollers do, and keeps waiting messages across restarts."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

from .errors import InvocationError
from .names import ACCOUNT, REGION, arn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .plan import QueueSource
    from .store import Store

KIND = "message"
LOOK_SECONDS = 0.25
lock = threading.RLock()  # moto's queues are not safe for several threads
_FIELDS = (
    "body",
    "message_attributes",
    "sent_timestamp",
    "approximate_first_receive_timestamp",
    "approximate_receive_count",
    "deduplication_id",
    "group_id",
    "sequence_number",
    "visible_at",
    "delayed_until",
    "system_attributes",
)


def _backend() -> Any:
    from moto.sqs.models import sqs_backends

    return sqs_backends[ACCOUNT][REGION]


def answer_at_once() -> None:
    """Have long polls answered like short ones: moto's wait on the clock, which may stand still."""
    from moto.sqs.models import SQSBackend

    stock: Any = SQSBackend.receive_message
    if getattr(stock, "at_once", False):
        return

    @functools.wraps(stock)
    def receive(self: Any, name: str, count: int, _seconds: int, *more: Any, **named: Any) -> Any:
        return stock(self, name, count, 0, *more, **named)

    receive.at_once = True  # type: ignore[attr-defined]  # our mark
    backend: Any = SQSBackend
    backend.receive_message = receive


class Messages:
    """Keeps what waits in every queue; received but undeleted messages wait too."""

    def __init__(self, store: Store) -> None:
        answer_at_once()
        self._store = store
        self._kept: dict[tuple[str, str], Any] = {}
        self._place = 0

    def load(self) -> list[str]:
        """Bring messages back in the order they were sent; names of queues that no longer exist."""
        from moto.sqs.models import Message

        missing = set()
        rows = self._store.all(KIND)
        for queue_name, message_id, body in sorted(rows, key=lambda row: int(row[2]["place"])):
            queue = _backend().queues.get(queue_name)
            if queue is None:
                missing.add(queue_name)
                continue
            message = Message(message_id, body["body"])
            for name in _FIELDS:
                setattr(message, name, body[name])
            queue._messages.append(message)  # noqa: SLF001  # keeps times  # moto has no way in that keeps times
            if not message.visible:
                queue.pending_messages.add(message)
            self._kept[queue_name, message_id] = body
            self._place = body["place"]
        return sorted(missing)

    def keep(self) -> None:
        """Write what differs from what was kept; call it with `lock` held."""
        now: dict[tuple[str, str], Any] = {}
        for name, queue in _backend().queues.items():
            for message in queue._messages:  # noqa: SLF001  # as above  # as above
                now[name, message.id] = {
                    "place": self._place_of(name, message.id),
                    **{field: getattr(message, field) for field in _FIELDS},
                }
        changed = [(*key, body) for key, body in now.items() if self._kept.get(key) != body]
        gone = [(*key, None) for key in self._kept.keys() - now.keys()]
        if changed or gone:
            self._store.change(KIND, [*changed, *gone])
            self._kept = now

    def _place_of(self, queue: str, message_id: str) -> int:
        """Where a message stands in the order of arrival."""
        kept = self._kept.get((queue, message_id))
        if kept is None:
            self._place += 1
            return self._place
        return int(kept["place"])


def put(queue: str, body: str) -> None:
    """Have a message wait in a queue; call it with `lock` held."""
    _backend().send_message(queue, body)


def contents() -> dict[str, list[dict[str, Any]]]:
    """Every message of every queue, whether visible now or not."""
    with lock:
        return {
            name: [
                {
                    "id": message.id,
                    "body": message.body,
                    "attributes": {
                        "ApproximateReceiveCount": message.approximate_receive_count,
                        "SentTimestamp": message.sent_timestamp,
                        "MessageGroupId": message.group_id,
                        "MessageAttributes": message.message_attributes,
                    },
                    "visible": bool(message.visible and not message.delayed),
                }
                for message in queue._messages  # noqa: SLF001  # as above
            ]
            for name, queue in _backend().queues.items()
        }


class Poller:
    """Takes batches of one queue to one function, one at a time, until told to stop."""

    def __init__(
        self, source: QueueSource, invoke: Callable[[str, Any], Any], keep: Callable[[], None]
    ) -> None:
        self.source = source
        self._invoke, self._keep = invoke, keep
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def begin(self) -> None:
        """Serve by itself from now on."""
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def once(self) -> bool:
        """Serve one batch; False if nothing could be received."""
        with self._turn:
            if self._stopped:
                return False
            messages = self._receive()
            if messages:
                self._serve(messages)
            return bool(messages)

    def _loop(self) -> None:
        while not self._stopped:
            if not self._wait_and_look():
                continue
            try:
                while self.once():
                    pass
            except Exception:
                logging.getLogger("infra.local").exception("queue %s", self.source.queue)

    def _wait_and_look(self) -> bool:
        self._wake.wait(LOOK_SECONDS)
        self._wake.clear()
        with lock:
            return bool(_backend().queues[self.source.queue].messages)

    def _receive(self) -> list[Any]:
        with lock:
            queue = _backend().queues[self.source.queue]
            found: list[Any] = _backend().receive_message(
                self.source.queue,
                self.source.batch_size,
                0,
                queue.visibility_timeout,
                ["All"],
            )
            self._keep()
        return found

    def _serve(self, messages: Sequence[Any]) -> None:
        event = {"Records": [record(message, self.source.queue) for message in messages]}
        try:
            answer = self._invoke(self.source.function, event)
        except InvocationError:
            return  # they become visible again, and end in the dead-letter queue
        failed = self._failed(answer, messages)
        with lock:
            for message in messages:
                if message.id not in failed:
                    self._delete(message)
            self._keep()

    def _failed(self, answer: Any, messages: Sequence[Any]) -> set[str]:
        """Ids that the function reports; all of them where the report makes no sense, as on AWS."""
        if not self.source.partial or not isinstance(answer, dict):
            return set()
        everything = {message.id for message in messages}
        items = answer.get("batchItemFailures") or []
        try:
            named = {entry["itemIdentifier"] for entry in items}
        except (TypeError, KeyError):
            return everything
        return named if named.issubset(everything) else everything

    def _delete(self, message: Any) -> None:
        from moto.sqs.exceptions import ReceiptHandleIsInvalid

        with contextlib.suppress(ReceiptHandleIsInvalid):  # another receipt has taken over since
            _backend().delete_message(self.source.queue, message.receipt_handle)


def record(message: Any, queue: str) -> dict[str, Any]:
    """A message as Lambda shows it to a function."""
    attributes = {
        "ApproximateReceiveCount": str(message.approximate_receive_count),
        "SentTimestamp": str(message.sent_timestamp),
        "SenderId": message.sender_id,
        "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
    }
    for name, value in (
        ("MessageGroupId", message.group_id),
        ("MessageDeduplicationId", message.deduplication_id),
        ("SequenceNumber", message.sequence_number),
    ):
        if value is not None:
            attributes[name] = str(value)
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {
            name: _attribute(value) for name, value in message.message_attributes.items()
        },
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": arn("sqs", queue),
        "awsRegion": REGION,
    }


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value.get("DataType") or value.get("data_type"),
    }
    text = value.get("StringValue") or value.get("string_value")
    if text is not None:
        shown["stringValue"] = text
    return shown
