"""The only code that speaks to SQS: nudges, which may be lost; a sweep stands behind each."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.observability import failure


class FifoQueue:
    """One FIFO queue by URL."""

    def __init__(self, client: Any, url: str) -> None:
        self.client, self.url = client, url

    def send(self, event_id: str, group: str) -> None:
        """Name an event to the worker, in order within its group; a failure is logged alone."""
        try:
            self.client.send_message(
                QueueUrl=self.url,
                MessageBody=json.dumps({"event": event_id}),
                MessageGroupId=group,
                MessageDeduplicationId=event_id,
            )
        except Exception as error:  # noqa: BLE001 - the row is durable, and the sweep finds it
            failure("nudge_failed", error, inbox=event_id)
