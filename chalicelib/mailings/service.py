"""What staff do with mailings, what the mailer reads of them, and what a launch screen shows.

Each act of staff is one transaction: the mailing's next state, from the state that was seen, and a
row on the ledger of whoever did it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.core.errors import Conflict, InvalidInput, NotFound
from chalicelib.core.few import shown_count
from chalicelib.core.ids import derived_id
from chalicelib.mail.rules import State as MessageState
from chalicelib.mail.rules import Unapproved
from chalicelib.mailings.rules import (
    GOING_OUT,
    LONGEST_SCREEN,
    OVER,
    Content,
    CountedAnew,
    Mailing,
    OwnMailing,
    Refusal,
    State,
    WrongState,
    check,
    check_to_come,
    over_at,
    reason_flaw,
)
from chalicelib.mailings.texts import Channel, Kind
from chalicelib.observability import failure
from chalicelib.privacy.rules import Entry, Event
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.core.clock import Clock
    from chalicelib.mail.rules import Argument
    from chalicelib.mailings.store import MailingStore
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.storage.dynamo import Write

RECENT = 50  # mailings that are looked at for what waits
LOOKED_AT = 400  # mailings that one search reads at most; the next page goes on


class TooFew(Conflict):
    """So few people got it that the number could tell of one of them (PS-77)."""

    code = "too_few"
    title = "Too few to tell"
    detail = "Fewer than eleven people got this mail, so the number is not told."


@dataclass(frozen=True, slots=True)
class ScreenText:
    """An approved text for the launches of an application."""

    mailing: str
    title: str
    body: str


class Mailings:
    """`tally` answers how the messages of a mailing ended.

    `link_out` makes the path of our exit page for a partner's address.
    """

    def __init__(
        self,
        store: MailingStore,
        tally: Callable[[str], dict[str, int]],
        ledger: Ledger,
        link_out: Callable[[str], str],
        clock: Clock,
    ) -> None:
        self.store, self.counts, self.ledger = store, tally, ledger
        self.link_out, self.clock = link_out, clock

    # looking

    def mailing(self, mailing_id: str) -> Mailing:
        """NotFound where there is none."""
        if (found := self.store.mailing(mailing_id)) is None:
            raise NotFound
        return found

    def over(self, mailing_id: str) -> Mailing:
        """One that was refused or canceled; NotFound for any other."""
        if (found := self.mailing(mailing_id)).state not in OVER:
            raise NotFound
        return found

    def search(
        self, wanted: str, state: str, below: str | None, limit: int
    ) -> tuple[list[Mailing], str | None]:
        """Up to `limit`, the newest first, and the place to go on behind if there is more."""
        found: list[Mailing] = []
        for looked_at, (place, mailing) in enumerate(self.store.newest(below), 1):
            if fits(mailing, wanted, state):
                found.append(mailing)
            if len(found) == limit or looked_at == LOOKED_AT:
                return found, place
        return found, None

    def waiting(self, staff: str, *, approves: bool, schedules: bool) -> int:
        """How many of the newest wait for this person: to be approved, or to be scheduled."""
        newest = (mailing for _, mailing in islice(self.store.newest(None), RECENT))
        return sum(
            (approves and each.state is State.SUBMITTED and each.author != staff)
            or (schedules and each.state is State.APPROVED)
            for each in newest
        )

    def where(self, content: Content) -> str:
        """The path that a mail of this content links to; "" for none."""
        if web := content.fields.get("web"):
            return self.link_out(web)
        return content.fields.get("page", "")

    def told(self, content: Content) -> dict[str, Argument]:
        """What its mails are filled with."""
        return {
            "title": content.title, "lines": content.paragraphs, "where": self.where(content),
        }  # fmt: skip

    def tally(self, mailing: Mailing) -> dict[str, int | None]:
        """How many of its mails ended how; a small number of optional mails is not shown."""
        counts = self.counts(mailing.id)
        if mailing.content.kind is Kind.ANNOUNCEMENT:
            return dict(counts)
        return {name: shown_count(number) for name, number in counts.items()}

    def for_partner(self, mailing_id: str) -> dict[str, str | int]:
        """All that a partner is told: the headline, and how many got it, from eleven on (PS-77)."""
        mailing = self.mailing(mailing_id)
        if mailing.content.kind is not Kind.PARTNER:
            raise NotFound
        sent = shown_count(self.counts(mailing_id).get(MessageState.SENT, 0))
        if sent is None:
            raise TooFew
        return {"headline": mailing.content.title, "delivered": sent}

    # what goes out

    def text_of(self, mailing_id: str) -> dict[str, Argument]:
        """What its mails say; Unapproved unless that is the text that two people agreed on."""
        mailing = self.store.mailing(mailing_id)
        if mailing is None or mailing.state not in GOING_OUT:
            raise Unapproved(mailing_id)
        return self.told(mailing.as_approved())

    def screens(self, application: str, now: int) -> list[ScreenText]:
        """What is shown at each launch of an application now, the longest shown first.

        One query. A text that is not the approved one is left out.
        """
        found = []
        for mailing in sorted(self.store.screens(application), key=lambda each: each.at or 0):
            if mailing.shows(now) and (content := approved(mailing)):
                body = " ".join(content.paragraphs)
                found.append(ScreenText(mailing.id, content.title, body))
        return found

    # what staff do

    def draft(self, staff: str, once: str, content: Content) -> str:
        """A new draft's id; sent twice by one form it is one draft. TextRefused for its words."""
        mailing_id, now = derived_id("mlg", staff, once), self.clock()
        check_to_come(check(content), now)
        mailing = Mailing(mailing_id, content, staff, State.DRAFT, now)
        try:
            self._act(staff, "draft", mailing_id, self.store.draft(mailing))
        except WrongState:
            found = self.mailing(mailing_id)
            if found.content != content:
                raise
        return mailing_id

    def change(self, staff: str, mailing_id: str, content: Content) -> None:
        check_to_come(check(content), self.clock())
        mailing = self.mailing(mailing_id)
        if mailing.author != staff:
            raise WrongState
        self._act(staff, "change", mailing_id, [self.store.change(mailing, content)])

    def submit(self, staff: str, mailing_id: str) -> None:
        mailing, now = self.mailing(mailing_id), self.clock()
        check_to_come(check(mailing.content), now)
        if mailing.author != staff:
            raise WrongState
        self._act(staff, "submit", mailing_id, [self.store.submit(mailing, now)])

    def approve(self, staff: str, mailing_id: str, seen: str) -> None:
        """Pin the text with the hash that this person looked at; OwnMailing for its author."""
        mailing = self.mailing(mailing_id)
        if mailing.author == staff:
            raise OwnMailing
        if check(mailing.content).sha256 != seen:
            raise WrongState
        self._act(staff, "approve", mailing_id, [self.store.approve(mailing_id, seen, staff)])

    def schedule(
        self, staff: str, mailing_id: str, at: int | None, until: int | None = None
    ) -> None:
        """Send it from `at` on; a launch screen has an end too, and shows from now without `at`."""
        mailing, now = self.mailing(mailing_id), self.clock()
        if at is None and mailing.channel is Channel.MAIL:
            raise InvalidInput(errors={"at": "Write when it goes out, or choose to send it now."})
        at = now if at is None else at
        if at < now:
            raise InvalidInput(errors={"at": "This is past already. Choose a time to come."})
        self._schedule(staff, mailing, at, until)

    def send_now(self, staff: str, mailing_id: str, people: int | None) -> None:
        """Send it, to as many as the page named; CountedAnew where that is no more the number."""
        mailing = self.mailing(mailing_id)
        if mailing.channel is not Channel.MAIL:
            raise WrongState
        if people != (mailing.count.people if mailing.count else None):
            raise CountedAnew
        self._schedule(staff, mailing, self.clock(), None)

    def _schedule(self, staff: str, mailing: Mailing, at: int, until: int | None) -> None:
        if mailing.channel is Channel.SCREEN and (
            until is None or not at < until <= at + LONGEST_SCREEN
        ):
            raise InvalidInput(errors={"until": "It ends later, and within 90 days."})
        if mailing.state is not State.APPROVED:
            raise WrongState
        over = over_at(mailing.as_approved())
        if over is not None and over <= at:
            raise InvalidInput(errors={"at": "The maintenance that it tells of is over by then."})
        self._act(staff, "schedule", mailing.id, self.store.schedule(mailing, at, until))

    def refuse(self, staff: str, mailing_id: str, why: str) -> None:
        """It goes no further, and its author is told why; InvalidInput without a plain reason."""
        why = " ".join(why.split())
        if flaw := reason_flaw(why):
            raise InvalidInput(errors={"why": flaw})
        told = Refusal(why, staff, self.clock())
        self._stop(staff, "refuse", mailing_id, State.REFUSED, told)

    def cancel(self, staff: str, mailing_id: str) -> None:
        self._stop(staff, "cancel", mailing_id, State.CANCELED)

    def _stop(
        self, staff: str, step: str, mailing_id: str, to: State, refusal: Refusal | None = None
    ) -> None:
        mailing = self.mailing(mailing_id)
        if not mailing.may(step, self.clock()):
            raise WrongState
        self._act(staff, step, mailing_id, self.store.stop(mailing, to, refusal))

    def _act(self, staff: str, step: str, mailing_id: str, writes: list[Write]) -> None:
        entry = Entry(Event.MAILING, reason=f"mailing:{step}:{mailing_id}")
        try:
            self.ledger.commit(lambda: [*writes, *self.ledger.append(staff, [entry], self.clock())])
        except ConditionFailed:
            raise WrongState from None


def approved(mailing: Mailing) -> Content | None:
    """None where it is not the text that was approved: then nothing is shown, and it is counted."""
    try:
        return mailing.as_approved()
    except Unapproved as error:
        failure("screen_unapproved", error)
        return None


def fits(mailing: Mailing, wanted: str, state: str) -> bool:
    said = f"{mailing.content.title} {mailing.content.kind} {mailing.id}".casefold()
    return wanted.casefold() in said and state in {"", mailing.state}
