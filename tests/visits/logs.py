"""Lines and files as the front door writes them."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.visits.rules import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterable

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CRAWLER = "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bots.example/about)"
DAY = "2026-11-25"
LINE = {
    "date": DAY,
    "time": "11:20:33",
    "c-ip": "203.0.113.9",
    "asn": "3320",
    "c-country": "DE",
    "cs-method": "GET",
    "cache-behavior-path-pattern": "/apps",
    "sc-status": "200",
    "cs(Referer)": "-",
    "cs(User-Agent)": CHROME,
}
SHORT = {
    "day": "date", "at": "time", "ip": "c-ip", "country": "c-country", "method": "cs-method",
    "page": "cache-behavior-path-pattern", "status": "sc-status", "referrer": "cs(Referer)",
    "agent": "cs(User-Agent)",
}  # fmt: skip


def line(**changed: Any) -> bytes:
    """A line that differs from the usual one by what is named."""
    return json.dumps({**LINE, **{SHORT.get(n, n): v for n, v in changed.items()}}).encode()


def zipped(lines: Iterable[bytes]) -> bytes:
    """The same bytes for the same lines, whenever they are packed."""
    return gzip.compress(b"".join(text + b"\n" for text in lines), mtime=0)


@dataclass
class Door:
    """The front door: writes files into the bucket, and looks at what came of them."""

    written: int = 0
    keys: list[str] = field(default_factory=list)

    def write(self, *lines: bytes, data: bytes | None = None, key: str = "") -> str:
        self.written += 1
        key = key or f"visits/2026/11/25/11/E2EXAMPLE.{self.written:06d}.json.gz"
        body = zipped(lines) if data is None else data
        wiring.visitor_logs().write(key, body, content_type="application/gzip")
        self.keys.append(key)
        return key

    @property
    def left(self) -> list[str]:
        return [stored.key for stored in wiring.visitor_logs().listed()]

    def counts(self, day: str = DAY) -> dict[str, dict[str, int]]:
        """What is counted of a day, over all shards."""
        found: dict[str, dict[str, int]] = {family: {} for family in FAMILIES}
        store = wiring.visit_store()
        rows = [(family, names) for _, family, names in store.counters(day, day)]
        rows += [("hour", names) for names in store.hours(day)]
        for family, names in rows:
            for name, number in names.items():
                found[family][name] = found[family].get(name, 0) + number
        return found


def rollup(milliseconds: int = 800_000) -> dict[str, int]:
    """One run, with so much time left all along."""
    return wiring.visit_rollup().run(lambda: milliseconds)
