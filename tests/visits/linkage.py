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

from chalicelib.visits.classes import PATTERNS
from tests.visits.logs import CHROME, DAY, FIREFOX, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Safari/605.1.15"
)
EDGE = f"{CHROME} Edg/142.0.0.0"
AGENTS = {"Chrome": CHROME, "Safari": SAFARI, "Edge": EDGE, "Firefox": FIREFOX}
WEIGHTS = (60, 20, 12, 8)
DAY_SECONDS = 24 * 3600


@dataclass
class Visitor:
    number: int
    address: str
    browser: str
    times: list[int]
    pages: list[str] = field(default_factory=list)


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
    for number in range(visitors):
        start = dice.randrange(DAY_SECONDS - 1_300)
        times = sorted(start + dice.randrange(1_200) for _ in range(dice.randrange(1, 8)))
        (browser,) = dice.choices(list(AGENTS), WEIGHTS)
        address = f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}"
        pages = [dice.choice(["/", "/apps", "/apps/*", "/privacy"]) for _ in times]
        people.append(Visitor(number, address, browser, times, pages))
    made = []
    for person in dice.sample(people, accounts):
        person.times.append(person.times[-1] + 1)
        person.pages.append("/register*")
        created = person.times[-1] + dice.randrange(3)
        made.append(Account(person.number, created, person.browser))
    return people, made


def log_lines(people: Iterable[Visitor]) -> list[bytes]:
    hits = [
        (time, person.number, person, page)
        for person in people
        for time, page in zip(person.times, person.pages, strict=True)
    ]
    hits.sort(key=lambda hit: hit[:2])
    return [
        line(day=DAY, at=clock(time), ip=person.address, agent=AGENTS[person.browser], page=page)
        for time, _, person, page in hits
    ]


def clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


# what is retained, as an insider reads it


@dataclass(frozen=True)
class Trace:
    """Something retained about a time: whom it names, if it names anybody, and what it says."""

    start: int
    length: int
    whose: int | None
    browser: str | None


def traces_of_counters(days: dict[str, dict[str, dict[str, int]]]) -> list[Trace]:
    """Every cell of the counters, with the time that it is about."""
    found = []
    for families in days.values():
        for family, names in families.items():
            for name in names:
                hour = int(name) if family == "hour" else None
                start, length = (0, DAY_SECONDS) if hour is None else (hour * 3600, 3600)
                found.append(Trace(start, length, None, name if family == "browser" else None))
    return found


def traces_of_rows(people: Iterable[Visitor], stamp: int = 1) -> list[Trace]:
    """The twin: a row a hit under a salted id, which the insider resolves for known addresses."""
    return [
        Trace(time // stamp * stamp, stamp, person.number, person.browser)
        for person in people
        for time in person.times
    ]


def link_by_time(
    traces: Sequence[Trace], accounts: Sequence[Account], population: int, seed: int
) -> int:
    """How many accounts are linked rightly: by the finest traces just before they were made."""
    dice = random.Random(seed)  # noqa: S311 - a model, reproducible
    right = 0
    for account in accounts:
        near = [
            t for t in traces
            if t.start <= account.created and account.created - 3 < t.start + t.length
        ]  # fmt: skip
        named = sorted({t.whose for t in near if t.whose is not None})
        guess = dice.choice(named) if named else dice.randrange(population)
        right += guess == account.owner
    return right


def infer_browser(
    traces: Sequence[Trace], counts: dict[str, int], accounts: Sequence[Account]
) -> int:
    """How many browsers of accounts are guessed rightly: by a row near, else the most frequent."""
    common = max(counts, key=lambda name: counts[name])
    right = 0
    for account in accounts:
        near = [
            t.browser for t in traces
            if t.browser and t.whose is not None and 0 <= account.created - t.start < 3
        ]  # fmt: skip
        guess = Counter(near).most_common(1)[0][0] if near else common
        right += guess == account.browser
    return right


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
    """What an insider holds after the last raw file is gone: both sides, and what was logged."""

    visits: str
    identity: str
    logged: str


@dataclass(frozen=True)
class Known:
    """What the insider knows of one person from elsewhere."""

    address: str
    agent: str


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
    if INSTANT.search(left.visits):
        found.add("A6 a visit has an instant")
    everything = f"{left.visits} {left.identity} {left.logged}"
    if any(value in everything for k in known for value in (k.address, k.agent)):
        found.add("A7 an address or a browser stands in clear")
    return found
