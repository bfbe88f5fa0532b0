"""Measures, and prints a JSON line for each figure.

    python -m infra.bench [--only starting,costs,pages,rollup,package]

Milliseconds are of this machine and this minute; what carries over is the ratio to the peer, which
ran in between on the same machine. `ratio` says how many times better ours is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from infra.bench import costs, pages, rolling, starting
from infra.bench.figures import Figure
from infra.bench.program import program_on
from infra.local.front.run import LocalCloud
from infra.package import MEGABYTE, package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Part = Callable[[Path], Iterator[Figure]]


def measure_starting(folder: Path) -> Iterator[Figure]:
    with LocalCloud() as cloud:
        yield from starting.figures(cloud, program_on(cloud, "starting"), folder)


def measure_costs(_: Path) -> Iterator[Figure]:
    with LocalCloud() as cloud:
        cloud.control.schedules("manual")
        yield from costs.figures(cloud)


def measure_pages(_: Path) -> Iterator[Figure]:
    with LocalCloud() as cloud:
        yield from pages.figures(cloud)


def measure_package(folder: Path) -> Iterator[Figure]:
    size = package("prod", folder).zip.stat().st_size
    yield Figure("zip_mb", size / MEGABYTE, "MB")


PARTS: dict[str, Part] = {
    "starting": measure_starting,
    "costs": measure_costs,
    "pages": measure_pages,
    "rollup": rolling.figures,
    "package": measure_package,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.bench", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="some parts, by comma")
    chosen = parser.parse_args().only.split(",")
    if unknown := sorted(set(chosen) - PARTS.keys()):
        parser.error(f"no such part: {', '.join(unknown)}")
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="cetrus-bench-") as folder:
            for figure in PARTS[name](Path(folder)):
                print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
