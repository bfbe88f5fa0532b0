"""The command line of Tally.

It knows nothing of licenses. Asked to end (Ctrl-C, or SIGTERM), it writes what it has and says how
far it came.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tally.alike import Groups, Rows
from tally.table import BadTable, Table, read_table, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DONE, WRONG, BAD_TABLE, NO_FILE, STOPPED = 0, 2, 65, 66, 75
MORE = """\
examples:
  tally pairs berths.csv --by boat
  tally clean berths.csv --by boat,harbor --at-least 70 --out clean.csv
  tally pairs - < berths.csv

exit codes: 0 done, 2 wrong arguments, 65 not a table, 66 a file cannot be read or written,
  75 asked to end before it was done; what was compared by then is written
"""
TELL_S = 2.0  # between two lines of progress


class Stopped:
    """Set by a signal, looked at between two rows, so that what was found is written."""

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)

    def _hear(self, _number: int, _frame: Any) -> None:
        self.asked = True


class Progress:
    """A line on a terminal every two seconds, nothing elsewhere."""

    def __init__(self, count: int) -> None:
        self._count, self._told = count, time.monotonic()
        self._wanted = sys.stderr.isatty()

    def __call__(self, row: int) -> None:
        now = time.monotonic()
        if self._wanted and now - self._told >= TELL_S:
            self._told = now
            say(f"{row} of {self._count} rows compared")


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    stopped = Stopped()
    stopped.listen()
    try:
        table = read_table(_read(options.table))
        compare = clean if options.command == "clean" else pairs
        return compare(table, options, stopped)
    except BadTable as error:
        say(f"{options.table}: {error}")
        return BAD_TABLE
    except BrokenPipeError:
        # Whoever read the output has enough; the interpreter must not complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        say(f"{error.filename or 'The output'}: {error.strerror}")
        return NO_FILE


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="tally",
        description="Finds the rows of a table that mean the same thing.",
        epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True)
    commands.add_parser("pairs", help="list the pairs of rows that are alike", parents=[_shared()])
    cleaned = commands.add_parser(
        "clean", help="write the table without the repeats", parents=[_shared()]
    )
    cleaned.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")
    return made


def _shared() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("table", metavar="TABLE.csv", help="with a header line; - for stdin")
    shared.add_argument("--by", metavar="COLUMN,...", help="compare these columns; else all")
    shared.add_argument(
        "--at-least", type=_percent, default=80, metavar="PERCENT", help="how alike; else 80"
    )
    return shared


def _percent(text: str) -> int:
    value = int(text)
    if value not in range(1, 101):
        raise argparse.ArgumentTypeError("from 1 to 100")
    return value


def pairs(table: Table, options: argparse.Namespace, stopped: Stopped) -> int:
    """Each pair as it is found, by the numbers of its lines."""
    write_rows(sys.stdout, table.separator, [["alike", "line", "other", *table.header]])
    found = 0
    for row, earlier, percent in _alike(table, options, stopped):
        found += 1
        lines = (percent, table.lines[earlier], table.lines[row])
        write_rows(sys.stdout, table.separator, [[*lines, *table.rows[row]]])
    sys.stdout.flush()
    say(f"{found} {'pair' if found == 1 else 'pairs'} in {len(table.rows)} rows")
    return STOPPED if stopped.asked else DONE


def clean(table: Table, options: argparse.Namespace, stopped: Stopped) -> int:
    """The first row of each group; rows that were not compared in time stay."""
    groups = Groups(len(table.rows))
    for row, earlier, _ in _alike(table, options, stopped):
        groups.join(earlier, row)
    kept = groups.firsts()
    text = io.StringIO()
    write_rows(text, table.separator, [table.header, *(table.rows[row] for row in kept)])
    if options.out is None:
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()
    else:
        _replace(options.out, text.getvalue())
    say(f"{len(kept)} of {len(table.rows)} rows kept")
    return STOPPED if stopped.asked else DONE


def _alike(
    table: Table, options: argparse.Namespace, stopped: Stopped
) -> Iterator[tuple[int, int, int]]:
    """Row, earlier row, percentage; ends early, and says so, where somebody asks to end."""
    places = table.places(options.by.split(",") if options.by else ())
    rows, progress = Rows(options.at_least), Progress(len(table.rows))
    for number, row in enumerate(table.rows):
        if stopped.asked:
            say(f"ended early: {number} of {len(table.rows)} rows were compared")
            return
        progress(number)
        for earlier, percent in rows.add(" ".join(row[place] for place in places)):
            yield number, earlier, percent


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _replace(path: Path, text: str) -> None:
    """The whole file or the old one, also if the program is killed while it writes."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def say(text: str) -> None:
    """On stderr: the result alone is on stdout."""
    sys.stderr.write(f"tally: {text}\n")
    sys.stderr.flush()
