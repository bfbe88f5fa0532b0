"""From lines of the visitor logs to counters, in one pass and in memory that does not grow.

An address and a user agent are looked at while their line is, and while the visit that they stand
for goes on in the same file, as one number that means nothing outside this process. Neither comes
out of here: what comes out are counts by day, one attribute at a time (PS-30, PS-31).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import date
from json import loads
from operator import itemgetter
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, day_of
from chalicelib.visits.agents import Agent, agent_of
from chalicelib.visits.classes import FIELDS, PAGES
from chalicelib.visits.classes import OTHER as STRAY
from chalicelib.visits.networks import network_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    Row = tuple[str, ...]

# Raised whenever the same file might come out otherwise; a file that was unreadable is tried again.
RULES = 1
# What is counted, by day; `hour` holds the clicks of each hour and goes after a week.
FAMILIES = (
    "kind", "page", "status", "referrer", "browser", "platform", "network", "country", "hour",
    "move", "entry", "exit",
)  # fmt: skip
OTHER = "other"
UNKNOWN = "unknown"
DIRECT = "direct"
INSIDE = ""
WAY = " > "

MOST_DAYS = 31  # days that one pass tells apart; the roll-up itself has four open
ROOM = 1_000  # names of one family that are told apart while a file is read
FILE_ROOM = 100  # names of one family that a file may bring, in one update of one item
DAY_ROOM = 300  # names of one family that a day may hold, but for two that bring some at once
MOST_VISITS = 10_000  # visits that are under way at once in one file
CACHED = 2_000
HOURS_KEPT = 7 * DAY
MONTHS_KEPT = 25
EPOCH = date(1970, 1, 1).toordinal()
PAUSE = 30  # minutes without a click after which a visit is over

PAGE, STRAYS, BOTS = "pages", "strays", "bots"
SEEN = frozenset({PAGE, STRAYS})  # what people ask for by themselves, if they are not bots
KINDS: Mapping[str, str] = {
    **dict.fromkeys(PAGES, PAGE),
    "/staff*": "staff",
    "/assets/*": "assets",
    "/.well-known/*": "assets",
    "/webhooks/*": "programs",
    "/v1/vendor/*": "programs",
    "/v1/*": "programs",
    STRAY: STRAYS,
}
CLICKS = frozenset({"GET", "POST"})
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")
COUNTRY = re.compile(r"[A-Z]{2}")
STATUS = re.compile(r"[1-5][0-9]{2}")
REFERRER = re.compile(
    r"https?://(?:[^/?#@]*@)?([a-z0-9.-]{4,100})(?::[0-9]+)?(?:[/?#]|$)", re.IGNORECASE
)
PUBLIC = re.compile(r"(?:[a-z0-9-]+\.)+(?:[a-z]{2,}|xn--[a-z0-9-]+)")
PRIVATE = frozenset(
    {"local", "localhost", "internal", "lan", "home", "corp", "intranet", "private", "arpa"}
)
LABELS = 3  # a longer name is cut at the left, where sites put names of people and mailboxes


values_of = itemgetter(*FIELDS)


class Misdated(Exception):
    """The line is of a day that is closed, or not yet open."""


@dataclass(slots=True)
class Counts:
    """By day and family; `lines` were read, of which `unreadable` and `misdated` count nowhere."""

    days: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    lines: int = 0
    unreadable: int = 0
    misdated: int = 0

    @property
    def strange(self) -> bool:
        """Whether most of it cannot be read, so that it is no log of ours."""
        return self.unreadable * 2 > self.lines


def rolled(lines: Iterable[bytes], *, own: str = "", days: Collection[str] | None = None) -> Counts:
    """What the lines add up to; `own` is our own host, `days` those that are still open."""
    roll = Roll(own.lower(), days)
    for line in lines:
        roll.take(line)
    return roll.finish()


def day_start(day: str) -> int:
    """The first millisecond of a day in UTC."""
    return (date.fromisoformat(day).toordinal() - EPOCH) * DAY


def hours_end(day: str) -> int:
    """When a day's hours are merged into the day, which has their sum already."""
    return day_start(day) + DAY + HOURS_KEPT


def counters_end(day: str) -> int:
    """When a day's counters are gone: so many calendar months later, at the month's end at last."""
    then = date.fromisoformat(day)
    return day_start(moved(then, MONTHS_KEPT, then.day).isoformat())


def last_gone(now: int) -> str:
    """The last day whose counters are past their end."""
    today = date.fromisoformat(day_of(now))
    ends = monthrange(today.year, today.month)[1] == today.day
    return moved(today, -MONTHS_KEPT, 31 if ends else today.day).isoformat()


def moved(day: date, by: int, number: int) -> date:
    """So many months on or back, on the day of that number, or the month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + by, 12)
    return date(year, month + 1, min(number, monthrange(year, month + 1)[1]))


def months(first: str, last: str) -> list[str]:
    """`yyyy-mm` of every month that the days from first to last touch."""
    found, month = [], date.fromisoformat(f"{first[:7]}-01")
    while (text := month.isoformat()[:7]) <= last[:7]:
        found.append(text)
        month = moved(month, 1, 1)
    return found


def open_days(now: int) -> tuple[str, ...]:
    """The days that lines may still arrive for: up to two back, and tomorrow by another clock."""
    return tuple(day_of(now + offset * DAY) for offset in (-2, -1, 0, 1))


class Roll:
    """One pass over one file."""

    def __init__(self, own: str, days: Collection[str] | None) -> None:
        self.own, self.open = own, days
        self.counts = Counts()
        self.visits: OrderedDict[int, tuple[str, str, int]] = OrderedDict()
        self.starts: dict[str, int] = {}
        self.agents: dict[str, Agent] = {}
        self.referrers: dict[str, str] = {}

    def take(self, line: bytes) -> None:
        """One line; what is no line of ours is only counted as such."""
        self.counts.lines += 1
        try:
            row = values_of(loads(line.decode()))
            "".join(row)  # TypeError where a value is no text
            minute = self.minute(row[0], row[1])
        except (ValueError, KeyError, TypeError, RecursionError):
            self.counts.unreadable += 1
        except Misdated:
            self.counts.misdated += 1
        else:
            self.count(row, minute)

    def minute(self, day: str, time: str) -> int:
        """Minutes since the beginning of the calendar; Misdated for a day that is not open."""
        if not TIME.fullmatch(time):
            raise ValueError
        start = self.starts.get(day)
        if start is None:
            start = self.starts[day] = self.begin(day)
        return start + int(time[:2]) * 60 + int(time[3:5])

    def begin(self, day: str) -> int:
        if not DATE.fullmatch(day):
            raise ValueError
        start = date.fromisoformat(day).toordinal() * 24 * 60
        fits = len(self.counts.days) < MOST_DAYS if self.open is None else day in self.open
        if not fits:
            raise Misdated
        self.counts.days[day] = {family: {} for family in FAMILIES}
        return start

    def count(self, row: Row, minute: int) -> None:
        """What kind of request it was, how people were answered, and more of their clicks."""
        day, _, _, _, _, method, page, status, _, agent = row
        counts = self.counts.days[day]
        kind = KINDS.get(page, STRAYS)
        seen = kind in SEEN and not self.agent(agent).bot
        add(counts["kind"], kind if seen or kind not in SEEN else BOTS)
        if not seen:
            return
        add(counts["status"], status if STATUS.fullmatch(status) else OTHER)
        # An answer that leads on to another page is part of one click with that page.
        if kind == PAGE and method in CLICKS and not status.startswith("3"):
            self.click(row, counts, minute)

    def click(self, row: Row, counts: dict[str, dict[str, int]], minute: int) -> None:
        """Something that a person did on a page, by one attribute at a time."""
        day, time, address, network, country, _, page, _, referrer, text = row
        agent, came_from = self.agent(text), self.referrer(referrer)
        add(counts["page"], page)
        add(counts["hour"], time[:2])
        add(counts["browser"], agent.browser)
        add(counts["platform"], agent.platform)
        add(counts["network"], network_of(network))
        add(counts["country"], country if COUNTRY.fullmatch(country) else UNKNOWN)
        if came_from != INSIDE:
            add(counts["referrer"], came_from)
        self.follow(hash((address, text)), day, page, minute)

    def follow(self, visitor: int, day: str, page: str, minute: int) -> None:
        """Pair the click with the visit's last one, or begin a visit."""
        last = self.visits.get(visitor)
        if last is not None and abs(minute - last[2]) <= PAUSE:
            add(self.counts.days[day]["move"], f"{last[1]}{WAY}{page}")
        else:
            if last is not None:
                self.leave(last)
            add(self.counts.days[day]["entry"], page)
        self.visits[visitor] = (day, page, minute)
        self.visits.move_to_end(visitor)
        if len(self.visits) > MOST_VISITS:
            self.leave(self.visits.popitem(last=False)[1])

    def leave(self, last: tuple[str, str, int]) -> None:
        add(self.counts.days[last[0]]["exit"], last[1])

    def finish(self) -> Counts:
        """Every visit ends with its file."""
        for last in self.visits.values():
            self.leave(last)
        self.visits.clear()
        return self.counts

    def agent(self, text: str) -> Agent:
        found = self.agents.get(text)
        if found is None:
            found = self.agents[text] = agent_of(text)
            if len(self.agents) > CACHED:
                self.agents.clear()
        return found

    def referrer(self, text: str) -> str:
        found = self.referrers.get(text)
        if found is None:
            found = self.referrers[text] = referrer_of(text, self.own)
            if len(self.referrers) > CACHED:
                self.referrers.clear()
        return found


def add(names: dict[str, int], name: str) -> None:
    """Count under a name; where there are too many names, the rarest go to the others at once."""
    names[name] = names.get(name, 0) + 1
    if len(names) > ROOM:
        kept = dict(ranked(names)[: ROOM // 2])
        kept[OTHER] = sum(names.values()) - sum(kept.values())
        names.clear()
        names.update(kept)


def ranked(names: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first, by name where there is a tie; the others are not among them."""
    named = ((name, number) for name, number in names.items() if name != OTHER)
    return sorted(named, key=lambda pair: (-pair[1], pair[0]))


def admitted(names: Mapping[str, int], known: Collection[str]) -> dict[str, int]:
    """What a file adds to a day: names that the day knows, new ones while it has room, others."""
    kept: dict[str, int] = {}
    room, rest = DAY_ROOM - len(known), names.get(OTHER, 0)
    for name, number in ranked(names):
        if len(kept) < FILE_ROOM and (name in known or room > 0):
            kept[name] = number
            room -= name not in known
        else:
            rest += number
    return {**kept, OTHER: rest} if rest else kept


def referrer_of(text: str, own: str = "") -> str:
    """The site that a visitor came from: a public name of at most three parts, never an address.

    INSIDE where it is our own.
    """
    if text in {"", "-"}:
        return DIRECT
    match = REFERRER.match(text)
    host = match[1].lower().strip(".") if match else ""
    if host == own and own:
        return INSIDE
    if not PUBLIC.fullmatch(host) or host.rpartition(".")[2] in PRIVATE:
        return OTHER
    return ".".join(host.removeprefix("www.").split(".")[-LABELS:])
