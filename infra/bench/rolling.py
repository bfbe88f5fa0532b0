"""The roll-up of visitor logs: lines a second and peak memory, at one and at ten times the input.

Each run is a process of its own, so that the kernel's account of its memory is that run's alone.
The peer is goaccess, which makes the same kind of report, over the same requests in its own format.
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
REFERRERS = ("-", "-", "-", "https://news.example", "https://search.example")
# What the roll-up does with a file, from its bytes to the day's counters.
OURS = """
import resource, sys, time
from chalicelib.visits.lines import lines_of
from chalicelib.visits.rules import rolled

def chunks(path):
    with open(path, "rb") as file:
        while piece := file.read(256 * 1024):
            yield piece

began = time.perf_counter()
counts = rolled(lines_of(chunks(sys.argv[1])), days=[sys.argv[2]])
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
assert counts.days and not counts.strange
"""
GOACCESS = (
    '--log-format=%h %^[%d:%t %^] "%r" %s %b "%R" "%u"', "--date-format=%d/%b/%Y",
    "--time-format=%T", "--no-global-config", "--no-progress", "--no-ip-validation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds that one run took, and its peak memory in kilobytes."""

    seconds: float
    memory: int


def figures(folder: Path) -> Iterator[Figure]:
    small, large = folder / "small", folder / "large"
    for path, count in ((small, LINES), (large, LINES * TIMES)):
        write(path, count)
    ours = [ours_over(small), ours_over(large)]
    peer = peer_over(large) if shutil.which("goaccess") else None
    if peer is None:
        print("rollup: goaccess is not installed, so there is no peer", file=sys.stderr)
    name = "goaccess" if peer else None
    speed = LINES * TIMES / ours[1].seconds
    yield Figure("rollup_lines", speed, "lines/s", name,
                 LINES * TIMES / peer.seconds if peer else None, more_is_better=True)  # fmt: skip
    yield Figure("rollup_memory", ours[1].memory / 1000, "MB", name,
                 peer.memory / 1000 if peer else None)  # fmt: skip
    grown = ours[1].memory / ours[0].memory
    yield Figure("rollup_memory_growth", grown, f"times, from {LINES:,} to {LINES * TIMES:,} lines")


def ours_over(path: Path) -> Run:
    """The fastest of some runs, and the most memory that any took."""
    runs = [one_of_ours(path.with_suffix(".json.gz")) for _ in range(RUNS)]
    return Run(min(run.seconds for run in runs), max(run.memory for run in runs))


def one_of_ours(path: Path) -> Run:
    command = [sys.executable, "-c", OURS, str(path), DAY]
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


def write(path: Path, count: int) -> None:
    """The same requests twice: as the front door writes them, and as goaccess reads them."""
    draw = random.Random(count)  # noqa: S311 - traffic, not a secret
    with (
        gzip.open(path.with_suffix(".json.gz"), "wt", compresslevel=1) as ours,
        path.with_suffix(".log").open("w") as peers,
    ):
        for number in range(count):
            fields = request(draw, 86_400 * number // count)
            ours.write(json.dumps(fields) + "\n")
            peers.write(combined(fields))


def request(draw: random.Random, second: int) -> dict[str, str]:
    visitor = draw.randrange(20_000)
    return {
        "date": DAY,
        "time": time.strftime("%H:%M:%S", time.gmtime(second)),
        "c-ip": f"198.18.{visitor >> 8}.{visitor & 255}",
        "asn": str(3320 + visitor % 50),
        "c-country": ("DE", "US", "FR", "JP")[visitor % 4],
        "cs-method": "GET",
        "cache-behavior-path-pattern": draw.choice(PAGES),
        "sc-status": draw.choice(("200", "200", "200", "303", "404")),
        "cs(Referer)": draw.choice(REFERRERS),
        "cs(User-Agent)": AGENTS[visitor % len(AGENTS)],
    }


def combined(fields: dict[str, str]) -> str:
    path = fields["cache-behavior-path-pattern"].replace("*", "x")
    return (
        f'{fields["c-ip"]} [24/Nov/2026:{fields["time"]} +0000] "GET /{path.lstrip("/")} HTTP/1.1" '
        f'{fields["sc-status"]} 1000 "{fields["cs(Referer)"]}" "{fields["cs(User-Agent)"]}"\n'
    )
