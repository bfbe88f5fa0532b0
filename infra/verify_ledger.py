"""Checks an export of the ledger against its signed heads, with nothing but Python.

    python verify_ledger.py --rows rows.jsonl --heads heads/ --key key.pem [--known HASH]
        [--until INSTANT] [--gap HEAD …]
    python verify_ledger.py --proof proof.json --key key.pem [--until INSTANT]

This file needs no other and no network. It prints what was found and where, one line each, and
ends with 0 where all is in order, 1 where anything is not, and 2 where it could not look. `--known`
is the hash of a head that you kept from before: it must be among those of the folder. `--until` is
the instant up to which the export goes, such as 2027-03-31T06:30:00Z, and is now where it is left
out: the last head may end two hours before it, and no earlier, and no row is dated after it.

A head that came late covers hours in which rows lay unsigned, and could be altered: a finding,
unless you name it by `--gap` because you know why the hourly job stood still. The folder of heads
also tells what was laid over a head since: another version, or a marker by which it was deleted.

`--proof` is the file at `/privacy/proof.json`, or one of the two that it is made of, as they lie in
the bucket: whether the key signed each as it stands, and whether the night is one of the last 26
hours. Which program answers the page is not signed.

The first head of a stack, however late it was made, reaches back to before there was a ledger. So a
row that is dated before it, and that no later head covers either, was dated back: a finding, for
good. Rows from the last head's end on are counted and not judged by heads: none covers them yet.
"""

from __future__ import annotations

import argparse
import base64
import bisect
import hashlib
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
FIRST = "0" * 64
PROOFS = {"tests": "proof tests", "night": "proof night"}
MINUTE, HOUR = 60_000, 3_600_000
STALE = 2 * HOUR
"""How long before the end of an export its last head may end: an hour, and one to settle."""
LONGEST = 2 * HOUR
"""What a head may cover; the first one covers all that there was."""
CLOCKS = 5 * MINUTE
"""How far the clocks of two good machines may differ."""
NIGHT = 26 * HOUR
"""How old the figures of the night may be: the next night should have come."""

# ---------------------------------------------------------------- signatures: ECDSA on P-256

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
A = P - 3
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
Point = tuple[int, int] | None
"""None is the point at infinity."""
G: Point = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""How every P-256 public key begins in DER, up to its two numbers."""


class NotAKey(ValueError):
    """The file is no public key on P-256."""


def add(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    if one == other:
        slope = (3 * x1 * x1 + A) * pow(2 * y1, -1, P) % P
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P) % P
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def times(factor: int, point: Point) -> Point:
    total: Point = None
    while factor:
        if factor & 1:
            total = add(total, point)
        point, factor = add(point, point), factor >> 1
    return total


def read_key(pem: str) -> Point:
    """The point of a PEM public key; NotAKey for any other."""
    lines = [line for line in pem.split("\n") if line and not line.startswith("-----")]
    try:
        der = base64.b64decode("".join(lines), validate=True)
    except ValueError as error:
        raise NotAKey("no PEM") from error
    x, y = int.from_bytes(der[-64:-32], "big"), int.from_bytes(der[-32:], "big")
    on_curve = x < P and y < P and (y * y - x * x * x - A * x - B) % P == 0
    if der[:-64] != SPKI or not on_curve:
        raise NotAKey("no public key on P-256")
    return x, y


def read_signature(der: bytes) -> tuple[int, int]:
    """The two numbers of a DER signature; ValueError for what is none."""
    numbers, rest = [], der[2:]
    if len(der) < 8 or der[0] != 0x30 or der[1] != len(rest):
        raise ValueError("no signature")
    while rest:
        kind, size = rest[0], rest[1]
        if kind != 2 or not 0 < size <= 33 or len(rest) < 2 + size:
            raise ValueError("no signature")
        numbers.append(int.from_bytes(rest[2 : 2 + size], "big"))
        rest = rest[2 + size :]
    r, s = numbers
    return r, s


def signed(key: Point, message: bytes, der: bytes) -> bool:
    """Whether the key signed the message."""
    try:
        r, s = read_signature(der)
    except (ValueError, IndexError):
        return False
    if not (0 < r < N and 0 < s < N):
        return False
    number, inverse = int.from_bytes(hashlib.sha256(message).digest(), "big"), pow(s, -1, N)
    found = add(times(number * inverse % N, G), times(r * inverse % N, key))
    return found is not None and found[0] % N == r


# ---------------------------------------------------------------- what is compared


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


@dataclass(frozen=True)
class Finding:
    """What is not in order, and where."""

    where: str
    what: str


def row_hash(row: Json) -> str:
    names = ("subject", "number", "at", "event", "purpose", "policy", "reason", "previous")
    return digest([row.get(name) for name in names])


def read_rows(lines: Iterator[str]) -> dict[str, list[Json]]:
    """The chains by subject, in the order of the file."""
    chains: dict[str, list[Json]] = {}
    for line in lines:
        if line.strip():
            row = json.loads(line)
            chains.setdefault(row["subject"], []).append(row)
    return chains


def judge_chain(subject: str, rows: list[Json]) -> Iterator[Finding]:
    """Each row follows from the one before it: numbers, hashes and times."""
    number, previous, at = 0, FIRST, 0
    for row in rows:
        where = f"{subject} row {row['number']}"
        if row["number"] != number + 1:
            yield Finding(where, f"row {number + 1} should stand here: taken out, or moved")
        elif row["previous"] != previous:
            yield Finding(where, "does not follow from the row before it")
        if row["hash"] != row_hash(row):
            yield Finding(where, "was changed after it was written")
        if row["at"] < at:
            yield Finding(where, "is dated before the row before it")
        number, previous, at = row["number"], row["hash"], row["at"]


def read_heads(folder: Path, key: Point) -> tuple[list[Json], list[Finding]]:
    """The heads that the key signed, by number, and what is wrong with the others."""
    heads, findings = [], []
    for path in sorted(folder.glob("*.json")):
        if over := laid_over(path.stem):
            findings.append(over)
            continue
        try:
            document = json.loads(path.read_bytes())
            good = signed_as(key, "ledger head", document)
            body = document["body"]
            named = path.stem == f"{body['number']:010d}"
        except (ValueError, KeyError, TypeError):
            good, named, body = False, False, {}
        if not good:
            findings.append(Finding(path.name, "this head was not signed by the key: forged"))
        elif not named:
            findings.append(Finding(path.name, f"holds head {body['number']}, not its own"))
        else:
            heads.append(body)
    return heads, findings


def laid_over(name: str) -> Finding | None:
    """What a file says that came over a head after it: `N.deleted-1` or `N.again-1`."""
    number, _, over = name.partition(".")
    if over.startswith("deleted"):
        return Finding(f"head {int(number)}", "was deleted: a marker was laid over it")
    if over.startswith("again"):
        return Finding(f"head {int(number)}", "was put again: this one is the first")
    return None


def signed_as(key: Point, kind: str, document: Json) -> bool:
    """Whether the key signed the document as it stands, as one of this kind and no other."""
    try:
        text = f"cetrus {kind}\n{digest(document['body'])}\n".encode()
        return signed(key, text, base64.b64decode(document["signature"], validate=True))
    except (ValueError, KeyError, TypeError):
        return False


def judge_proof(shown: Json, key: Point, until: int) -> tuple[list[Finding], list[str]]:
    """What is wrong with the file of the proof page or a document of it, and what to say of it."""
    parts = {name: shown[name] for name in PROOFS if name in shown}
    findings = []
    if parts and "body" in shown:
        findings.append(Finding("proof", "a document of its own lies beside tests and night"))
    elif parts:
        findings += [Finding(name, "is missing") for name in PROOFS if not shown.get(name)]
    elif "body" in shown:
        parts = {"night" if "findings" in shown["body"] else "tests": shown}
    else:
        findings.append(Finding("proof", "there is nothing in it"))
    good = []
    for name, document in parts.items():
        if document and signed_as(key, PROOFS[name], document):
            good.append(name)
        elif document:
            findings.append(Finding(name, "was not signed by the key: forged"))
    bodies = {name: parts[name]["body"] for name in good}
    if "night" in bodies and bodies["night"]["at"] < until - NIGHT:
        findings.append(Finding("night", "is older than 26 hours: the next one should be here"))
    return findings, [*told_of(bodies), *told_of_code(shown, bodies)]


def told_of(bodies: Json) -> list[str]:
    """Each that the key signed, with when it was made and of which program it is."""
    lines = [
        f"{name}: {shown_at(body['at'])}, of program {body['code']}"
        for name, body in bodies.items()
    ]
    return [*lines, f"signed as it stands: {', '.join(bodies) or 'nothing'}"]


def told_of_code(shown: Json, bodies: Json) -> list[str]:
    """Whether the program that is said to answer is the one that was looked at."""
    running = shown.get("running_code")
    if running is None:
        return []
    others = [name for name, body in bodies.items() if body["code"] != running]
    said = f"another than that of {' and '.join(others)}" if others else "the same"
    return [f"the program that answers, which nobody signed: {said}"]


def judge_heads(heads: list[Json], gaps: frozenset[int] = frozenset()) -> Iterator[Finding]:
    """Heads follow from each other without a gap, each from where the last one ended, in time."""
    number, previous, until = 0, FIRST, heads[0]["from"] if heads else 0
    for place, head in enumerate(heads):
        where = f"head {head['number']}"
        if head["number"] != number + 1:
            yield Finding(where, f"head {number + 1} is missing before it")
        elif head["previous"] != previous:
            yield Finding(where, "does not follow from the head before it")
        elif head["from"] != until or head["until"] <= head["from"]:
            yield Finding(where, "hours are left out before it")
        if place and head["until"] - head["from"] > LONGEST and head["number"] not in gaps:
            yield Finding(where, f"came late: {unsigned(head)}")
        if head.get("made_at", head["until"]) < head["until"]:
            yield Finding(where, "was made before its hours were over")
        number, previous, until = head["number"], digest(head), head["until"]


def judge_policies(heads: list[Json]) -> Iterator[Finding]:
    """A version of the policy has one id for good, which holds the hash of its text."""
    known: dict[str, str] = {}
    for head in heads:
        for found in head.get("policies", ()):
            number = found.partition(":")[0]
            if known.setdefault(number, found) != found:
                yield Finding(
                    f"head {head['number']}",
                    f"knows version {number} of the policy as another than heads before it",
                )


def unsigned(head: Json) -> str:
    """Which rows lay without a signature, and for how long; older heads do not say when made."""
    hours = (head.get("made_at", head["until"]) - head["from"]) // HOUR
    return (
        f"rows of {shown_at(head['from'])} to {shown_at(head['until'])} were unsigned for {hours} h"
    )


def judge_against(chains: dict[str, list[Json]], heads: list[Json]) -> Iterator[Finding]:
    """Every chain holds what the heads saw of it, and nothing was put into an hour since."""
    seen: dict[str, list[tuple[int, int]]] = {}
    by_number = {subject: {row["number"]: row for row in rows} for subject, rows in chains.items()}
    for place, head in enumerate(heads):
        for subject, number, found in head["chains"]:
            rows, where = by_number.get(subject, {}), f"{subject} row {number}"
            if number not in rows:
                what = "cut off" if number > max(rows, default=0) else "taken out"
                yield Finding(where, f"{what}: head {head['number']} saw it")
            elif rows[number]["hash"] != found:
                yield Finding(where, f"is another row now: head {head['number']} saw it")
            seen.setdefault(subject, []).append((place, number))
    for subject, listed in chains.items():
        yield from judge_dates(listed, seen.get(subject, []), heads)
        if early := uncovered(listed, seen.get(subject, []), heads):
            yield Finding(
                f"{subject} rows {early[0]} to {early[-1]}",
                f"{len(early)} dated before the first head, and no head covers them",
            )


def uncovered(rows: list[Json], seen: list[tuple[int, int]], heads: list[Json]) -> list[int]:
    """The numbers of rows from before the first head that no later head saw either."""
    start = heads[0]["from"] if heads else 0
    last = max((number for _, number in seen), default=0)
    return [row["number"] for row in rows if row["at"] < start and row["number"] > last]


def judge_age(chains: dict[str, list[Json]], heads: list[Json], until: int) -> Iterator[Finding]:
    """Heads go on to the end of the export: with the last ones gone, so may be what they saw.

    No row is dated after that end, which hid it from the heads of the hours until then.
    """
    dated = [row for rows in chains.values() for row in rows]
    newest = max((row["at"] for row in dated if row["at"] <= until + CLOCKS), default=0)
    if heads and heads[-1]["until"] < max(newest, until) - STALE:
        end = shown_at(heads[-1]["until"])
        yield Finding("last head", f"heads are stale: it ends {end}, long before the export")
    for row in dated:
        if row["at"] > until + CLOCKS:
            what = f"is dated ahead, {shown_at(row['at'])}: a clock was wrong"
            yield Finding(f"{row['subject']} row {row['number']}", what)


def judge_dates(
    rows: list[Json], seen: list[tuple[int, int]], heads: list[Json]
) -> Iterator[Finding]:
    """No row is dated into hours that a head closed without it; `seen` is of this chain."""
    ends = [head["until"] for head in heads]
    for row in rows:
        place = bisect.bisect_right(ends, row["at"])
        if place == len(heads) or row["at"] < heads[0]["from"]:
            continue
        before = bisect.bisect_right(seen, (place, sys.maxsize))
        if row["number"] > (seen[before - 1][1] if before else 0):
            yield Finding(
                f"{row['subject']} row {row['number']}",
                f"is dated into hours that head {heads[place]['number']} closed without it",
            )


def young(chains: dict[str, list[Json]], heads: list[Json]) -> int:
    """How many rows are younger than the last head, and covered by none yet."""
    until = heads[-1]["until"] if heads else 0
    seen: dict[str, int] = {}
    for head in heads:
        seen |= {subject: number for subject, number, _ in head["chains"]}
    return sum(
        row["at"] >= until and row["number"] > seen.get(subject, 0)
        for subject, rows in chains.items()
        for row in rows
    )


def instant(text: str) -> int:
    """Milliseconds of an instant with its zone; ValueError for what is none."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("an instant has a zone")
    return to_milliseconds(found)


def now() -> int:
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(found: datetime) -> int:
    return round(found.timestamp() * 1000)


def shown_at(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")


def judge(
    chains: dict[str, list[Json]],
    folder: Path,
    key: Point,
    known: str | None = None,
    until: int | None = None,
    gaps: frozenset[int] = frozenset(),
) -> tuple[list[Finding], list[Json]]:
    """All findings, and the heads that are good."""
    heads, findings = read_heads(folder, key)
    if not heads:
        findings.append(Finding("heads", "there is none that the key signed"))
    if known and known not in {digest(head) for head in heads}:
        findings.append(Finding("heads", "the one that you know is not among them"))
    findings += judge_heads(heads, gaps)
    findings += judge_policies(heads)
    for subject, rows in chains.items():
        findings += judge_chain(subject, rows)
    findings += judge_against(chains, heads)
    findings += judge_age(chains, heads, now() if until is None else until)
    return findings, heads


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--heads", type=Path)
    parser.add_argument("--proof", type=Path)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--known")
    parser.add_argument("--until", type=instant, metavar="INSTANT")
    parser.add_argument("--gap", type=int, action="append", default=[], metavar="HEAD")
    given = parser.parse_args(arguments)
    if not given.proof and not (given.rows and given.heads):
        parser.error("--rows and --heads, or --proof")
    try:
        key = read_key(given.key.read_text())
        if given.proof:
            until = now() if given.until is None else given.until
            findings, lines = judge_proof(json.loads(given.proof.read_bytes()), key, until)
            return told(findings, lines)
        with given.rows.open(encoding="utf-8") as lines:
            chains = read_rows(iter(lines))
        gaps = frozenset(given.gap)
        findings, heads = judge(chains, given.heads, key, given.known, given.until, gaps)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"cannot look: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    rows, later = sum(map(len, chains.values())), young(chains, heads)
    told_first = (
        f"{rows} rows of {len(chains)} chains, {len(heads)} heads, {later} rows younger than the "
        f"last head, {len(findings)} findings"
    )
    lines = [told_first]
    if heads:
        ends = shown_at(heads[-1]["until"])
        lines.append(f"last head: {heads[-1]['number']} {digest(heads[-1])}, ends {ends}")
    return told(findings, lines)


def told(findings: list[Finding], lines: list[str]) -> int:
    """Print what was found, then what there is to say; the exit code."""
    for finding in findings:
        print(f"{finding.where}: {finding.what}")
    for line in lines:
        print(line)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
