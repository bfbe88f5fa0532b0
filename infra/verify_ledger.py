"""Checks an export of the ledger against its signed heads, with nothing but Python.

    python verify_ledger.py --rows rows.jsonl --heads heads/ --key key.pem [--known HASH]
    python verify_ledger.py --proof proof.json --key key.pem

This file needs no other and no network. It prints what was found and where, one line each, and
ends with 0 where all is in order, 1 where anything is not, and 2 where it could not look. `--known`
is the hash of a head that you kept from before: it must be among those of the folder. `--until` is
the instant up to which the export goes, such as 2027-03-31T06:30:00Z, and is now where it is left
out: the last head may end two hours before it, and no earlier.

`--proof` is the file at `/privacy/proof.json`, or one of the two that it is made of, as they lie in
the bucket: whether the key signed each as it stands.

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
HOUR = 3_600_000
STALE = 2 * HOUR
"""How long before the end of an export its last head may end: an hour, and one to settle."""

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


def signed_as(key: Point, kind: str, document: Json) -> bool:
    """Whether the key signed the document as it stands, as one of this kind and no other."""
    try:
        text = f"cetrus {kind}\n{digest(document['body'])}\n".encode()
        return signed(key, text, base64.b64decode(document["signature"], validate=True))
    except (ValueError, KeyError, TypeError):
        return False


def judge_proof(shown: Json, key: Point) -> tuple[list[Finding], list[str]]:
    """What the key did not sign, and the names of what it did."""
    parts = {name: shown[name] for name in PROOFS if shown.get(name)}
    if "body" in shown:
        parts = {"night" if "findings" in shown["body"] else "tests": shown}
    good = [name for name, document in parts.items() if signed_as(key, PROOFS[name], document)]
    forged = [Finding(name, "was not signed by the key: forged") for name in parts.keys() - good]
    return forged or ([] if good else [Finding("proof", "there is nothing in it")]), good


def judge_heads(heads: list[Json]) -> Iterator[Finding]:
    """Heads follow from each other without a gap, each from where the last one ended."""
    number, previous, until = 0, FIRST, heads[0]["from"] if heads else 0
    for head in heads:
        where = f"head {head['number']}"
        if head["number"] != number + 1:
            yield Finding(where, f"head {number + 1} is missing before it")
        elif head["previous"] != previous:
            yield Finding(where, "does not follow from the head before it")
        elif head["from"] != until or head["until"] <= head["from"]:
            yield Finding(where, "hours are left out before it")
        number, previous, until = head["number"], digest(head), head["until"]


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


def judge_age(
    chains: dict[str, list[Json]], heads: list[Json], until: int | None
) -> Iterator[Finding]:
    """Heads go on to the end of the export: with the last ones gone, so may be what they saw."""
    newest = max((row["at"] for rows in chains.values() for row in rows), default=0)
    reaches = until if until is not None else to_milliseconds(datetime.now(UTC))
    if heads and heads[-1]["until"] < max(newest, reaches) - STALE:
        end = shown(heads[-1]["until"])
        yield Finding("last head", f"heads are stale: it ends {end}, long before the export")


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
    """How many rows are younger than the last head, which nothing covers yet."""
    until = heads[-1]["until"] if heads else 0
    return sum(row["at"] >= until for rows in chains.values() for row in rows)


def instant(text: str) -> int:
    """Milliseconds of an instant with its zone; ValueError for what is none."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("an instant has a zone")
    return to_milliseconds(found)


def to_milliseconds(found: datetime) -> int:
    return round(found.timestamp() * 1000)


def shown(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")


def judge(
    chains: dict[str, list[Json]],
    folder: Path,
    key: Point,
    known: str | None = None,
    until: int | None = None,
) -> tuple[list[Finding], list[Json]]:
    """All findings, and the heads that are good."""
    heads, findings = read_heads(folder, key)
    if not heads:
        findings.append(Finding("heads", "there is none that the key signed"))
    if known and known not in {digest(head) for head in heads}:
        findings.append(Finding("heads", "the one that you know is not among them"))
    findings += judge_heads(heads)
    for subject, rows in chains.items():
        findings += judge_chain(subject, rows)
    findings += judge_against(chains, heads)
    findings += judge_age(chains, heads, until)
    return findings, heads


def told_of(findings: list[Finding], good: list[str]) -> int:
    for finding in findings:
        print(f"{finding.where}: {finding.what}")
    print(f"signed as it stands: {', '.join(good) or 'nothing'}")
    return 1 if findings else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--heads", type=Path)
    parser.add_argument("--proof", type=Path)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--known")
    parser.add_argument("--until", type=instant, metavar="INSTANT")
    given = parser.parse_args(arguments)
    if not given.proof and not (given.rows and given.heads):
        parser.error("--rows and --heads, or --proof")
    try:
        key = read_key(given.key.read_text())
        if given.proof:
            return told_of(*judge_proof(json.loads(given.proof.read_bytes()), key))
        with given.rows.open(encoding="utf-8") as lines:
            chains = read_rows(iter(lines))
        findings, heads = judge(chains, given.heads, key, given.known, given.until)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"cannot look: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    for finding in findings:
        print(f"{finding.where}: {finding.what}")
    rows = sum(map(len, chains.values()))
    print(
        f"{rows} rows of {len(chains)} chains, {len(heads)} heads, {young(chains, heads)} rows "
        f"younger than the last head, {len(findings)} findings"
    )
    if heads:
        ends = shown(heads[-1]["until"])
        print(f"last head: {heads[-1]['number']} {digest(heads[-1])}, ends {ends}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
