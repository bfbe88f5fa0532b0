"""The planner: looks at each account in the morning where its person is, and writes what is due.

It runs every five minutes and looks ahead, so that mail is in the outbox before its minute and
leaves on time, also where thousands have the same morning.
A look is one transaction: the messages, each put if absent under the name of its fact, and the
agenda's next morning, from the state that was read. So a run that is late, doubled or cut short
neither loses a mail nor says anything twice (G11, G12).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chalicelib.core.clock import MINUTE
from chalicelib.mail import occasions
from chalicelib.mail.facts import usable
from chalicelib.mail.templates import MEMBERS
from chalicelib.observability import count, failure
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.core.clock import Clock
    from chalicelib.licenses.walk import LicenseWalk
    from chalicelib.mail.agenda import Agenda, AgendaStore
    from chalicelib.mail.facts import Facts
    from chalicelib.mail.occasions import Occasion
    from chalicelib.mail.outbox import Outbox
    from chalicelib.mail.service import Directory
    from chalicelib.mail.wishes import WishStore
    from chalicelib.storage.dynamo import Write

AHEAD = 75 * MINUTE  # so many runs share the accounts of one morning
ENOUGH = 200  # seconds that one run looks for; what is left comes with the next
MOST_LOOKS = 5000
WALKED = 170  # licenses that one run looks up: 2,000 an hour, so a new one is not unknown for long
MOST_WRITES = 90  # of a look's messages in one transaction


class PlanningIncomplete(Exception):
    """Some accounts or licenses failed; the others were looked at, and a later run tries again."""


class MailPlanner:
    def __init__(
        self,
        agendas: AgendaStore,
        wishes: WishStore,
        outbox: Outbox,
        people: Directory,
        licenses: LicenseWalk,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self.agendas, self.wishes, self.outbox, self.people = agendas, wishes, outbox, people
        self.licenses, self.facts, self.clock = licenses, facts, clock

    def run(self) -> dict[str, int]:
        """How many accounts were woken and looked at, and how many mails written."""
        self.facts.begin()
        ends = time.monotonic() + ENOUGH
        done = {"woken": 0, "looks": 0, "mails": 0, "failed": 0}
        self._walk_or_log(done)
        for number, (account, since) in enumerate(self.agendas.due(self.clock() + AHEAD)):
            if number == MOST_LOOKS or time.monotonic() > ends:
                if since <= self.clock():  # it is morning for them already
                    count("planner_behind")
                break
            self._look_or_log(account, done)
        for name, value in done.items():
            count(f"planner_{name}", value)
        if done["failed"]:
            raise PlanningIncomplete(f"{done['failed']} accounts or licenses failed")
        return done

    def _walk_or_log(self, done: dict[str, int]) -> None:
        """Who is awake already has their mail, whatever becomes of the walk."""
        try:
            done["woken"], failed = self.walk(WALKED)
            done["failed"] += failed
        except Exception as error:  # noqa: BLE001 - the looks do not need it
            failure("planner_walk_failed", error)
            done["failed"] += 1

    def walk(self, most: int) -> tuple[int, int]:
        """Wake the owners of the next licenses behind the last run's; how many, how many failed.

        Nothing else wakes anybody: a license is met within as many runs as there are stretches.
        """
        found, further, failed = self.licenses.stretch(self.agendas.cursor(), most)
        now, woken = self.clock(), 0
        for account in dict.fromkeys(head.account for head in found if usable(head, now)):
            try:
                woken += self._wake(account, now)
            except Exception as error:  # noqa: BLE001 - one account must not keep the others asleep
                failure("planner_failed", error, account=account)
                failed += 1
        self.agendas.move_cursor(further)
        return woken, failed

    def _wake(self, account: str, now: int) -> bool:
        agenda = self.agendas.agenda(account)
        if agenda and agenda.awake:
            return False
        return self.agendas.wake(account, now)

    def _look_or_log(self, account: str, done: dict[str, int]) -> None:
        try:
            done["mails"] += self.look(account)
        except ConditionFailed:
            count("planner_overtaken")  # another run looks at this account
        except Exception as error:  # noqa: BLE001 - one account must not stop the others' mail
            failure("planner_failed", error, account=account)
            done["failed"] += 1
        else:
            done["looks"] += 1

    def look(self, account: str) -> int:
        """Write what is due to one account; how many mails. ConditionFailed where another looks."""
        agenda = self.agendas.agenda(account)
        if agenda is None or not agenda.awake:
            return 0
        now, choices = self.clock(), self.wishes.choices(account)
        seen = occasions.look(agenda.looked_until, now, AHEAD, choices.zone)
        person = self.people.account(account)
        known = self.facts.known(account, seen, now)
        if known is None or person is None or person.state not in MEMBERS:
            self.agendas.table.transact(self.agendas.sleep(agenda))
            return 0
        due = list(occasions.occasions(known, seen, now))
        wanted = [one for one in due if one.template not in choices.topics_off]
        return self._write(agenda, seen, wanted, now)

    def _write(
        self, agenda: Agenda, seen: occasions.Look, due: Iterable[Occasion], now: int
    ) -> int:
        new = [one for one in due if not self.outbox.written(one.template, *one.fact)]
        writes = [self._message(agenda.account, one, now) for one in new[:MOST_WRITES]]
        if len(new) > MOST_WRITES:
            move = self.agendas.move(agenda, agenda.looked_until, agenda.look_at)
        else:
            until = max(seen.since, seen.upto)
            move = self.agendas.move(agenda, until, occasions.next_morning(seen))
        self.agendas.table.transact(move, *writes)
        return len(writes)

    def _message(self, account: str, one: Occasion, now: int) -> Write:
        _, write = self.outbox.message(
            one.template, fact=one.fact, account=account, arguments=one.arguments,
            due=one.due, now=now, not_after=one.not_after,
        )  # fmt: skip
        return write
