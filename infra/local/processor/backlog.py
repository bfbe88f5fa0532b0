"""The delivery queue: endpoints with their secrets, what waits, what was sent."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infra.local.processor.errors import JsonObject
from infra.local.processor.hostility import Hostility, plan
from infra.local.processor.store import KEPT_ATTEMPTS, Store

FOREVER_MS = 4_102_444_800_000  # the year 2100
# Seconds from one failed attempt to the next: three days in all, as the real one gives up.
GAPS_S = (60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)


@dataclass(frozen=True, slots=True)
class Secret:
    """One signing secret and when it is live: milliseconds UTC, half-open."""

    id: str
    value: str
    not_before: int = 0
    not_after: int = FOREVER_MS

    @classmethod
    def of(cls, given: "str | Mapping[str, Any] | Secret") -> "Secret":
        """A secret from its bare text or from the fields that the parameter store keeps."""
        if isinstance(given, Secret):
            return given
        if isinstance(given, str):
            return cls(secret_id(given), given)
        return cls(
            str(given.get("id") or secret_id(given["value"])),
            str(given["value"]),
            int(given.get("not_before", 0)),
            int(given.get("not_after", FOREVER_MS)),
        )

    def public(self) -> JsonObject:
        """The fields that the parameter store keeps of a secret."""
        return asdict(self)

    def live(self, now_ms: int) -> bool:
        return self.not_before <= now_ms < self.not_after


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where events are delivered, and what signs them."""

    id: str
    url: str
    secrets: tuple[Secret, ...]

    def live(self, now_ms: int) -> list[Secret]:
        return [secret for secret in self.secrets if secret.live(now_ms)]


@dataclass(frozen=True, slots=True)
class Waiting:
    """One delivery that waits; `attempt` counts from 1."""

    seq: int
    event: str
    endpoint: str
    due: float
    ordinal: int
    attempt: int
    skew: int


def secret_id(value: str) -> str:
    return "whs_" + hashlib.sha256(value.encode()).hexdigest()[:8]


def endpoints(store: Store) -> list[Endpoint]:
    return [
        Endpoint(row["id"], row["url"], tuple(Secret(**secret) for secret in row["secrets"]))
        for row in store.setting("endpoints", [])
    ]


def set_endpoints(store: Store, given: Sequence[Endpoint]) -> None:
    store.set("endpoints", [asdict(endpoint) for endpoint in given])


def enqueue(store: Store, event: str, hostility: Hostility, ordinal: int, now: float) -> None:
    """Queue an event for every endpoint; `ordinal` counts since the hostility was set."""
    rank = store.count("events")
    for endpoint in endpoints(store):
        planned = plan(hostility, ordinal, now)
        for one in planned:
            store.run(
                "insert into queue(event, endpoint, due, rank, ordinal, attempt, skew)"
                " values (?, ?, ?, ?, ?, 1, ?)",
                event,
                endpoint.id,
                one.due,
                -rank if one.overtakes else rank,
                ordinal,
                one.skew,
            )
        if not planned:
            record(store, event, {"url": endpoint.url, "outcome": "dropped", "at": now})


def waiting(store: Store, due_by: float | None = None) -> list[Waiting]:
    """What waits, in the order in which it will be sent."""
    rows = store.rows(
        "select seq, event, endpoint, due, ordinal, attempt, skew from queue"
        " where ? is null or due <= ? order by rank, seq",
        due_by,
        due_by,
    )
    return [Waiting(*row) for row in rows]


def finish(store: Store, delivery: Waiting) -> None:
    store.run("delete from queue where seq = ?", delivery.seq)


def postpone(store: Store, delivery: Waiting, now: float) -> bool:
    """Queue the next attempt after a growing gap; False when there is none left."""
    if delivery.attempt > len(GAPS_S):
        finish(store, delivery)
        return False
    # A later attempt is signed with the right time: only the first one was hostile.
    store.run(
        "update queue set attempt = attempt + 1, skew = 0, due = ? where seq = ?",
        now + GAPS_S[delivery.attempt - 1],
        delivery.seq,
    )
    return True


def record(store: Store, event: str, attempt: JsonObject) -> None:
    """Keep what was sent and what was answered; the oldest make room."""
    seq = store.run("insert into attempts(event, body) values (?, ?)", event, json.dumps(attempt))
    store.run("delete from attempts where seq <= ?", seq - KEPT_ATTEMPTS)


def attempts(store: Store, event: str | None = None, since: int = 0) -> list[JsonObject]:
    """What was sent, oldest first."""
    rows = store.rows(
        "select * from attempts where seq > ? and (? is null or event = ?) order by seq",
        since,
        event,
        event,
    )
    return [{"id": row["seq"], "event": row["event"], **json.loads(row["body"])} for row in rows]
