"""The launch screen: what a person is told before the meter runs, from the license alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from chalicelib.catalog import rules as plans
from chalicelib.catalog.rules import price_text
from chalicelib.core.clock import to_datetime
from chalicelib.core.ids import derived_id
from chalicelib.core.signing import canonical
from chalicelib.core.spans import length, spoken
from chalicelib.licenses import rules
from chalicelib.licenses.values import Screen

if TYPE_CHECKING:
    from chalicelib.licenses.values import Head, Launch, Room


def launch_screen(head: Head, release: str | None, room: Room | None = None) -> Screen:
    """The same for the same license and release, but for what is left of a pass."""
    title = f"{head.application_name} {release}" if release else head.application_name
    return screen(title, " ".join(sentences(head, room)))


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
