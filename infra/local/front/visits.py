"""The visitor logs of the front door, in the format of CloudFront's standard logging v2 to S3.

What a line holds stands in docs/visitor-logs.md. A path is reduced to its class and a referrer to
its origin before a line is made, so that neither a token nor an id is ever kept, not even here.
"""

from __future__ import annotations

import datetime as dt
import gzip
import ipaddress
import json
import secrets
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from chalicelib.visits.classes import FIELDS, path_class
from infra.local.front.events import address_of, viewer_of
from infra.local.front.gateway import STAGE

if TYPE_CHECKING:
    from infra.local.front.http import Answer, Request

Line = dict[str, str]
Put = Callable[[str, bytes], object]
"""Writes an object of the visitor logs' bucket: key, body."""

PREFIX = "visits/"
MISSING = "-"
UNESCAPED = "!\"$&'()*+,/:;=?@[]^`{|}~ "
"""What the delivery service leaves as it is in a user agent, beside letters and digits."""
DELIVERED_AFTER = 60.0
"""Seconds of the virtual clock after which a line is delivered without being asked for."""
LOOK_SECONDS = 5.0
MOST_LINES = 10_000
"""Lines of one file; a test that asks more often fills more files."""

# Which network and country an address belongs to, as the front door's own tables say in AWS. Here
# it can only be pretended, for the ranges that are set aside for documentation (RFC 5737, 3849).
NETWORKS = {
    ipaddress.ip_network("192.0.2.0/24"): ("3320", "DE"),
    ipaddress.ip_network("198.51.100.0/24"): ("7922", "US"),
    ipaddress.ip_network("203.0.113.0/24"): ("3215", "FR"),
    ipaddress.ip_network("2001:db8::/32"): ("2856", "GB"),
}


def line_of(request: Request, status: int, at: float) -> Line:
    """What may be written about a request that came in at `at` (seconds) on the mapped domain."""
    viewer = viewer_of(request)
    asn, country = network_of(viewer)
    when = dt.datetime.fromtimestamp(at, dt.UTC)
    said = {
        "date": when.strftime("%Y-%m-%d"),
        "time": when.strftime("%H:%M:%S"),
        "c-ip": viewer,
        "asn": asn,
        "c-country": country,
        "cs-method": request.method,
        "cache-behavior-path-pattern": path_class(request.path),
        "sc-status": str(status),
        "cs(Referer)": origin_of(request.header("Referer")),
        "cs(User-Agent)": quote(request.header("User-Agent") or MISSING, safe=UNESCAPED),
    }
    return {field: said[field] for field in FIELDS}


def network_of(viewer: str) -> tuple[str, str]:
    """Number of the network and country of an address; `-` for each that is not known."""
    address = ipaddress.ip_address(viewer)
    known = (found for network, found in NETWORKS.items() if address in network)
    return next(known, (MISSING, MISSING))


def origin_of(referrer: str | None) -> str:
    """Scheme and host of a referrer, without user, path or query; `-` for none or a strange one."""
    try:
        parts = urlsplit(referrer or "")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return MISSING
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return MISSING
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return quote(f"{parts.scheme}://{host}{port}", safe="/:[]")


class VisitorLog:
    """Gathers lines and delivers them in batches: on request, and by itself once they have aged."""

    def __init__(self, put: Put, now: Callable[[], float]) -> None:
        self._put, self._now = put, now
        self._lines: list[tuple[float, Line]] = []
        self._turn, self._delivery = threading.Lock(), threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Deliver what is left."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self.deliver()

    def watch(self, request: Request, answer: Answer, at: float) -> None:
        """Write down one request at the mapped domain; the stage's own URL lies behind the edge."""
        address = address_of(request.path, STAGE)
        if address.path != address.full_path:
            return
        line = line_of(request, answer.status, at)
        with self._turn:
            self._lines.append((at, line))
            full = len(self._lines) >= MOST_LINES
        if full:
            self.deliver()

    def deliver(self) -> int:
        """Put all that was gathered into files, one for each hour of requests; returns how many."""
        with self._delivery:
            with self._turn:
                lines, self._lines = self._lines, []
            hours: dict[str, list[Line]] = {}
            for _, line in lines:
                hour = f"{line['date'].replace('-', '/')}/{line['time'][:2]}"
                hours.setdefault(hour, []).append(line)
            for hour, of_hour in hours.items():
                self._put(f"{PREFIX}{hour}/{secrets.token_hex(8)}.json.gz", file_of(of_hour))
            return len(hours)

    def _look(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            with self._turn:
                aged = self._lines and self._lines[0][0] <= self._now() - DELIVERED_AFTER
            if aged:
                try:
                    self.deliver()
                except Exception as error:  # noqa: BLE001  # logs are best effort; serving goes on
                    print(f"visitor logs: {type(error).__name__}", file=sys.stderr)


def file_of(lines: list[Line]) -> bytes:
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    return gzip.compress(text.encode())
