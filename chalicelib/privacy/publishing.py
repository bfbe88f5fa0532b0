"""Publishing a version: one transaction that puts it in force, for good, and starts its notices.

Conflict
└── NotNext     another version is in force by now, or no next one is prepared
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY
from chalicelib.core.errors import Conflict
from chalicelib.privacy import policies
from chalicelib.privacy.changes import Difference, differences
from chalicelib.privacy.published import IN_FORCE, PK
from chalicelib.privacy.rules import Entry, Event, policy
from chalicelib.storage.dynamo import ABSENT, ConditionFailed

if TYPE_CHECKING:
    from chalicelib.core.clock import Clock
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.notice_jobs import NoticeJobs
    from chalicelib.privacy.published import Publication, Published
    from chalicelib.storage.dynamo import Write

SHOWN = 30 * DAY  # how long the start page says what changed, at least (PS-78)
REASON = "page:/staff/policy"


class NotNext(Conflict):
    code = "not_the_next_version"
    title = "This version cannot be published"
    detail = "Another version is in force by now. Look at the page again."


@dataclass(frozen=True, slots=True)
class Change:
    """Version `number`, in force since `at`, and how it differs from the one before."""

    number: int
    at: int
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The next version, written and tested but not in force."""

    number: int
    id: str
    differences: list[Difference]


class Publishing:
    def __init__(
        self, published: Published, jobs: NoticeJobs, ledger: Ledger, clock: Clock
    ) -> None:
        self.published, self.jobs, self.ledger, self.clock = published, jobs, ledger, clock

    def prepared(self) -> Prepared | None:
        """The version after the one in force, if there is one."""
        number = self.published.number()
        if number + 1 not in policies.VERSIONS:
            return None
        found = policy(number + 1)
        return Prepared(found.number, found.id, differences(policy(number), found))

    def publish(self, number: int, member: str) -> None:
        """In force from this instant on; NotNext unless it follows the one in force.

        Again, by a second click or another member of staff: NotNext, and nothing was done.
        """
        prepared = self.prepared()
        if prepared is None or prepared.number != number:
            raise NotNext
        now = self.clock()
        try:
            self.ledger.commit(lambda: self._writes(prepared, member, now))
        except ConditionFailed:
            raise NotNext from None

    def _writes(self, next_one: Prepared, member: str, now: int) -> list[Write]:
        entry = Entry(Event.PUBLISHED, policy=next_one.id, reason=REASON)
        return [
            self._in_force(next_one, now),
            self._version(next_one, now),
            self.jobs.put(next_one.number, now),
            *self.ledger.append(member, [entry], now),
        ]

    def _in_force(self, next_one: Prepared, now: int) -> Write:
        return self.published.table.update(
            PK, IN_FORCE,
            "SET #number = :next, #policy = :policy, #at = :at, #type = :type, v = :v",
            {
                ":next": next_one.number, ":policy": next_one.id, ":at": now,
                ":type": "policy", ":v": 1,
            },
            condition="attribute_not_exists(pk) OR #number < :next",
            names={"#number": "number", "#policy": "policy", "#at": "at", "#type": "type"},
        )  # fmt: skip

    def _version(self, next_one: Prepared, now: int) -> Write:
        return self.published.table.put(
            {
                "pk": PK, "sk": f"VERSION#{next_one.number}", "type": "policy", "v": 1,
                "number": next_one.number, "policy": next_one.id, "at": now,
            },
            ABSENT,
        )  # fmt: skip

    def history(self) -> list[Change]:
        """Every publication with its differences, the newest first."""
        return [change_of(one) for one in reversed(self.published.history())]

    def recent(self) -> list[Change]:
        """Those that the start page still tells of, the newest first: one read."""
        now = self.clock()
        return [one for one in self.history() if now < one.at + SHOWN]


def change_of(publication: Publication) -> Change:
    after = policy(publication.number)
    before = policy(publication.number - 1)
    return Change(publication.number, publication.at, differences(before, after))
