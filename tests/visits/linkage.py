"""The attacks of an insider who holds everything retained: can a visit be tied to an account?

The insider has every table, captured log and key that is left once the last raw file is gone, and
knows the address, the user agent and the visits of the people in question. Each attack also runs
against a twin that keeps what a careless log keeps, where it has to succeed: else it proves
nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.visits.classes import PAGES, PATTERNS
from chalicelib.visits.networks import NETWORKS, network_of
from chalicelib.visits.rules import WAY, Roll, rolled
from tests.visits.logs import CHROME, DAY, FIREFOX, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Days = dict[str, dict[str, dict[str, int]]]

SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Safari/605.1.15"
)
EDGE = f"{CHROME} Edg/142.0.0.0"
AGENTS = {"Chrome": CHROME, "Safari": SAFARI, "Edge": EDGE, "Firefox": FIREFOX}
WEIGHTS = (60, 20, 12, 8)
ASNS = tuple(sorted(NETWORKS))[:40]  # of which the first has the most customers
DAY_SECONDS = 24 * 3600
HOUR_SECONDS = 3600


@dataclass
class Visitor:
    number: int
    address: str
    browser: str
    times: list[int]
    pages: list[str] = field(default_factory=list)
    asn: str = "3320"


@dataclass(frozen=True)
class Account:
    """`owner` is the truth that the insider is after; `created` is on the identity side, to 1 s."""

    owner: int
    created: int
    browser: str


def world(
    seed: int, visitors: int = 2_000, accounts: int = 200
) -> tuple[list[Visitor], list[Account]]:
    """A day of visits at random times; some of them end in a registration, up to 2 s later."""
    dice = random.Random(seed)  # noqa: S311 - a model, reproducible
    people = []
    homes = dice.choices(ASNS, [1 / rank for rank in range(1, len(ASNS) + 1)], k=visitors)
    for number in range(visitors):
        start = dice.randrange(DAY_SECONDS - 1_300)
        times = sorted(start + dice.randrange(1_200) for _ in range(dice.randrange(1, 8)))
        (browser,) = dice.choices(list(AGENTS), WEIGHTS)
        address = f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}"
        pages = [dice.choice(["/", "/apps", "/apps/*", "/privacy"]) for _ in times]
        people.append(Visitor(number, address, browser, times, pages, homes[number]))
    made = []
    for person in dice.sample(people, accounts):
        person.times.append(person.times[-1] + 1)
        person.pages.append("/register*")
        created = person.times[-1] + dice.randrange(3)
        made.append(Account(person.number, created, person.browser))
    return people, made


def clicks_of(people: Iterable[Visitor]) -> list[tuple[int, bytes]]:
    """Every click by its second, and its line of the log."""
    hits = [
        (time, person.number, person, page)
        for person in people
        for time, page in zip(person.times, person.pages, strict=True)
    ]
    hits.sort(key=lambda hit: hit[:2])
    return [(time, line_of(time, person, page)) for time, _, person, page in hits]


def log_lines(people: Iterable[Visitor]) -> list[bytes]:
    return [text for _, text in clicks_of(people)]


def line_of(time: int, person: Visitor, page: str) -> bytes:
    return line(
        day=DAY, at=clock(time), ip=person.address, asn=person.asn,
        agent=AGENTS[person.browser], page=page,
    )  # fmt: skip


def clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


# what is retained, as an insider reads it


@dataclass(frozen=True)
class Trace:
    """Something retained: the time it is about, whom it names, if anybody, and what it says."""

    start: int
    length: int
    browser: str = ""
    network: str = ""
    clicks: int = 1
    whose: int | None = None

    @property
    def kind(self) -> tuple[int, bool, bool]:
        return self.length, bool(self.browser), bool(self.network)


PIECE = re.compile(r"[^|>]+")
HOUR_NAME = re.compile(r"[01]\d|2[0-3]")
NAMED = frozenset(NETWORKS.values())


def traces_of_counters(days: Days, start: int = 0, length: int = DAY_SECONDS) -> list[Trace]:
    """Every cell of the counters by what its name says, in whatever family it stands."""
    found = []
    for families in days.values():
        for family, names in families.items():
            for name, clicks in names.items():
                pieces = [piece.strip() for piece in PIECE.findall(name)]
                browser = next((piece for piece in pieces if piece in AGENTS), "")
                network = next((piece for piece in pieces if piece in NAMED), "")
                hours = [piece for piece in pieces if HOUR_NAME.fullmatch(piece)]
                if hours:
                    at = int(hours[0]) * HOUR_SECONDS
                    found.append(Trace(at, HOUR_SECONDS, browser, network, clicks))
                elif browser or network or family == "page":
                    found.append(Trace(start, length, browser, network, clicks))
    return found


class CrossTab(Roll):
    """A roll-up that is leaky: it also counts by browser, network and hour at once."""

    def click(self, row: tuple[str, ...], counts: dict[str, dict[str, int]], minute: int) -> None:
        super().click(row, counts, minute)
        name = f"{self.agent(row[9]).browser}|{network_of(row[3])}|{row[1][:2]}"
        crossed = counts.setdefault("crossed", {})
        crossed[name] = crossed.get(name, 0) + 1


def counted_by(roll: Roll, lines: Iterable[bytes]) -> Days:
    for text in lines:
        roll.take(text)
    return roll.finish().days


def traces_of_files(people: Sequence[Visitor], seconds: int) -> list[Trace]:
    """Another one: it keeps what each file added, and when the file was written."""
    files: dict[int, list[bytes]] = {}
    for time, text in clicks_of(people):
        files.setdefault(time // seconds * seconds, []).append(text)
    return [
        trace
        for start, lines in files.items()
        for trace in traces_of_counters(rolled(lines).days, start, seconds)
    ]


def traces_of_rows(people: Iterable[Visitor], stamp: int = 1) -> list[Trace]:
    """The twin: a row a hit under a salted id, which the insider resolves for known addresses."""
    return [
        Trace(time // stamp * stamp, stamp, person.browser, whose=person.number)
        for person in people
        for time in person.times
    ]


class Insider:
    """Knows the browser and the network of everybody who came, and the second of each account.

    Not who came when: whoever knows that needs nothing of ours.
    """

    def __init__(self, traces: Sequence[Trace], people: Sequence[Visitor]) -> None:
        self.everybody = [person.number for person in people]
        self.groups: dict[tuple[str, str], list[int]] = {}
        self.sizes: Counter[tuple[str, str]] = Counter()
        for person in people:
            own = browser, network = person.browser, NETWORKS[person.asn]
            self.groups.setdefault(own, []).append(person.number)
            self.sizes.update((own, (browser, ""), ("", network)))
        self.rows: dict[int, list[Trace]] = {}
        self.cells: dict[tuple[int, bool, bool], dict[int, dict[tuple[str, str], int]]] = {}
        for trace in traces:
            if trace.whose is not None:
                self.rows.setdefault(trace.start, []).append(trace)
                continue
            cells = self.cells.setdefault(trace.kind, {}).setdefault(trace.start, {})
            value = trace.browser, trace.network
            cells[value] = cells.get(value, 0) + trace.clicks
        self.stamps = {trace.length for trace in traces if trace.whose is not None}

    def named(self, made: int) -> list[Trace]:
        """Rows about the seconds just before an account was made."""
        starts = {t // stamp * stamp for stamp in self.stamps for t in range(made - 2, made + 1)}
        return [row for start in sorted(starts) for row in self.rows.get(start, ())]

    def about(self, made: int) -> list[tuple[tuple[int, bool, bool], dict[tuple[str, str], int]]]:
        """The cells of each kind whose time holds the last click before an account was made."""
        found = []
        for kind, by_start in self.cells.items():
            starts = {t // kind[0] * kind[0] for t in (made - 2, made)}
            near: dict[tuple[str, str], int] = {}
            for start in starts:
                for value, clicks in by_start.get(start, {}).items():
                    near[value] = near.get(value, 0) + clicks
            found.append((kind, near))
        return found

    def suspects(self, account: Account) -> list[int]:
        """Who may have made the account by what is kept; one alone is a link."""
        rows = self.named(account.created)
        if rows:
            return sorted({row.whose for row in rows if row.whose is not None})
        about, left, exact = self.about(account.created), [], []
        for own, group in self.groups.items():
            fits = [self.fits(own, kind, near, account.created) for kind, near in about]
            if all(fits):
                left += group
                exact += group if 2 in fits else []
        return exact or left or self.everybody

    def fits(
        self, own: tuple[str, str], kind: tuple[int, bool, bool],
        near: dict[tuple[str, str], int], made: int,
    ) -> int:  # fmt: skip
        """0 where the cell says it was somebody else, 2 where it says all that the hour says.

        Whoever registers clicks twice that day. Whoever has a cell alone made all its clicks, and
        those have to go into the hour of the account and the one before.
        """
        length, by_browser, by_network = kind
        if not by_browser and not by_network:
            return 1
        value = own[0] if by_browser else "", own[1] if by_network else ""
        clicks = near.get(value, 0)
        if length < DAY_SECONDS:
            return int(clicks > 0)
        alone = self.sizes[value] == 1
        hours = self.cells.get((HOUR_SECONDS, False, False), {})
        if clicks < 2 or not alone or not hours:
            return int(clicks >= 2)
        hour = made // HOUR_SECONDS * HOUR_SECONDS
        now, before = (hours.get(at, {}).get(("", ""), 0) for at in (hour, hour - HOUR_SECONDS))
        if clicks > now + before:
            return 0
        return 2 if clicks in {now, now + before} else 1


def link_by_time(
    traces: Sequence[Trace], accounts: Sequence[Account], people: Sequence[Visitor], seed: int
) -> int:
    """How many accounts are linked rightly: whoever is left, and a guess among more than one."""
    dice = random.Random(seed)  # noqa: S311 - a model, reproducible
    insider = Insider(traces, people)
    return sum(dice.choice(insider.suspects(one)) == one.owner for one in accounts)


def infer_browser(
    traces: Sequence[Trace], accounts: Sequence[Account], people: Sequence[Visitor]
) -> int:
    """How many browsers are guessed rightly: the most frequent of the finest that is kept."""
    insider = Insider(traces, people)
    right = 0
    for account in accounts:
        found: Counter[str] = Counter(row.browser for row in insider.named(account.created))
        for (_, by_browser, _), near in sorted(insider.about(account.created)):
            if by_browser and near and not found:
                for (browser, _), clicks in near.items():
                    found[browser] += clicks
        right += found.most_common(1)[0][0] == account.browser
    return right


# whole paths from counts of pairs


def walkers(seed: int, visitors: int = 1_000) -> list[Visitor]:
    """Visits of four to six pages; from each page people mostly go on to one of three."""
    dice = random.Random(seed)  # noqa: S311 - a model, reproducible
    liked = {page: [PAGES[(7 * n + k) % len(PAGES)] for k in (1, 2, 3)]
             for n, page in enumerate(PAGES)}  # fmt: skip
    people = []
    for number in range(visitors):
        pages = [dice.choice(PAGES)]
        for _ in range(dice.randrange(3, 6)):
            pages.append(dice.choice(liked[pages[-1]] if dice.random() < 0.6 else PAGES))
        start = dice.randrange(DAY_SECONDS - 1_300)
        times = [start + 60 * n for n in range(len(pages))]
        address = f"10.{number // 250}.{number % 250}.9"
        people.append(Visitor(number, address, "Chrome", times, pages))
    return people


class WholePaths(Roll):
    """A roll-up that is leaky: what it counts as a visit's last page is the way that led there."""

    def follow(self, visitor: int, day: str, page: str, minute: int) -> None:
        last = self.visits.get(visitor)
        super().follow(visitor, day, page, minute)
        if last is not None:
            self.visits[visitor] = (day, f"{last[1]}{WAY}{page}", minute)


class Ways:
    """Counts of moves and exits, out of which each way that is found is taken.

    Those of entries say nothing more, since the first pages are known.
    """

    def __init__(self, families: dict[str, dict[str, int]]) -> None:
        self.left: dict[tuple[str, ...], Counter[tuple[str, ...]]] = {}
        for family in ("move", "exit"):
            for name, clicks in families[family].items():
                pieces = tuple(name.split(WAY))
                for known in range(1, len(pieces) + (family == "exit")):
                    self.left.setdefault(pieces[:known], Counter())[pieces[known:]] += clicks

    def follow(self, known: Sequence[str], dice: random.Random | None) -> list[str]:
        """The way of somebody whose first pages are known: the likeliest on, or one at random.

        By the longest name that goes on from where the way is; () is its end.
        """
        path = list(known)
        while len(path) < LONGEST:
            on: dict[tuple[str, ...], int] = {}
            for start in range(len(path)):
                found = self.left.get(tuple(path[start:]), Counter())
                on = {rest: clicks for rest, clicks in found.items() if clicks > 0}
                if on:
                    break
            if not on:
                break
            best = max(on, key=lambda rest: (on[rest], rest))
            rest = dice.choices(list(on), list(on.values()))[0] if dice else best
            self.left[tuple(path[start:])][rest] -= 1
            if not rest:
                break
            path += rest
        return path


LONGEST = 12
FIRST = 3  # pages that the insider saw over somebody's shoulder


def reconstruct(
    families: dict[str, dict[str, int]], people: Sequence[Visitor], dice: random.Random | None
) -> int:
    """How many whole paths are found rightly from their first pages and the counts."""
    ways = Ways(families)
    return sum(ways.follow(one.pages[:FIRST], dice) == one.pages for one in people)


def wilson(right: int, tries: int) -> float:
    """The upper end of the 95 percent interval of a rate."""
    z, p = 1.96, right / tries
    middle = p + z * z / (2 * tries)
    spread = z * math.sqrt(p * (1 - p) / tries + z * z / (4 * tries * tries))
    return (middle + spread) / (1 + z * z / tries)


# what both sides have in common

LONG = 16  # a piece of a hash that is no coincidence
TOKEN = re.compile(r"[A-Za-z0-9+/_=-]{8,}")
PLAIN = re.compile(r"[a-z_]+|[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?|[0-9]{1,10}", re.IGNORECASE)


CLASSES = frozenset(pattern.strip("*").rstrip("/") for pattern in PATTERNS)


def tokens(text: str) -> set[str]:
    """Values that could name somebody: words, dates and the names of our pages say too little."""
    found = {token for token in TOKEN.findall(text) if not PLAIN.fullmatch(token)}
    return {token for token in found if token.rstrip("/") not in CLASSES}


def shapes(value: str, keys: Iterable[str]) -> set[str]:
    """A value as it is, encoded, hashed, and hashed under every key that was found."""
    raw = value.encode()
    found = {
        value,
        raw.hex(),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
    }
    for digest in (hashlib.sha256, hashlib.md5):
        found.add(digest(raw).hexdigest())
        found |= {hmac.new(key.encode(), raw, digest).hexdigest() for key in keys}
    return found


def shared(visits: str, identity: str, keys: Sequence[str]) -> set[str]:
    """Tokens of the visitor side that the identity side explains, in any shape."""
    explained = {shape for token in tokens(identity) for shape in shapes(token, keys)}
    whole = " ".join(explained)
    return {t for t in tokens(visits) if t in explained or (len(t) >= LONG and t in whole)}


def rebuilt(
    dump: str, addresses: Iterable[str], agents: Iterable[str], keys: Sequence[str]
) -> set[str]:
    """Addresses whose id, made in any usual way with any key that is left, stands in the dump."""
    agents = list(agents)
    return {
        address
        for address in addresses
        for agent in agents
        for value in (address, address + agent)
        for shape in shapes(value, keys)
        if shape[:16] in dump
    }


# all of them at once, on everything that is left

INSTANT = re.compile(r"(?<!\d)1[5-9]\d{11}(?!\d)|\d{2}:\d{2}:\d{2}")


@dataclass(frozen=True)
class Left:
    """What an insider holds after the last raw file is gone: both sides, and what was logged.

    `days` are the counters of the visitor side; an account's owner is a number among the known.
    """

    visits: str
    identity: str
    logged: str
    days: Days = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()


@dataclass(frozen=True)
class Known:
    """What the insider knows of one person from elsewhere."""

    address: str
    agent: str
    browser: str = "Chrome"
    asn: str = "3320"


def windows(text: str) -> set[str]:
    """Every piece of a token that is long enough to be no coincidence."""
    return {
        token[start : start + LONG]
        for token in TOKEN.findall(text)
        for start in range(max(0, len(token) - LONG) + 1)
        if len(token) >= LONG
    }


def beginnings(text: str) -> set[str]:
    """The same where a value may begin; for texts that are too long for every window."""
    return {part[:LONG] for token in TOKEN.findall(text) for part in re.split(r"[_=-]", token)}


def guessed(held: set[str], values: Iterable[str], keys: Sequence[str]) -> set[str]:
    """Values, such as every address of a network, of which some usual id is among what is held."""
    return {
        value
        for value in values
        if not held.isdisjoint(shape[:LONG] for shape in shapes(value, keys) if len(shape) >= LONG)
    }


def attacks(
    left: Left, known: Sequence[Known], network: Sequence[str], keys: Sequence[str]
) -> set[str]:
    """The names of the attacks that succeed; on what we keep there is none."""
    found = set()
    if shared(left.visits, left.identity, keys):
        found.add("A1 both sides share a value")
    held = windows(left.visits) | beginnings(left.identity)
    ids = [*network, *(k.address + k.agent for k in known)]
    if guessed(held, ids, keys):
        found.add("A2 an address was rebuilt")
    people = [Visitor(n, k.address, k.browser, [], asn=k.asn) for n, k in enumerate(known)]
    insider = Insider(traces_of_counters(left.days), people)
    if any(insider.suspects(account) == [account.owner] for account in left.accounts):
        found.add("A3 an account is left with one visitor")
    if INSTANT.search(left.visits):
        found.add("A6 a visit has an instant")
    everything = f"{left.visits} {left.identity} {left.logged}"
    if any(value in everything for k in known for value in (k.address, k.agent)):
        found.add("A7 an address or a browser stands in clear")
    return found
