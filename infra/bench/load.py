"""Many programs at once through the front door, a crash of the runner in the middle, and the books.

    python -m infra.bench.load [--clients 200] [--minutes 10]

Every client launches, renews and ends, over and over, and keeps what it was told: that is the
evidence. Half-way the runner is killed as by a power cut and started again on the same data. In
the end the tables must agree with what the clients hold, to the millisecond, or the exit status
says so.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from chalicelib.core import signing
from infra.bench.figures import Figure
from infra.bench.program import Program, program_on
from infra.local.front.run import LocalCloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.front.http import Request

LICENSES = 10
PAUSE = 1.0, 3.0  # seconds between a client's requests
HEARTBEATS = 3
EVERYTHING_EXPIRED = 700  # seconds: the longest lease, and a sweep


@dataclass
class Evidence:
    """What the clients were told: leases by (license, launch), receipts by lease, and how long."""

    leases: dict[tuple[str, str], str] = field(default_factory=dict)
    receipts: dict[str, int] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, elapsed: float) -> None:
        with self.lock:
            self.took[what].append(elapsed)
            self.answers["answered"] += 1


class Client:
    """One program on one computer; it repeats what was not answered, as programs do."""

    def __init__(self, cloud: LocalCloud, program: Program, number: int, told: Evidence) -> None:
        self.cloud, self.told = cloud, told
        self.program = Program(program.base, program.application, program.license_key)
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        self.http = httpx.Client(timeout=30, trust_env=False, headers={"x-forwarded-for": address})

    def run(self, until: float) -> None:
        with self.http:
            while time.monotonic() < until:
                self.session(until)

    def session(self, until: float) -> None:
        """Launch, renew and end; a client that is out of time leaves its lease to the sweep."""
        request = self.program.launch()
        self.told.asked.add(json.loads(request.body)["launch_id"])
        answer = self.send("launch", lambda: request, until)
        if not answer:
            return
        lease = answer["lease"]
        claims = signing.split(lease)[1]
        self.told.leases[claims["license"], claims["launch_id"]] = claims["jti"]
        for seq in range(1, HEARTBEATS + 1):
            current = lease
            answer = self.send(
                "heartbeat", lambda n=seq, c=current: self.program.heartbeat(c, n), until
            )
            if not answer:
                return
            lease = answer["lease"]
        answer = self.send("end", lambda: self.program.end(lease), until)
        if answer:
            said = signing.split(answer["receipt"])[1]
            self.told.receipts[said["jti"]] = said["billed_ms"]

    def send(self, what: str, request: Any, until: float) -> dict[str, Any] | None:
        """The valid answer, asked for again while there is none; None when time is up."""
        time.sleep(random.uniform(*PAUSE))  # noqa: S311 - a pause, not a secret
        while time.monotonic() < until:
            began = time.perf_counter()
            answer = self.once(request())
            if answer is not None:
                self.told.note(what, time.perf_counter() - began)
                return answer
            time.sleep(0.5)
        return None

    def once(self, request: Request) -> dict[str, Any] | None:
        try:
            answer = self.http.post(
                self.cloud.app + request.path, content=request.body, headers=list(request.headers)
            )
        except (httpx.TransportError, KeyError):
            self.told.answers["no connection"] += 1
            return None
        if answer.status_code != 200:
            self.told.answers[f"status {answer.status_code}"] += 1
            return None
        found: dict[str, Any] = answer.json()
        if not found["valid"]:
            self.told.answers[found["code"]] += 1
        return found if found["valid"] else None


def drive(cloud: LocalCloud, clients: int, seconds: float) -> Evidence:
    """Run all clients for so long, and kill and restart the runner half-way."""
    told = Evidence()
    programs = [program_on(cloud, f"load{n}") for n in range(LICENSES)]
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(clients) as pool:
        running = [
            pool.submit(Client(cloud, programs[n % LICENSES], n + 1, told).run, until)
            for n in range(clients)
        ]
        time.sleep(seconds / 2)
        cloud.kill()
        cloud.start()
        for client in running:
            client.result()
    return told


# the books


def judge(cloud: LocalCloud, told: Evidence) -> list[str]:
    """Every way in which tables and evidence disagree, once all leases have run out."""
    cloud.control.advance(EVERYTHING_EXPIRED)
    cloud.control.run("license_sweep")
    items = [plain(item) for item in cloud.control.dump()["tables"]["UsageTable"]["items"]]
    return disagreements(told, items)


def disagreements(told: Evidence, items: list[dict[str, Any]]) -> list[str]:
    launches = {(i["license"], i["launch_id"]): i for i in items if i.get("type") == "launch"}
    intervals = [item for item in items if item.get("type") == "interval"]
    return [
        *of_launches(told, launches),
        *of_intervals(told, launches, intervals),
        *of_totals(items),
    ]


def of_launches(told: Evidence, launches: dict[tuple[str, str], Any]) -> Iterator[str]:
    for license_id, launch_id in told.leases.keys() - launches.keys():
        yield f"launch {launch_id} of {license_id} was answered and is not there"
    for _, launch_id in launches:
        if launch_id not in told.asked:
            yield f"launch {launch_id} is there and nobody asked for it"


def of_intervals(
    told: Evidence, launches: dict[tuple[str, str], Any], intervals: list[dict[str, Any]]
) -> Iterator[str]:
    closed = Counter((i["license"], i["launch_id"], i["segment_no"]) for i in intervals)
    for key, count in closed.items():
        if count > 1:
            yield f"{key} was billed {count} times"
    for license_id, launch_id in launches:
        if (license_id, launch_id, 0) not in closed:
            yield f"launch {launch_id} was never closed"
    billed = {i["lease"]: i["ended_at"] - i["started_at"] for i in intervals}
    for lease, milliseconds in told.receipts.items():
        if billed.get(lease) != milliseconds:
            yield f"{lease}: the receipt says {milliseconds} ms, the interval {billed.get(lease)}"


def of_totals(items: list[dict[str, Any]]) -> Iterator[str]:
    """The totals of a license by day, and those by computer, are what ran."""
    counted: Counter[str] = Counter()
    for item in items:
        if item.get("type") == "interval":
            counted[item["license"]] += item["ended_at"] - item["started_at"]
    for kind in ("", "#COMPUTERS"):
        totals: Counter[str] = Counter()
        for item in items:
            if item.get("type") == "total" and item["pk"] == f"TOTALS#{item['license']}{kind}":
                totals[item["license"]] += item["milliseconds"]
        for license_id in counted.keys() | totals.keys():
            ran, total = counted[license_id], totals[license_id]
            if ran != total:
                yield f"{license_id}{kind}: {ran} ms ran, {total} are in its totals"


def plain(item: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Strings and whole numbers of an item as they came over the wire."""
    return {
        name: int(value["N"]) if "N" in value else next(iter(value.values()))
        for name, value in item.items()
        if "N" not in value or value["N"].lstrip("-").isdigit()
    }


def figures(told: Evidence, seconds: float) -> Iterator[Figure]:
    yield Figure("load_requests", told.answers["answered"] / seconds, "answers a second")
    for what, times in sorted(told.took.items()):
        ordered = sorted(times)
        yield Figure(f"load_{what}_p50", statistics.median(ordered) * 1000, "ms")
        yield Figure(f"load_{what}_p99", ordered[len(ordered) * 99 // 100] * 1000, "ms")
    yield Figure("load_launches", len(told.leases), "launches answered")
    yield Figure("load_receipts", len(told.receipts), "receipts")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.bench.load", description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10.0)
    chosen = parser.parse_args()
    seconds = chosen.minutes * 60
    with LocalCloud() as cloud:
        told = drive(cloud, chosen.clients, seconds)
        wrong = judge(cloud, told)
    for figure in figures(told, seconds):
        print(figure.line())
    refused = {name: n for name, n in sorted(told.answers.items()) if name != "answered"}
    print(f"not answered, and asked again: {refused}", file=sys.stderr)
    for text in wrong:
        print(f"wrong: {text}", file=sys.stderr)
    print(
        f"{chosen.clients} clients, {chosen.minutes:g} minutes: {len(wrong)} disagreements",
        file=sys.stderr,
    )
    return 1 if wrong or not told.receipts else 0


if __name__ == "__main__":
    sys.exit(main())
