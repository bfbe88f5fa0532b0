"""Keys and conditions of cases.

| table | pk | sk | holds | index `gsi1` |
|---|---|---|---|---|
| accounts | `CASE#<id>` | `CASE` | a case | `CASES_OPEN` / when to look at it, until it is closed |
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.cases.rules import NEVER, TERMS, Case, Kind, State, Step
from chalicelib.core.clock import due_key
from chalicelib.storage.dynamo import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.storage.dynamo import Item, Table, Write

VERSION = 2
LIST = "CASES_OPEN"
OLD_KINDS = {"complaint": Kind.CONCERN}
"""As version 1 called them; it knew no subject, so that nobody could be acknowledged."""
ENTERS = {Step.ACKNOWLEDGE: State.ACKNOWLEDGED, Step.ESCALATE: State.ESCALATED}


def to_case(item: Item) -> Case:
    kind = OLD_KINDS.get(item["kind"]) or Kind(item["kind"])
    created = item["created_at"]
    return Case(
        id=item["id"],
        kind=kind,
        created_at=created,
        alert_at=item.get("alert_at", created + TERMS[kind].alert),
        due_at=item["due_at"],
        state=State(item["state"]),
        subject=item.get("subject"),
        sender=item.get("sender"),
        mail=item.get("object"),
        acknowledged_at=item.get("acknowledged_at"),
        alerted_at=item.get("alerted_at"),
        escalated_at=item.get("escalated_at"),
        closed_at=item.get("closed_at"),
    )


def after(case: Case, step: Step, now: int) -> Case:
    """The case once the step is done."""
    state = ENTERS.get(step, case.state)
    if step is Step.ACKNOWLEDGE and case.state is State.ESCALATED:
        state = case.state  # late, and it stays known as late
    match step:
        case Step.ACKNOWLEDGE:
            return replace(case, state=state, acknowledged_at=now)
        case Step.ALERT:
            return replace(case, state=state, alerted_at=now)
    return replace(case, state=state, escalated_at=now)


class CaseStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    def transact(self, *writes: Write) -> None:
        self.table.transact(*writes)

    def put(self, case: Case) -> Write:
        """One case a fact: put if absent."""
        item: Item = {
            "pk": f"CASE#{case.id}", "sk": "CASE", "type": "case", "v": VERSION, "id": case.id,
            "kind": str(case.kind), "state": str(case.state), "created_at": case.created_at,
            "alert_at": case.alert_at, "due_at": case.due_at,
            "gsi1pk": LIST, "gsi1sk": due_key(case.next_look),
        }  # fmt: skip
        more = {
            "subject": case.subject, "sender": case.sender, "object": case.mail,
            "acknowledged_at": case.acknowledged_at,
        }  # fmt: skip
        item |= {name: value for name, value in more.items() if value is not None}
        return self.table.put(item, ABSENT)

    def case(self, case_id: str) -> Case | None:
        item = self.table.get(f"CASE#{case_id}", "CASE")
        return to_case(item) if item else None

    def due(self, now: int = NEVER) -> Iterator[str]:
        """Cases that the index nominates up to an instant, the longest due first."""
        keys = self.table.index("gsi1", "gsi1pk", LIST, range_name="gsi1sk", up_to=due_key(now))
        return (key.pk.removeprefix("CASE#") for key in list(keys))

    def did(self, case: Case, step: Step, now: int) -> Write:
        """The step is done, once: refused where it was, or the case has moved since it was read."""
        done = after(case, step, now)
        return self.table.update(
            f"CASE#{case.id}", "CASE", f"SET {step}_at = :now, #s = :to, gsi1sk = :next",
            {
                ":now": now, ":to": str(done.state), ":next": due_key(done.next_look),
                ":was": str(case.state),
            },
            condition=f"#s = :was AND attribute_not_exists({step}_at)", names={"#s": "state"},
        )  # fmt: skip

    def close(self, case: Case, now: int) -> Write:
        return self.table.update(
            f"CASE#{case.id}", "CASE", "SET #s = :closed, closed_at = :now REMOVE gsi1pk, gsi1sk",
            {":closed": str(State.CLOSED), ":now": now},
            condition="attribute_exists(pk) AND #s <> :closed", names={"#s": "state"},
        )  # fmt: skip
