"""The launch screen: what a person is told before the meter runs.

It holds the terms of the very license, and the texts about the application that two people of the
staff agreed on. Nothing else has a place here, and nobody's choice takes it away (PS-64, PS-66).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from chalicelib.catalog import rules as plans
from chalicelib.catalog.rules import price_text
from chalicelib.core.clock import MINUTE, to_datetime
from chalicelib.core.ids import derived_id
from chalicelib.core.signing import canonical
from chalicelib.core.spans import length, spoken
from chalicelib.licenses import rules
from chalicelib.licenses.values import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from chalicelib.core.clock import Clock
    from chalicelib.licenses.values import Head, Launch, Room

    class Text(Protocol):
        """An approved text about an application."""

        @property
        def title(self) -> str: ...
        @property
        def body(self) -> str: ...

    ReadTexts = Callable[[str], Sequence[Text]]

STALENESS = MINUTE  # of the texts: the license itself is read at each launch


def no_texts(_application: str) -> Sequence[Text]:
    return ()


class Texts:
    """The texts about each application, read once a minute: a launch hardly ever waits for them."""

    def __init__(self, read: ReadTexts, clock: Clock) -> None:
        self.read, self.clock = read, clock
        self._kept: dict[str, tuple[int, tuple[str, ...]]] = {}

    def of(self, application: str) -> tuple[str, ...]:
        now = self.clock()
        kept = self._kept.get(application)
        if kept is None or not 0 <= now - kept[0] < STALENESS:
            found = tuple(f"{text.title}. {text.body}" for text in self.read(application))
            kept = self._kept[application] = (now, found)
        return kept[1]


def launch_screen(
    head: Head, release: str | None, room: Room | None = None, texts: Sequence[str] = ()
) -> Screen:
    """The same for the same license, release and texts, but for what is left of a pass."""
    title = f"{head.application_name} {release}" if release else head.application_name
    return screen(title, "\n\n".join((" ".join(sentences(head, room)), *texts)))


def of_launch(launch: Launch) -> Screen:
    """The screen as it was when the launch was made."""
    return screen(launch.screen_title, launch.screen_body)


def screen(title: str, body: str) -> Screen:
    parts = {"id": derived_id("scr", title, body), "title": title, "body": body}
    return Screen(**parts, sha256=hashlib.sha256(canonical(parts)).hexdigest())


def sentences(head: Head, room: Room | None = None) -> list[str]:
    terms = head.terms
    found = [f"Plan: {head.plan_name}.", cost(head, room)]
    if terms.free_ms:
        found.append(f"A launch closed within {length(terms.free_ms)} costs nothing.")
    if head.capped and not head.prepaid:
        found.append("A spend cap is set: no launch starts that could exceed it.")
    if head.slots is not None:
        seats = len(head.slots)
        found.append(f"{seats} seat{'s' if seats != 1 else ''} in this license.")
    found.append(outage(head))
    return found


def cost(head: Head, room: Room | None = None) -> str:
    """What a start costs under this plan, in a person's words."""
    until = f"until {moment(head.ends_at)}" if head.ends_at is not None else ""
    match head.terms.kind:
        case plans.PASS:
            left = spoken(rules.affordable(room.room, head.terms.rate)) if room else ""
            said = ", ".join(part for part in (left, until) if part)
            told = f" Left on it: {said}." if left else ""
            return f"This start uses your pass.{told} Nothing more is billed."
        case plans.SUBSCRIPTION:
            return "Your subscription covers this start: it costs nothing more."
        case plans.TRIAL:
            return f"Your trial runs {until}. This start costs nothing; the trial ends by itself."
    if not head.terms.rate:
        return "The time you use is not billed."
    rate = price_text(head.terms.rate, head.currency)
    return f"Price: {rate} an hour, by the time used, from launch to close."


def outage(head: Head) -> str:
    terms = head.terms
    if terms.outage_mode == "stop" or not terms.outage_grace_ms:
        return "If Cetrus cannot be reached, it stops at the end of the lease."
    how = "in read-only mode " if terms.outage_mode == "read_only" else ""
    cost = "not billed" if terms.outage_bill == "free" else "billed later"
    grace = length(terms.outage_grace_ms)
    return f"If Cetrus cannot be reached, it runs on {how}for {grace}, which is {cost}."


def moment(instant: int) -> str:
    """`9 December 2026, 14:12 UTC`."""
    found = to_datetime(instant)
    return f"{found.day} {found:%B %Y, %H:%M} UTC"
