"""The command line of Halyard. Drawing happens on a lease; the lease ends when Halyard does."""

from __future__ import annotations

import argparse
import json
import pkgutil
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cetrus
from halyard.chart import draw_svg, draw_text
from halyard.table import BadTable, Column, read_column

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

LOOK_S = 0.5
BAD_TABLE = 65
READ_ONLY = 66


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    try:
        column = read_column(options.file, options.column)
        return run_on_lease(options, column)
    except BadTable as error:
        print(error, file=sys.stderr)
        return BAD_TABLE
    except cetrus.CetrusError as error:
        print(f"Halyard cannot start: {error.detail}\n{error.hint}", file=sys.stderr)
        return error.exit_code


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="halyard", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    plot = commands.add_parser("plot", help="draw a column once")
    plot.add_argument("--svg", type=Path, metavar="FILE", help="write the chart to this file")
    watch = commands.add_parser("watch", help="draw it again whenever the file changes")
    watch.add_argument("--for", dest="seconds", type=float, help="end after so many seconds")
    for command in (plot, watch):
        command.add_argument("file", type=Path, metavar="TABLE.csv")
        command.add_argument("--column", help="its name; else the first column of numbers")
    return made


def release() -> dict[str, str]:
    """Which application and version this copy was built as."""
    data = pkgutil.get_data("halyard", "release.json")
    built: dict[str, str] = json.loads(data) if data else {}
    return built


def run_on_lease(options: argparse.Namespace, column: Column) -> int:
    stop = threading.Event()

    def on_stop(reason: str, save_by: datetime) -> None:
        print(f"The license ends ({reason}); Halyard closes by {save_by:%H:%M:%S} UTC.",
              file=sys.stderr)  # fmt: skip
        stop.set()

    built = release()
    with (
        cetrus.Client(built["application"]) as client,
        client.launch(show=show, on_stop=on_stop, release=built["version"]) as launch,
    ):
        if options.command == "watch":
            return watch(options, stop)
        if options.svg is not None:
            return write_svg(options.svg, column, launch.mode)
        print(draw_text(column, shutil.get_terminal_size().columns))
        return 0


def show(screen: cetrus.Screen) -> None:
    print(f"{screen.title}\n{screen.body}", file=sys.stderr, flush=True)


def write_svg(path: Path, column: Column, mode: str) -> int:
    if mode != "run":
        print("The license allows reading only until Cetrus is reached.", file=sys.stderr)
        return READ_ONLY
    path.write_text(draw_svg(column), encoding="utf-8")
    print(f"The chart is in {path}.")
    return 0


def watch(options: argparse.Namespace, stop: threading.Event) -> int:
    """Until Ctrl-C, the time given, or the end of the license."""
    until = None if options.seconds is None else time.monotonic() + options.seconds
    drawn = None
    try:
        while not stop.is_set() and (until is None or time.monotonic() < until):
            changed = options.file.stat().st_mtime_ns
            if changed != drawn:
                drawn = changed
                column = read_column(options.file, options.column)
                print(draw_text(column, shutil.get_terminal_size().columns), flush=True)
            stop.wait(LOOK_S)
    except OSError as error:
        raise BadTable(f"{options.file} cannot be read any more: {error.strerror}") from error
    except KeyboardInterrupt:
        print("Closed.", file=sys.stderr)
    return 0
