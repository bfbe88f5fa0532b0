"""What a case is, when somebody must answer it, and what happens while nobody does.

    open --acknowledged--> acknowledged --overdue--> escalated
      |                         |                        |
      +-------------------------+------- closed <--------+

A case that nobody is told of, such as a machine's mail, stays open until it is closed.

CetrusError
├── NotFound
│   └── NoSuchCase        nothing was ever opened under this id
└── Conflict
    └── CaseClosed        what was written is read no more
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from chalicelib.core.clock import DAY
from chalicelib.core.errors import Conflict, NotFound

MESSAGES_A_DAY = 5
"""To one address by the form, or by mail that is proven to be its own; more is heard in silence."""
UNPROVEN_A_DAY = 1
"""To one address by mail that nothing vouches for: whoever wrote may have forged it."""
KEPT = 90 * DAY
"""How long what was written stays sealed after the case is closed."""
NEVER = 32_503_680_000_000
"""The year 3000: nothing is due any more, and the case is still in the list."""


class Kind(StrEnum):
    """What a case is about."""

    SUPPORT = "support"
    DATA = "data"
    SECURITY = "security"
    CONCERN = "concern"


class State(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    CLOSED = "closed"


class Step(StrEnum):
    """What the sweep does for a case, each once."""

    ACKNOWLEDGE = "acknowledged"
    ALERT = "alerted"
    ESCALATE = "escalated"


@dataclass(frozen=True, slots=True)
class Term:
    """From the arrival: when those who see to privacy are alerted, and when it is overdue."""

    alert: int
    due: int


TERMS = {
    Kind.SUPPORT: Term(alert=5 * DAY, due=7 * DAY),
    Kind.DATA: Term(alert=20 * DAY, due=30 * DAY),
    Kind.SECURITY: Term(alert=2 * DAY, due=3 * DAY),
    Kind.CONCERN: Term(alert=10 * DAY, due=14 * DAY),
}
CALLED = {
    Kind.SUPPORT: "question",
    Kind.DATA: "request about data",
    Kind.SECURITY: "message about security",
    Kind.CONCERN: "concern about privacy",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One matter. It says nothing of who wrote or what: `subject` is whose sealed message it is.

    `sender` is a keyed hash of the address, by which acknowledgments are limited. `mail` is the
    key of the raw mail in its bucket. Without a subject or a sender nobody is told of it.
    """

    id: str
    kind: Kind
    created_at: int
    alert_at: int
    due_at: int
    state: State = State.OPEN
    subject: str | None = None
    sender: str | None = field(default=None, repr=False)
    mail: str | None = None
    acknowledged_at: int | None = None
    alerted_at: int | None = None
    escalated_at: int | None = None
    closed_at: int | None = None

    @property
    def answerable(self) -> bool:
        return self.subject is not None and self.sender is not None

    @property
    def open(self) -> bool:
        return self.state is not State.CLOSED

    def steps(self, now: int) -> list[Step]:
        """What is due now and was not done."""
        return [step for step, instant in self._waiting() if instant <= now]

    @property
    def next_look(self) -> int:
        """When the sweep has something to do for it."""
        return min((instant for _, instant in self._waiting()), default=NEVER)

    def _waiting(self) -> list[tuple[Step, int]]:
        if not self.open:
            return []
        found = []
        if self.answerable and self.acknowledged_at is None:
            found.append((Step.ACKNOWLEDGE, self.created_at))
        if self.escalated_at is None:  # and whoever hears that it is overdue needs no alert
            found.append((Step.ESCALATE, self.due_at))
            if self.alerted_at is None:
                found.append((Step.ALERT, self.alert_at))
        return found


class NoSuchCase(NotFound):
    code = "no_such_case"
    detail = "There is no such case."


class CaseClosed(Conflict):
    code = "case_closed"
    detail = "The case is closed: what was written is read no more."


def opened(case_id: str, kind: Kind, now: int) -> Case:
    """A new case, due by the term of its kind."""
    term = TERMS[kind]
    return Case(case_id, kind, now, now + term.alert, now + term.due)
