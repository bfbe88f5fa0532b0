"""`/_sim/`: how tests and people steer the simulator. One table serves, checks and documents."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from infra.local.processor import cards, disputes, hostility
from infra.local.processor import control_people as people
from infra.local.processor import control_webhooks as network
from infra.local.processor.desk import Desk
from infra.local.processor.errors import NOT_FOUND, ApiError, JsonObject


@dataclass(frozen=True, slots=True)
class Control:
    """One control: how it is called, what its fields mean, what it answers."""

    method: str
    path: str
    summary: str
    run: Callable[[Desk, JsonObject, str], JsonObject]
    fields: Mapping[str, str]
    answer: str

    def match(self, method: str, path: str) -> str | None:
        """The id in the path, empty when it has none; None for another control."""
        if method != self.method:
            return None
        head, has_id, tail = self.path.partition("{id}")
        if not has_id:
            return "" if path == self.path else None
        object_id = path.removeprefix(head).removesuffix(tail)
        fits = path == head + object_id + tail and object_id and "/" not in object_id
        return object_id if fits else None

    def public(self) -> JsonObject:
        return {
            "method": self.method,
            "path": self.path,
            "does": self.summary,
            "fields": dict(self.fields),
            "answers": self.answer,
        }


def find(method: str, path: str) -> tuple[Control, str]:
    for control in CONTROLS:
        object_id = control.match(method, path)
        if object_id is not None:
            return control, object_id
    raise ApiError(f"There is no control {method} {path}; GET /_sim/ lists them.", NOT_FOUND)


def overview(desk: Desk) -> JsonObject:
    """All controls and the state that they steer."""
    with desk.store.transaction():
        current = desk.world.hostility
    return {
        "controls": [control.public() for control in CONTROLS],
        "cards": [
            {"behavior": one.name, "number": cards.number_for(one.name), "does": one.summary}
            for one in cards.BEHAVIORS.values()
        ],
        "hostility": current.public(),
        "now": time.time(),
        "pending": len(desk.courier.due()),
        **people.sessions(desk, {}, ""),
        **network.endpoints(desk, {}, ""),
    }


CONTROLS = (
    Control(
        "GET",
        "/_sim/hostility",
        "Shows the hostility now",
        network.list_hostility,
        {},
        "hostility, meanings",
    ),
    Control(
        "POST",
        "/_sim/hostility",
        "Sets the hostility; shares are from 0 to 1, true is 1; what is left out is off",
        network.set_hostility,
        hostility.MEANINGS,
        "hostility, with the seed that replays it",
    ),
    Control("DELETE", "/_sim/hostility", "Turns all hostility off", network.calm, {}, "hostility"),
    Control(
        "GET",
        "/_sim/webhooks",
        "Lists the webhook endpoints with the secrets that sign now",
        network.endpoints,
        {},
        "endpoints: id, url, secrets (live values), all_secrets (id, value, not_before, not_after)",
    ),
    Control(
        "POST",
        "/_sim/webhooks/rotate",
        "Adds a secret; both sign until the overlap ends",
        network.rotate,
        {"secret": "the new one; left out, one is made", "overlap_s": "seconds, 86400 by itself"},
        "endpoints",
    ),
    Control(
        "GET",
        "/_sim/deliveries",
        "Lists every delivery attempt, oldest first, with the exact bytes, and what waits",
        network.deliveries,
        {"event": "only this event", "type": "only this type", "since": "only ids above this"},
        "deliveries: id, event, type, url, headers, body (exact text), body_base64, attempt, "
        "status (null: no answer), answer, outcome, at, timestamp; waiting: event, due, attempt",
    ),
    Control(
        "POST",
        "/_sim/deliver",
        "Sends an event again, or a forged one, at once",
        network.deliver,
        {
            "event": "id of the event",
            "times": "how often, 1 by itself",
            "timestamp": "the t= to sign, seconds UTC",
            "skew_s": "seconds added to it",
            "secret": "sign with this instead of the live secrets",
            "signature": "send this header as it is; empty leaves it out",
            "body": "exact text to send instead of the event's",
        },
        "deliveries, as above",
    ),
    Control(
        "POST",
        "/_sim/flush",
        "Delivers all that waits now, delayed and to be retried included, each once, in order",
        network.flush,
        {"due_only": "true: only what is due on the clock"},
        "deliveries, pending",
    ),
    Control("GET", "/_sim/sessions", "Lists the open checkouts", people.sessions, {}, "sessions"),
    Control(
        "POST",
        "/_sim/complete",
        "Completes a checkout without a browser",
        people.complete,
        {
            "session": "id of the session",
            "card": "a test card's number or a behavior, 'succeeds' by itself",
            "confirm": "false: the bank's question is refused",
            "later": "true: complete and unpaid, as a bank debit; its outcome comes later",
        },
        "completed, status, redirect (URL to go to), decline (code, decline_code, message)",
    ),
    Control(
        "POST",
        "/_sim/sessions/{id}",
        "Decides a payment that was to come later",
        people.settle,
        {"taken": "true by itself; false: it failed"},
        "session",
    ),
    Control(
        "GET",
        "/_sim/disputes",
        "Lists the disputes",
        people.list_disputes,
        {},
        "disputes",
    ),
    Control(
        "POST",
        "/_sim/disputes",
        "Opens a dispute or an inquiry over a charge",
        people.open_dispute,
        {
            "charge": "id of the charge",
            "reason": "fraudulent by itself; also " + ", ".join(sorted(disputes.REASONS)),
            "status": "needs_response by itself, or warning_needs_response for an inquiry",
        },
        "dispute",
    ),
    Control(
        "POST",
        "/_sim/disputes/{id}",
        "Moves a dispute on",
        people.move_dispute,
        {
            "status": "under_review, won, lost; of an inquiry also warning_under_review, "
            "warning_closed, needs_response"
        },
        "dispute",
    ),
    Control(
        "POST",
        "/_sim/reset",
        "Forgets all objects, events and deliveries; endpoints and secrets stay",
        people.reset,
        {},
        "reset",
    ),
)
