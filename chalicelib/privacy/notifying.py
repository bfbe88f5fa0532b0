"""Tells each active account that a published version touches, once, and staff of every version.

A notice is one transaction: the message, put if absent under version and account; a row of the
person's ledger; and the check that the account is active. The mailer looks again at the hand-over,
so that nobody who left in between is written to (PS-83); once they are back, the next walk writes
the same message again, since nobody got it. The walk is cut anywhere and goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, MINUTE, to_datetime
from chalicelib.observability import count, failure
from chalicelib.privacy.changes import differences, new_uses, told
from chalicelib.privacy.notice_jobs import START
from chalicelib.privacy.rules import Entry, Event, policy
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Protocol

    from chalicelib.core.clock import Clock
    from chalicelib.mail.outbox import Outbox
    from chalicelib.mail.rules import Argument
    from chalicelib.privacy.notice_jobs import Job, NoticeJobs
    from chalicelib.privacy.published import Publication, Published
    from chalicelib.privacy.service import Vault
    from chalicelib.storage.dynamo import Write

    class Account(Protocol):
        @property
        def id(self) -> str: ...
        @property
        def subject(self) -> str: ...
        @property
        def created_at(self) -> int: ...
        @property
        def active(self) -> bool: ...

    class Accounts(Protocol):
        """Who is active, and whether one still is."""

        def active(self, shard: int, after: str = "") -> Iterator[str]: ...
        def account(self, account_id: str | None) -> Account | None: ...
        def check_active(self, account: str) -> Write: ...

    class TellStaff(Protocol):
        """Writes one message a fact to everybody who works here; how many just now."""

        def __call__(
            self, template: str, fact: tuple[str | int, ...], arguments: Mapping[str, Argument]
        ) -> int: ...


MAIL, STAFF_MAIL = "policy_changed", "staff_policy"
STRETCH = 50  # accounts between two notes of how far the walk is
RESERVE = 20_000  # no account is begun with less time left than this, in milliseconds
# A registration of this instant or later was made under the version: it read it when it began.
SETTLED = MINUTE


class NoticesIncomplete(Exception):
    """Some accounts failed; the others were looked at, and the next walk meets all again."""


class PolicyNotices:
    """`shards` is how many the index of active accounts has, `staff` writes to who works here."""

    def __init__(
        self,
        jobs: NoticeJobs,
        published: Published,
        accounts: Accounts,
        shards: int,
        vault: Vault,
        outbox: Outbox,
        staff: TellStaff,
        clock: Clock,
    ) -> None:
        self.jobs, self.published, self.accounts, self.shards = jobs, published, accounts, shards
        self.vault, self.outbox, self.staff, self.clock = vault, outbox, staff, clock

    def run(self, time_left: Callable[[], int]) -> dict[str, int]:
        """How many accounts were looked at, told, and failed; and how many of the staff told.

        `time_left` is what the function may still use, in milliseconds; the next run goes on.
        """
        done = {"looked": 0, "told": 0, "staff": 0, "failed": 0}
        history = self.published.history()
        for job in self.jobs.due(self.clock()):
            done["staff"] += self._tell_staff(job)
            self._walk(job, history, time_left, done)
        for name, value in done.items():
            count(f"policy_notices_{name}", value)
        if done["failed"]:
            raise NoticesIncomplete(f"{done['failed']} could not be told")
        return done

    def _walk(
        self,
        job: Job,
        history: list[Publication],
        time_left: Callable[[], int],
        done: dict[str, int],
    ) -> None:
        """Every active account behind the job's place; then again from the start, a day later."""
        moved: Job | None = job
        while moved and moved.shard < self.shards:
            job, place, looked = moved, "", 0
            for account in self.accounts.active(job.shard, job.after):
                if looked == STRETCH or time_left() < RESERVE:
                    break
                self._tell_or_log(job, history, account, done)
                place, looked = f"{job.shard}#{account}", looked + 1
            else:
                place = f"{job.shard + 1}#"
            if not place:
                return  # out of time before the first of this stretch
            moved = self.jobs.move(job, place, job.look_at)
        if moved:
            self.jobs.move(moved, START, self.clock() + DAY)

    def _tell_or_log(
        self, job: Job, history: list[Publication], account: str, done: dict[str, int]
    ) -> None:
        done["looked"] += 1
        try:
            done["told"] += self.tell(job, history, account)
        except Exception as error:  # noqa: BLE001 - one account must not keep the news from others
            failure("policy_notice_failed", error, account=account)
            done["failed"] += 1

    def tell(self, job: Job, history: list[Publication], account_id: str) -> bool:
        """Whether the account was told just now: it is active, affected, and was not told yet.

        Mail that ended because they rested told nobody: it is written again, under the same id.
        """
        account = self.accounts.account(account_id)
        if account is None or not account.active:
            return False
        if self.outbox.told(MAIL, job.number, account_id):
            return False
        held = self.vault.granted(account.subject)
        found = new_uses(held, self._known(account, history), policy(job.number))
        if not found:
            return False
        message, write = self.outbox.message(
            MAIL, fact=(job.number, account_id), account=account_id,
            arguments=arguments(job, told(found, held, policy(job.number))),
            due=job.at, now=self.clock(), again=True,
        )  # fmt: skip
        try:
            self.vault.commit(
                lambda: [
                    write,
                    self.accounts.check_active(account_id),
                    *self._noted(account.subject, job, f"mail:{MAIL}", message),
                ]
            )
        except ConditionFailed:
            return False  # told by another run, or gone
        return True

    def _known(self, account: Account, history: list[Publication]) -> list[int]:
        """Versions that were in force when it registered, or that it was told of."""
        return [
            one.number
            for one in history
            if account.created_at >= one.at + SETTLED
            or self.outbox.told(MAIL, one.number, account.id)
        ]

    def _noted(self, subject: str, job: Job, reason: str, about: str) -> list[Write]:
        entry = Entry(Event.NOTIFIED, policy=policy(job.number).id, reason=reason)
        return self.vault.note_of(subject, entry, about)

    def _tell_staff(self, job: Job) -> int:
        """Everybody who works here, whether it touches customers or not (PS-54)."""
        before, after = policy(job.number - 1), policy(job.number)
        lines = [one.line for one in differences(before, after)]
        return self.staff(STAFF_MAIL, (job.number,), {"version": str(job.number), "changes": lines})


def arguments(job: Job, lines: list[str]) -> dict[str, Argument]:
    day = to_datetime(job.at)
    return {"version": job.number, "since": f"{day.day} {day:%B %Y}", "changes": lines}
