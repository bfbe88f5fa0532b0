"""What an item of the counters may look like: counts of closed names, and no instant but a day.

It is looked at where it lies, once a day, by the sweep: whoever asks for the rest of the nightly
check reads what came of it, and no counter (PS-29).
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, day_of
from chalicelib.visits.agents import BROWSERS, PLATFORMS
from chalicelib.visits.classes import PAGES
from chalicelib.visits.networks import NETWORKS
from chalicelib.visits.rules import (
    BOTS,
    COUNTRY,
    DIRECT,
    HOURS_KEPT,
    KINDS,
    MONTHS_KEPT,
    OTHER,
    PUBLIC,
    STATUS,
    UNKNOWN,
    WAY,
    moved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.visits.store import VisitStore

FACTS = frozenset({"pk", "sk", "type", "v", "purge_at"})
OF_A_FILE = frozenset({"tries", "counted", "unreadable"})
NAME = "n:"
A_DAY = 86_400  # seconds
PLACES = (
    re.compile(r"VISITS#FILES#\d{4}-\d{2}-\d{2} [0-9a-f]{32}"),
    re.compile(r"VISITS#HOURS#\d{4}-\d{2}-\d{2} \d"),
    re.compile(r"VISITS#\d{4}-\d{2}#\d \d{4}-\d{2}-\d{2}#[a-z]+"),
    re.compile(r"EXITS#\d{4}-\d{2} \d{4}-\d{2}-\d{2}"),
)
HOUR = re.compile(r"[01]\d|2[0-3]")


def is_way(name: str) -> bool:
    first, between, second = name.partition(WAY)
    return bool(between) and first in PAGES and second in PAGES


def is_site(name: str) -> bool:
    return name in {DIRECT, OTHER} or PUBLIC.fullmatch(name) is not None


NAMES: Mapping[str, Callable[[str], object]] = {
    "kind": {*KINDS.values(), BOTS}.__contains__,
    "page": PAGES.__contains__,
    "entry": PAGES.__contains__,
    "exit": PAGES.__contains__,
    "move": is_way,
    "status": STATUS.fullmatch,
    "hour": HOUR.fullmatch,
    "country": COUNTRY.fullmatch,
    "browser": BROWSERS.__contains__,
    "platform": PLATFORMS.__contains__,
    "network": {*NETWORKS.values()}.__contains__,
    "referrer": is_site,
    "left": is_site,
}


def family_of(item: Mapping[str, Any]) -> str:
    """What an item counts; "" for the marker of a file."""
    if item["pk"].startswith("EXITS#"):
        return "left"
    if item["pk"].startswith("VISITS#FILES#"):
        return ""
    return "hour" if item["pk"].startswith("VISITS#HOURS#") else item["sk"].partition("#")[2]


def as_promised(item: Mapping[str, Any]) -> bool:
    """Whether nothing in it is finer than a day, or says more than a closed name and a count."""
    place = f"{item['pk']} {item['sk']}"
    if not any(shape.fullmatch(place) for shape in PLACES) or item["purge_at"] % A_DAY:
        return False
    family = family_of(item)
    rest = item.keys() - FACTS
    if not family:
        return rest <= OF_A_FILE
    fits = NAMES.get(family)
    return fits is not None and all(
        name.startswith(NAME) and is_name(fits, name.removeprefix(NAME)) for name in rest
    )


def look(store: VisitStore, now: int) -> dict[str, int]:
    """How many items of visits were looked at, and how many are not as it was promised.

    This month's counters, those of one of the earlier months in turn, and what is kept for days.
    """
    today = date.fromisoformat(day_of(now))
    back = 1 + now // DAY % MONTHS_KEPT
    months = {today.isoformat()[:7], moved(today, -back, 1).isoformat()[:7]}
    days = [day_of(now - n * DAY) for n in range(HOURS_KEPT // DAY + 1)]
    found = [as_promised(item) for item in store.kept(sorted(months), days)]
    return {"looked_at": len(found), "findings": found.count(False)}


def is_name(fits: Callable[[str], object], name: str) -> bool:
    return name in {OTHER, UNKNOWN} or bool(fits(name))
