"""The roll-up of visitor logs: lines a second and peak memory, at one and at ten times the input.

Memory is also looked at with crowds: ten times the lines are then of ten times the visitors, agents
and referrers, past every bound that the roll-up has for them. Each run is a process of its own, so
that the kernel's account of its memory is that run's alone. The peer is goaccess, which makes the
same kind of report, over the same requests in its own format.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.bench.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LINES, TIMES = 100_000, 10
RUNS = 3
DAY = "2026-11-24"
PAGES = ("/", "/apps", "/apps/*", "/register", "/login", "/account*", "/privacy*", "*")
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/18.1 Safari/605",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
)
# `getrusage` would also count what the process that started it held before.
PEAK = """
def peak():
    with open("/proc/self/status") as status:
        return [line.split()[1] for line in status if line.startswith("VmHWM:")]
"""
# What the roll-up does with a file, from its bytes to the day's counters.
OURS = """
import sys, time
from chalicelib.visits.lines import lines_of
from chalicelib.visits.rules import rolled

def chunks(path):
    with open(path, "rb") as file:
        while piece := file.read(256 * 1024):
            yield piece

began = time.perf_counter()
counts = rolled(lines_of(chunks(sys.argv[1])), days=[sys.argv[2]])
print(time.perf_counter() - began, *peak())
assert counts.days and not counts.strange
"""
# The roll-up itself, from a bucket with that one file to what its store is given.
ROLLUP = """
import sys, time
from chalicelib.core.clock import from_text
from chalicelib.storage.objects import Stored
from chalicelib.visits.rollup import Rollup
from chalicelib.visits.store import Standing

class Bucket:
    def listed(self, folder):
        yield Stored(folder + "one.gz", "etag", from_text(sys.argv[2] + "T12:00:00Z"))

    def stream(self, stored):
        with open(sys.argv[1], "rb") as file:
            while piece := file.read(256 * 1024):
                yield piece

    def delete(self, key):
        pass

class Store:
    def begin(self, file):
        return Standing(1, False, False)

    def known(self, day, shard):
        return {}

    def count(self, file, days):
        return bool(days)

clock = lambda: from_text(sys.argv[2] + "T12:00:00Z")
began = time.perf_counter()
done = Rollup(Bucket(), Store(), "www.cetrus.example", clock).run(lambda: 900_000)
print(time.perf_counter() - began, *peak())
assert done["counted"] == 1, done
"""
GOACCESS = (
    '--log-format=%h %^[%d:%t %^] "%r" %s %b "%R" "%u"', "--date-format=%d/%b/%Y",
    "--time-format=%T", "--no-global-config", "--no-progress", "--no-ip-validation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many different visitors, agents and referrers the lines are of."""

    visitors: int
    agents: int
    referrers: int

    @classmethod
    def of(cls, lines: int) -> Crowd:
        """Ten times the lines bring ten times of each."""
        return cls(lines // 5, lines // 20, lines // 20)


USUAL = Crowd(20_000, len(AGENTS), 2)


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds that one run took, and its peak memory in kilobytes."""

    seconds: float
    memory: int


def figures(folder: Path) -> Iterator[Figure]:
    large = folder / "large"
    write(large, LINES * TIMES, USUAL)
    ours = ours_over(large)
    peer = peer_over(large) if shutil.which("goaccess") else None
    if peer is None:
        print("rollup: goaccess is not installed, so there is no peer", file=sys.stderr)
    name = "goaccess" if peer else None
    speed = LINES * TIMES / ours.seconds
    yield Figure("rollup_lines", speed, "lines/s", name,
                 LINES * TIMES / peer.seconds if peer else None, more_is_better=True)  # fmt: skip
    yield Figure("rollup_memory", ours.memory / 1000, "MB", name,
                 peer.memory / 1000 if peer else None)  # fmt: skip
    unit = f"times, from {LINES:,} to {LINES * TIMES:,} lines of ever more visitors"
    yield Figure("rollup_memory_growth", growth(folder, LINES, LINES * TIMES), unit)


def growth(folder: Path, few: int, many: int) -> float:
    """How many times the memory that the whole roll-up takes of a crowd, of a greater one."""
    taken = []
    for lines in (few, many):
        crowd = folder / f"crowd-{lines}"
        write(crowd, lines, Crowd.of(lines))
        taken.append(one_of_ours(ROLLUP, crowd).memory)
    return taken[1] / taken[0]


def ours_over(path: Path) -> Run:
    """The fastest of some runs, and the most memory that any took."""
    runs = [one_of_ours(OURS, path) for _ in range(RUNS)]
    return Run(min(run.seconds for run in runs), max(run.memory for run in runs))


def one_of_ours(program: str, path: Path) -> Run:
    command = [sys.executable, "-c", PEAK + program, str(path.with_suffix(".json.gz")), DAY]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return Run(float(said[0]), int(said[1]))


def peer_over(path: Path) -> Run:
    log, out = path.with_suffix(".log"), path.with_suffix(".report.json")
    command = ["goaccess", str(log), *GOACCESS, f"--output={out}"]
    runs = [measured(command) for _ in range(RUNS)]
    report = json.loads(out.read_text())
    if report["general"]["valid_requests"] != LINES * TIMES:
        raise ValueError(f"goaccess read {report['general']['valid_requests']} lines")
    return Run(min(run.seconds for run in runs), max(run.memory for run in runs))


def measured(command: Sequence[str]) -> Run:
    """Run a program and ask the kernel for its time and its peak memory."""
    watch = (
        "import resource, subprocess, sys, time; began = time.perf_counter(); "
        "subprocess.run(sys.argv[1:], check=True, stdout=-3, stderr=-3); "
        "print(time.perf_counter() - began, "
        "resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", watch, *command], check=True, capture_output=True, text=True
    )
    seconds, memory = done.stdout.split()
    return Run(float(seconds), int(memory))


def write(path: Path, count: int, crowd: Crowd) -> None:
    """The same requests twice: as the front door writes them, and as goaccess reads them."""
    draw = random.Random(count)  # noqa: S311 - traffic, not a secret
    with (
        gzip.open(path.with_suffix(".json.gz"), "wt", compresslevel=1) as ours,
        path.with_suffix(".log").open("w") as peers,
    ):
        for number in range(count):
            fields = request(draw, 86_400 * number // count, crowd)
            ours.write(json.dumps(fields) + "\n")
            peers.write(combined(fields))


def request(draw: random.Random, second: int, crowd: Crowd) -> dict[str, str]:
    visitor = draw.randrange(crowd.visitors)
    return {
        "date": DAY,
        "time": time.strftime("%H:%M:%S", time.gmtime(second)),
        "c-ip": f"10.{visitor >> 16}.{visitor >> 8 & 255}.{visitor & 255}",
        "asn": str(3320 + visitor % 50),
        "c-country": ("DE", "US", "FR", "JP")[visitor % 4],
        "cs-method": "GET",
        "cache-behavior-path-pattern": draw.choice(PAGES),
        "sc-status": draw.choice(("200", "200", "200", "303", "404")),
        "cs(Referer)": referrer(draw, crowd),
        "cs(User-Agent)": agent(visitor % crowd.agents),
    }


def referrer(draw: random.Random, crowd: Crowd) -> str:
    """Most come from nowhere, the others from one of so many sites."""
    site = draw.randrange(crowd.referrers)
    return draw.choice(("-", "-", "-", f"https://site-{site}.example", f"https://s{site}.example"))


def agent(number: int) -> str:
    """One of a few browsers, by so many versions."""
    return f"{AGENTS[number % len(AGENTS)]}.{number // len(AGENTS)}"


def combined(fields: dict[str, str]) -> str:
    path = fields["cache-behavior-path-pattern"].replace("*", "x")
    return (
        f'{fields["c-ip"]} [24/Nov/2026:{fields["time"]} +0000] "GET /{path.lstrip("/")} HTTP/1.1" '
        f'{fields["sc-status"]} 1000 "{fields["cs(Referer)"]}" "{fields["cs(User-Agent)"]}"\n'
    )
