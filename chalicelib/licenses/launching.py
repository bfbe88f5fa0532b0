"""Launches: one Query and one transaction give permission, seat, meter, price and screen at once.

The same launch_id and segment always get the same lease. A Query is not a snapshot, so every write
pins what it read; whoever loses a race reads again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chalicelib.core.clock import MINUTE
from chalicelib.core.errors import Unavailable
from chalicelib.licenses import rules, screens
from chalicelib.licenses.store import slot_sk, use_sk
from chalicelib.licenses.values import Interval, Launch, Lease
from chalicelib.licenses.verdicts import Code, Verdict, closest
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.core.clock import Clock
    from chalicelib.licenses.rules import Ask
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.values import Head, View
    from chalicelib.storage.dynamo import Write

    ReleaseFact = Callable[[str, str], str | None]
    Settle = Callable[[str], bool]

TRIES = 60
STALENESS = MINUTE  # of a release fact; it and the screen's texts alone may be cached here


class HeldElsewhere(Exception):
    """The launch is held under another of the caller's licenses."""

    def __init__(self, license_id: str) -> None:
        self.license_id = license_id
        super().__init__("held under another license")


@dataclass(frozen=True, slots=True)
class Opening:
    """A segment about to open: in which place, after what was there, not before `start`."""

    head: Head
    ask: Ask
    view: View
    sk: str
    start: int
    old: Lease | None = None


@dataclass(slots=True)
class Plan:
    """The parts of one transaction by name, so that a refusal says which of them refused."""

    names: list[str] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)

    def add(self, name: str, write: Write) -> None:
        self.names.append(name)
        self.writes.append(write)


class Launching:
    def __init__(
        self,
        store: LicenseStore,
        clock: Clock,
        release_fact: ReleaseFact,
        settle: Settle,
        texts: screens.Texts,
    ) -> None:
        self.store, self.clock = store, clock
        self.release_fact, self.settle, self.texts = release_fact, settle, texts

    def check(self, ask: Ask) -> Verdict:
        """One strong Query and no write; where several licenses fit, the first that does."""
        refused = []
        for license_id in ask.candidates:
            verdict = self._check(license_id, ask)
            if verdict.valid:
                return verdict
            refused.append(verdict)
        return closest(refused)

    def _check(self, license_id: str, ask: Ask) -> Verdict:
        view = self.store.view(license_id)
        rules.require_key(view.head, ask)
        return rules.judge(view, ask, self.clock(), self._fact(view, ask))

    def launch(self, ask: Ask) -> Verdict:
        """The lease of this launch and segment, or why there is none.

        OtherLaunch where the launch_id was used for something else.
        """
        refused = []
        for license_id in ask.candidates:
            try:
                verdict = self._launch_under(license_id, ask)
            except HeldElsewhere as error:
                if ask.license_id:
                    raise rules.OtherLaunch from None
                verdict = self._launch_under(error.license_id, ask)
            if verdict.valid or verdict.code in rules.SETTLED:
                return verdict
            refused.append(verdict)
        self._refuse_other_use(ask, refused)
        return closest(refused)

    def _refuse_other_use(self, ask: Ask, refused: list[Verdict]) -> None:
        """OtherLaunch where a license of the caller's knows this launch_id, but not for this.

        Whoever is no longer one of its people is told no more than that it is unknown.
        """
        looked_at = {verdict.head.license for verdict in refused if verdict.head}
        for license_id in ask.own:
            if license_id in looked_at or not self.store.launch(license_id, ask.launch_id):
                continue
            if rules.is_of(self.store.head(license_id), ask):
                raise rules.OtherLaunch

    def _fact(self, view: View, ask: Ask) -> str | None:
        head = view.head
        if ask.release is None or head is None or not rules.may_speak_of(head, ask):
            return None
        return self.release_fact(head.application, ask.release)

    # under one license

    def _launch_under(self, license_id: str, ask: Ask) -> Verdict:
        for _ in range(TRIES):
            verdict = self._try_launch(license_id, ask)
            if verdict is not None:
                return verdict
        raise Unavailable

    def _try_launch(self, license_id: str, ask: Ask) -> Verdict | None:
        """A verdict, or None where another call came in between."""
        view, now = self.store.view(license_id), self.clock()
        head = view.head
        rules.require_key(head, ask)
        if head is None or not rules.may_speak_of(head, ask):
            return Verdict(Code.UNKNOWN)
        barred = [
            *rules.right_barred(head, now),
            *rules.use_barred(view, ask, self._fact(view, ask)),
        ]
        full = list(rules.space_barred(view, head, now))
        mine = view.slot_of(rules.lease_id(license_id, ask.launch_id))
        if mine and mine.live(now) and mine.segment == ask.segment and not barred:
            return self._again(head, mine, ask)
        known = None
        if barred or full or mine or ask.segment:
            known = self.store.launch(license_id, ask.launch_id)
        if known:
            rules.require_same(known, ask)
        if barred:
            return rules.refuse(barred + full, view, now)
        if known is None:
            return self._first(head, view, ask, now)
        if known.segment != ask.segment - 1:
            return self._existing(head, known, ask)
        return self._next(head, view, ask, now, known)

    def _first(self, head: Head, view: View, ask: Ask, now: int) -> Verdict | None:
        if ask.segment:
            return Verdict(Code.UNKNOWN, head=head)
        return self._take(head, view, ask, now)

    def _next(self, head: Head, view: View, ask: Ask, now: int, known: Launch) -> Verdict | None:
        """The next segment: only after the last expired, within the grace, never after an end."""
        last = self._open_lease(head, view, known)
        past = None if last else self._interval(known)
        if last and last.live(now):
            return self._again(head, last, ask)
        if last is None and past is None:
            return None
        if rules.ended_for_good(known, past):
            return Verdict(Code.LEASE_ENDED, head=head, interval=past)
        held_until = last.expires_at if last else past.held_until if past else now
        if not rules.may_resume(head, held_until, now):
            return Verdict(Code.LEASE_EXPIRED, head=head, interval=past)
        return self._take(head, view, ask, now, last)

    def _take(
        self, head: Head, view: View, ask: Ask, now: int, last: Lease | None = None
    ) -> Verdict | None:
        """A place and room for the segment, or why there is none.

        Where expired leases hold room that is wanted now, they are closed, and all is read again.
        """
        if rules.room_is_short(view, head) and self.settle(head.license):
            return None
        if full := list(rules.space_barred(view, head, now)):
            return rules.refuse(full, view, now)
        return self._open(place(head, view, ask, now, last))

    def _open_lease(self, head: Head, view: View, known: Launch) -> Lease | None:
        """The open item of the launch's last segment, expired or not."""
        found = view.at(known.held_in)
        if head.slots is None:
            found = self.store.lease(head, known.held_in)
        return found if found and rules.holds(found, known) else None

    def _interval(self, known: Launch) -> Interval | None:
        return self.store.interval(known, rules.lease_id(known.license, known.launch_id))

    def _existing(self, head: Head, known: Launch, ask: Ask) -> Verdict | None:
        """What became of a segment opened before; None where it moved between two reads."""
        if known.segment != ask.segment:
            later = known.segment > ask.segment
            return Verdict(Code.LEASE_SUPERSEDED if later else Code.UNKNOWN, head=head)
        found = self.store.lease(head, known.held_in)
        if found and rules.holds(found, known):
            if found.live(self.clock()):
                return self._again(head, found, ask, known)
            return Verdict(Code.LEASE_EXPIRED, head=head)
        past = self._interval(known)
        if past is None:
            return None
        ended = rules.ended_for_good(known, past)
        return Verdict(Code.LEASE_ENDED if ended else Code.LEASE_EXPIRED, head=head, interval=past)

    def _again(self, head: Head, lease: Lease, ask: Ask, known: Launch | None = None) -> Verdict:
        """The same lease with the screen that it was signed for."""
        if lease.computer != ask.computer or (
            lease.segment == ask.segment and lease.release != ask.release
        ):
            raise rules.OtherLaunch
        texts = self.texts.of(head.application)
        screen = screens.launch_screen(head, lease.release, None, texts)
        if screen.sha256 != lease.screen:
            known = known or self.store.launch(lease.license, lease.launch_id)
            screen = screens.of_launch(known) if known else screen
        return Verdict(Code.VALID, head=head, lease=lease, screen=screen)

    # the transaction

    def _open(self, opening: Opening) -> Verdict | None:
        head, ask = opening.head, opening.ask
        texts = self.texts.of(head.application)
        screen = screens.launch_screen(head, ask.release, opening.view.room, texts)
        lease = new_lease(opening, screen.sha256)
        if lease.expires_at <= lease.started_at:
            return Verdict(Code.EXPIRED, head=head)
        launch = Launch(
            head.license, ask.launch_id, ask.segment, lease.started_at, lease.sk,
            head.application, lease.computer, ask.release, screen.title, screen.body,
        )  # fmt: skip
        plan = self._plan(opening, lease, launch)
        try:
            self.store.usage.transact(*plan.writes)
        except ConditionFailed as refusal:
            return self._lost(opening, plan, refusal)
        return Verdict(Code.VALID, head=head, lease=lease, screen=screen, room=opening.view.room)

    def _plan(self, opening: Opening, lease: Lease, launch: Launch) -> Plan:
        head, ask, old, store = opening.head, opening.ask, opening.old, self.store
        plan = Plan()
        plan.add("launch", store.put_launch(launch))
        plan.add("place", store.take(lease, old))
        plan.add("head", store.head_unchanged(head, lease))
        expired = old if old and not old.closed else None
        if expired:
            plan.add("interval", store.interval_row(expired, expiry(expired)))
        if head.capped:
            plan.add("room", store.reserve(head.license, rules.held(lease), expired))
        if lease.computer not in opening.view.computers:
            plan.add("computer", store.add_computer(head.license, lease.computer, opening.start))
        for other in ask.own if ask.segment == 0 else ():
            if other != head.license:
                plan.add(other, store.no_launch(other, ask.launch_id))
        return plan

    def _lost(self, opening: Opening, plan: Plan, refusal: ConditionFailed) -> Verdict | None:
        head, ask = opening.head, opening.ask
        refused = {plan.names[position] for position in refusal.failed}
        if elsewhere := refused & set(ask.own):
            raise HeldElsewhere(min(elsewhere))
        if "launch" not in refused:
            return None
        known = self.store.launch(head.license, ask.launch_id)
        if known is None:
            return None
        rules.require_same(known, ask)
        return self._existing(head, known, ask)


def place(head: Head, view: View, ask: Ask, now: int, last: Lease | None = None) -> Opening:
    """Where the segment opens: its own expired place, else a free seat chosen by the launch_id."""
    if head.slots is None:
        start = max(now, last.expires_at) if last else now
        return Opening(head, ask, view, use_sk(ask.launch_id), start, last)
    if last and last.seat in head.slots:
        seat = last.seat or 0
    else:
        free = view.free(now)
        unused = [seat for seat in free if seat not in view.slots] or free
        seat = unused[int(rules.lease_id(head.license, ask.launch_id)[-6:], 36) % len(unused)]
    old = view.slots.get(seat)
    start = max(now, old.expires_at) if old else now
    return Opening(head, ask, view, slot_sk(seat), start, old)


def new_lease(opening: Opening, screen: str) -> Lease:
    head, ask, start = opening.head, opening.ask, opening.start
    terms = head.terms
    return Lease(
        license=head.license, sk=opening.sk, id=rules.lease_id(head.license, ask.launch_id),
        launch_id=ask.launch_id, segment=ask.segment, started_at=start,
        expires_at=rules.first_end(head, opening.view.room, start), seq=0, seen=start,
        epoch=head.epoch, rate=terms.rate, currency=head.currency, terms=terms.version,
        free_ms=terms.free_ms,
        lease_ms=terms.lease_ms, vendor=head.vendor, application=head.application,
        computer=ask.computer or "", release=ask.release, screen=screen, capped=head.capped,
        prepaid=head.prepaid, ends_at=head.ends_at, person=ask.person,
        key=rules.key_mark(ask.key_hash) if ask.person is None else None,
    )  # fmt: skip


def expiry(lease: Lease) -> Interval:
    """How an expired lease that nobody ended is billed."""
    return Interval(
        lease.id, lease.launch_id, lease.segment, lease.started_at, rules.billed_to(lease),
        lease.expires_at, rules.BY_EXPIRY, lease.computer,
    )  # fmt: skip


def ending(lease: Lease, at: int) -> Interval:
    return replace(expiry(lease), ended_at=at, held_until=at, by=rules.BY_END)
