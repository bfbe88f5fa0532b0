"""The launch screen: what a person is told before the meter runs, from the license alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from chalicelib.catalog.rules import price_text
from chalicelib.core.ids import derived_id
from chalicelib.core.signing import canonical
from chalicelib.licenses.values import Screen

if TYPE_CHECKING:
    from chalicelib.licenses.values import Head, Launch

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def launch_screen(head: Head, release: str | None) -> Screen:
    """Always the same for the same license terms and release."""
    title = f"{head.application_name} {release}" if release else head.application_name
    return screen(title, " ".join(sentences(head)))


def of_launch(launch: Launch) -> Screen:
    """The screen as it was when the launch was made."""
    return screen(launch.screen_title, launch.screen_body)


def screen(title: str, body: str) -> Screen:
    parts = {"id": derived_id("scr", title, body), "title": title, "body": body}
    return Screen(**parts, sha256=hashlib.sha256(canonical(parts)).hexdigest())


def sentences(head: Head) -> list[str]:
    terms = head.terms
    found = [f"Plan: {head.plan_name}.", price(head)]
    if terms.free_ms:
        found.append(f"A launch closed within {length(terms.free_ms)} costs nothing.")
    if head.capped:
        found.append("A spend cap is set: no launch starts that could exceed it.")
    if head.slots is not None:
        seats = len(head.slots)
        found.append(f"{seats} seat{'s' if seats != 1 else ''} in this license.")
    found.append(outage(head))
    return found


def price(head: Head) -> str:
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


def length(milliseconds: int) -> str:
    """`1 hour`, `90 seconds`: the largest unit that says it exactly."""
    for unit, name in ((HOUR_MS, "hour"), (MINUTE_MS, "minute"), (1000, "second")):
        if milliseconds % unit == 0:
            count = milliseconds // unit
            return f"{count} {name}{'s' if count != 1 else ''}"
    return f"{milliseconds} milliseconds"
