"""The nightly look at the live data: what can be proved there without opening anything.

It reads heads, chains, the rows of grants, the states of mails and the ages of raw files, counts
what is not as it was promised, and publishes the counts, signed. Nothing in them is of anybody.
Whatever it finds raises an alarm; what it cannot look at it says too.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, HOUR, MINUTE, day_of
from chalicelib.core.few import told_count
from chalicelib.observability import count, logger
from chalicelib.privacy.folding import fold
from chalicelib.privacy.heads import is_ahead, last_end
from chalicelib.privacy.rules import FIRST, LedgerBroken, Purpose, verify
from chalicelib.privacy.seals import SealInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chalicelib.core.clock import Clock
    from chalicelib.privacy.heads import Head, Heads
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.proof import ProofBoard
    from chalicelib.privacy.rules import Row
    from chalicelib.privacy.store import VaultStore
    from chalicelib.storage.objects import Bucket

Json = dict[str, Any]
HEADS_READ = 750
"""The newest, a month of them; that none of the older is missing is seen by their names."""
CHAINS_READ = 1_000
HEADS_AGAIN = 250
"""Of all heads so many each night, in turn: who did not move lately is named by older ones."""
QUIET_READ = 500
"""About so many histories a night that did not move, in turn, so that each has a night."""
RESTING_READ = 2_000
"""About so many of the accounts that rest are looked for among the active ones each night."""
JUDGED = ("broken", "not_as_signed", "dated_ahead", "grants_differ", "ungranted_uses", "moving")
OF_PEOPLE = ("mails", "mails_held_back", "events")
LATE = 3 * HOUR
RAW_LIMIT = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Live:
    """Where it looks: the ledger, the rows of the grants, raw files, and what others keep.

    `mails` answers class, state and reason of each mail that ended between two instants;
    `statement` which version is in force, and whether it is what was published; `overdue` how many
    erasures wait for longer than they may; `resting` since when which accounts rest, by their keys,
    and `active` whether the index of active accounts names one; `spent` what the figures for
    partners have cost of a year's budget; `times` how long erasures took, and to stop mail;
    `counters` how many items of visits their sweep looked at, and how many are not as promised.
    """

    heads: Heads
    ledger: Ledger
    grants: VaultStore
    raw_files: Bucket
    mails: Callable[[int, int], Iterable[tuple[str, str, str]]]
    statement: Callable[[], Json]
    overdue: Callable[[int], int]
    resting: Callable[[str], dict[str, int]]
    active: Callable[[str], bool]
    spent: Callable[[int], Json]
    times: Callable[[int], Json]
    counters: Callable[[], Json]


class NightCheck:
    def __init__(self, live: Live, board: ProofBoard, code: str, clock: Clock) -> None:
        self.live, self.board, self.code, self.clock = live, board, code, clock

    def run(self) -> Json:
        """What was found, exactly; published with small counts of people as few."""
        now = self.clock()
        heads, again, of_heads = self._heads(now)
        of_chains, day = self._chains(heads, now)
        of_quiet = self._quiet(heads, again, of_heads["count"], now)
        for name in JUDGED:
            of_chains[name] += of_quiet.pop(name)
        found: Json = {
            "at": now,
            "code": self.code,
            "heads": of_heads,
            "chains": {**of_chains, **of_quiet},
            "statement": self._statement([*heads, *again]),
            "raw_files": self._raw_files(now),
            **self._mails(now),
            "events": dict(sorted(Counter(str(row.entry.event) for row in day).items())),
            "erasures_overdue": self.live.overdue(now),
            "resting_as_active": self._awake(now),
            "epsilon": self.live.spent(now),
            "times": self.live.times(now),
            "counters": self.live.counters(),
        }
        found["findings"] = findings(found)
        self.board.put_night(as_told(found))
        count("privacy_findings", len(found["findings"]))
        if found["findings"]:
            logger.error("privacy.findings", extra={"findings": found["findings"]})
        return found

    def _heads(self, now: int) -> tuple[list[Head], list[Head], Json]:
        """The newest heads that are good, those whose turn it is, and what is wrong with any."""
        everything = self.live.heads.all()
        firsts = {number: held.first for number, held in everything.items() if held.first}
        numbers = list(firsts)
        missing = len(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
        newest, turn = numbers[-HEADS_READ:], in_turn(numbers, HEADS_AGAIN, now // DAY)
        wanted = {*newest, *turn}
        good, unsigned = {}, 0
        for number in sorted(wanted):
            try:
                good[number] = self.live.heads.read(firsts[number])
            except SealInvalid:
                unsigned += 1
        heads = [good[number] for number in newest if number in good]
        last = heads[-1] if heads else None
        return (
            heads,
            [good[number] for number in turn if number in good],
            {
                "count": len(numbers),
                "read": len(wanted),
                "missing": missing,
                "unsigned": unsigned,
                "broken": broken_links(heads),
                "deleted": sum(bool(held.markers) for held in everything.values()),
                "put_again": sum(bool(held.again) for held in everything.values()),
                "came_late": sum(head.came_late for head in heads),
                "late": bool(last and last.until < last_end(now - LATE)),
                "last": {"number": last.number, "until": last.until, "hash": last.hash}
                if last
                else None,
            },
        )

    def _statement(self, heads: list[Head]) -> Json:
        """The version in force, and whether every head that was read signed what is shown."""
        found = self.live.statement()
        signed = all(set(head.policies) <= set(found["first"]) for head in heads)
        return {**found, "as_published": found["as_published"] and signed}

    def _chains(self, heads: list[Head], now: int) -> tuple[Json, list[Row]]:
        """The chains that moved since yesterday, or as many of them as one night reads."""
        seen = named(moved_since(heads, now - DAY))
        told: Counter[str] = Counter()
        day: list[Row] = []
        for subject in sample(seen, day_of(now)):
            rows = list(self.live.ledger.rows(subject))
            day += [row for row in rows if row.at > now - DAY]
            told.update(self._chain(subject, rows, seen[subject], now))
        return {
            "moved": len(seen),
            "read": min(len(seen), CHAINS_READ),
            **{name: told[name] for name in JUDGED},
        }, day

    def _quiet(self, heads: list[Head], again: list[Head], count: int, now: int) -> Json:
        """The chains that did not move and whose turn it is: a planted key moves nothing."""
        moved, seen = named(moved_since(heads, now - DAY)), named(again)
        quiet = sorted(seen.keys() - moved.keys())
        parts = nights(len(quiet), QUIET_READ)
        turn = now // DAY // nights(count, HEADS_AGAIN) % parts
        told: Counter[str] = Counter(quiet_known=len(quiet), quiet_read=0)
        for subject in quiet:
            if part_of(subject, parts) == turn:
                told["quiet_read"] += 1
                rows = list(self.live.ledger.rows(subject))
                told.update(self._chain(subject, rows, seen[subject], now))
        return {name: told[name] for name in ("quiet_known", "quiet_read", *JUDGED)}

    def _chain(self, subject: str, rows: list[Row], seen: list[tuple[int, str]], now: int) -> Json:
        by_number = {row.number: row.hash for row in rows}
        return {
            "broken": int(not whole(rows)),
            "not_as_signed": int(any(by_number.get(n) != found for n, found in seen)),
            "dated_ahead": sum(is_ahead(row.at, now) for row in rows),
            "ungranted_uses": fold(rows, now - DAY).ungranted_uses,
            **self._grants(subject, rows),
        }

    def _grants(self, subject: str, rows: list[Row]) -> Json:
        """Whether a key is there exactly for what the ledger says; not judged while it moves."""
        told = fold(rows)
        told.granted.pop(Purpose.FISCAL, None)  # whose key is kept apart, and outlives the others
        granted = {grant.purpose: grant.policy for grant in self.live.grants.grants(subject)}
        held = {grant.purpose: grant.policy for grant in self.live.grants.held(subject)}
        if (granted, held) == (told.granted, told.held):
            return {}
        after = self.live.ledger.head(subject)
        if after and rows and after.number != rows[-1].number:
            return {"moving": 1}
        return {"grants_differ": 1}

    def _raw_files(self, now: int) -> Json:
        ages = [now - stored.arrived_at for stored in self.live.raw_files.listed()]
        return {"count": len(ages), "oldest_minutes": max(ages, default=0) // MINUTE}

    def _awake(self, now: int) -> int:
        """How many rest by their keys and are listed as active, as a restore would leave them.

        So many a night, in turn. Whoever left or came back just now is not judged.
        """
        resting = self.live.resting("")
        parts = nights(len(resting), RESTING_READ)
        turn = [name for name in resting if part_of(name, parts) == now // DAY % parts]
        awake = [name for name in turn if resting[name] < now - HOUR and self.live.active(name)]
        return sum(1 for name in awake if self.live.resting(name))

    def _mails(self, now: int) -> Json:
        """What became of all mails that ended in a day, by class: sent, refused, and why not."""
        told: dict[str, dict[str, dict[str, int]]] = {"mails": {}, "mails_held_back": {}}
        ended = Counter(self.live.mails(now - DAY, now))
        for (mail_class, state, why), number in sorted(ended.items()):
            states = told["mails"].setdefault(mail_class, {})
            states[state] = states.get(state, 0) + number
            if why:
                reasons = told["mails_held_back"].setdefault(mail_class, {})
                reasons[why] = reasons.get(why, 0) + number
        return told


def as_told(found: Json) -> Json:
    """What anybody may read: how many mails and acts there were, where that tells of nobody."""
    times = {
        which: {**spread, "number": told_count(spread["number"])}
        for which, spread in found["times"].items()
    }
    return {**found, **{name: counts_told(found[name]) for name in OF_PEOPLE}, "times": times}


def counts_told(counted: Json) -> Json:
    """The same by any class."""
    return {
        name: counts_told(each) if isinstance(each, dict) else told_count(each)
        for name, each in counted.items()
    }


def moved_since(heads: Iterable[Head], since: int) -> list[Head]:
    return [head for head in heads if head.until > since]


def named(heads: Iterable[Head]) -> dict[str, list[tuple[int, str]]]:
    """What heads saw of each chain: numbers of rows, and their hashes."""
    seen: dict[str, list[tuple[int, str]]] = {}
    for head in heads:
        for subject, number, found in head.chains:
            seen.setdefault(subject, []).append((number, found))
    return seen


def nights(number: int, most: int) -> int:
    """How many nights it takes to come by all."""
    return max(1, -(-number // most))


def in_turn(numbers: list[int], most: int, night: int) -> list[int]:
    """So many at most; in as many nights as it takes, each."""
    turns = nights(len(numbers), most)
    return numbers[night % turns :: turns]


def part_of(subject: str, parts: int) -> int:
    """The same for a subject whoever else comes or goes."""
    return int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8]) % parts


def sample(seen: dict[str, list[tuple[int, str]]], day: str) -> list[str]:
    """As many subjects as one night reads: others each day, and none that could be foreseen."""

    def place(subject: str) -> str:
        return hashlib.sha256(f"{day} {subject} {seen[subject][-1][1]}".encode()).hexdigest()

    return sorted(seen, key=place)[:CHAINS_READ]


def whole(rows: list[Row]) -> bool:
    try:
        verify(rows)
    except LedgerBroken:
        return False
    return True


def broken_links(heads: list[Head]) -> int:
    """How many heads do not follow from the one before them."""
    follows = [
        head.number == before.number + 1
        and (head.previous, head.start) == (before.hash, before.until)
        for before, head in pairwise(heads)
    ]
    began = bool(heads) and heads[0].number == 1 and heads[0].previous != FIRST
    return follows.count(False) + int(began)


def findings(found: Json) -> list[str]:
    """The names of what is not as it was promised."""
    heads, chains = found["heads"], found["chains"]
    wrong = {
        "heads_missing": heads["missing"],
        "heads_unsigned": heads["unsigned"],
        "heads_broken": heads["broken"],
        "heads_late": heads["late"] or not heads["count"],
        "heads_deleted": heads["deleted"],
        "heads_put_again": heads["put_again"],
        "chains_broken": chains["broken"],
        "chains_not_as_signed": chains["not_as_signed"],
        "rows_dated_ahead": chains["dated_ahead"],
        "grants_differ": chains["grants_differ"],
        "ungranted_uses": chains["ungranted_uses"],
        "statement_altered": not found["statement"]["as_published"],
        "raw_files_too_old": found["raw_files"]["oldest_minutes"] * MINUTE >= RAW_LIMIT,
        "erasures_overdue": found["erasures_overdue"],
        "resting_as_active": found["resting_as_active"],
        "counters_say_more": found["counters"].get("findings", 0),
    }
    return [name for name, is_wrong in wrong.items() if is_wrong]
