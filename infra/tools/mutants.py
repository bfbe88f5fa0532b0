"""Named sabotages: each breaks one promise in the code, and its tests must notice.

    python -m infra.tools.mutants [name ...]

A mutant is one edit of one file (tests/mutants/*.toml). It is made in a copy of the tree, and the
tests that it names are run there: it is *killed* where every one of them fails, has *survived*
where one does not, and is *broken* where the edit no longer fits, the code does not even run with
it, or its tests fail without it. Exits 0 only where all are killed.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from infra.tools import evidence

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("tests/mutants")
AT_ONCE = 2
MUTANT_SECONDS, BASELINE_SECONDS = 180, 900
LEFT_BEHIND = (
    ".git", ".venv", ".tools", ".local", "out", "build", "dist", "deployments", "screenshots",
    "__pycache__", ".*_cache", ".hypothesis", "*.egg-info",
)  # fmt: skip
PYTEST = ("-m", "pytest", "-rpfE", "--tb=no", "--show-capture=no")
ALL_AT_ONCE = ("--numprocesses", str(AT_ONCE), "--dist", "loadfile")
LINE = re.compile(r"(PASSED|FAILED|ERROR) (.*)")
# Errors that tell of a mutant that makes no sense, not of a promise that was missed.
NONSENSE = re.compile(
    r" - (NameError|UnboundLocalError|ImportError|ModuleNotFoundError|SyntaxError)"
)

KILLED, SURVIVED, BROKEN = "killed", "SURVIVED", "BROKEN"


class Misfit(ValueError):
    """The text to replace is not in its file exactly once, or nothing would change."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`breaks` names the guarantees and promises that go with the line; `tests` must all fail."""

    name: str
    breaks: tuple[str, ...]
    why: str
    file: str
    search: str = field(repr=False)
    replace: str = field(repr=False)
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The file's text with the sabotage in it; Misfit where it does not fit."""
        if (found := text.count(self.search)) != 1:
            raise Misfit(f"the text to replace is there {found} times")
        if (changed := text.replace(self.search, self.replace)) == text:
            raise Misfit("the replacement changes nothing")
        return changed


@dataclass(frozen=True, slots=True)
class Verdict:
    mutant: Mutant
    outcome: str
    detail: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        told = f"{self.outcome:8}  {self.mutant.name:36} {' '.join(self.mutant.breaks):12}"
        return f"{told} {self.seconds:5.1f} s  {self.detail}".rstrip()


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of pytest said: the lines of each outcome, and all of it where it stopped."""

    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    stopped: str = ""


def load(root: Path = ROOT) -> list[Mutant]:
    """Every mutant of the folder, file by file."""
    tables = (tomllib.loads(path.read_text()) for path in sorted((root / FOLDER).glob("*.toml")))
    return [made(entry) for table in tables for entry in table["mutant"]]


def made(entry: dict[str, str | list[str]]) -> Mutant:
    facts = {name: tuple(v) if isinstance(v, list) else v for name, v in entry.items()}
    return Mutant(**facts)  # type: ignore[arg-type]  # a wrong field is a TypeError, at once


class Copy:
    """A copy of the tree in which edits are made and taken back."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.root = folder
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
        if (source / ".tools").exists():  # downloaded packages and the second database engine
            (folder / ".tools").symlink_to((source / ".tools").resolve())

    def judge(self, mutant: Mutant) -> Verdict:
        began, path = time.monotonic(), self.root / mutant.file
        before, times = path.read_bytes(), path.stat()
        try:
            path.write_text(mutant.applied(before.decode()))
            # Python knows bytecode by second and size: a mutant made within the second of the
            # original, and as long, would run the original's.
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 2 * 10**9))
            outcome, detail = judged(mutant, self.run(mutant.tests, MUTANT_SECONDS))
        except (Misfit, FileNotFoundError) as error:
            outcome, detail = BROKEN, str(error)
        finally:
            path.write_bytes(before)
            # Its bytecode was made for this very time, and stays good.
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return Verdict(mutant, outcome, detail, time.monotonic() - began)

    def baseline(self, tests: Iterable[str]) -> Run:
        """Run all of them without any mutant, as many at once as mutants later; keeps bytecode."""
        return self.run((*ALL_AT_ONCE, *tests), BASELINE_SECONDS, PYTHONDONTWRITEBYTECODE="")

    def run(self, tests: Iterable[str], seconds: float, **variables: str) -> Run:
        """Run these tests here, with nothing of the original tree on the path."""
        environment = {**os.environ, "PYTHONPATH": str(self.root / "client"), "COLUMNS": "400"}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1"} | variables
        process = subprocess.Popen(
            [sys.executable, *PYTEST, *tests],
            cwd=self.root,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Run(stopped=f"did not end within {seconds:.0f} s")
        return heard(said, process.returncode)


def heard(said: str, status: int) -> Run:
    lines: dict[str, list[str]] = {"PASSED": [], "FAILED": [], "ERROR": []}
    for match in filter(None, map(LINE.fullmatch, said.splitlines())):
        lines[match[1]].append(match[2])
    # 0 and 1: all passed, some failed; anything else never got as far as judging.
    stopped = "" if status in {0, 1} else said.strip()[-2000:] or f"pytest ended with {status}"
    passed, failed, errors = map(tuple, lines.values())
    return Run(passed, failed, errors, stopped)


def of(test: str, lines: Sequence[str]) -> list[str]:
    """The lines about a test, whatever its parameters, or about any test of a class or file."""
    return [
        line
        for line in lines
        if line.startswith(test) and line[len(test) :][:1] in {"", "[", ":", " "}
    ]


def judged(mutant: Mutant, run: Run) -> tuple[str, str]:
    if run.stopped:
        return BROKEN, run.stopped.splitlines()[-1]
    if nonsense := [line for line in (*run.failed, *run.errors) if NONSENSE.search(line)]:
        return BROKEN, nonsense[0]
    if silent := [test for test in mutant.tests if not of(test, run.failed)]:
        return SURVIVED, f"not noticed by {', '.join(silent)}"
    return KILLED, ""


def unfit(mutant: Mutant, baseline: Run) -> str:
    """Why a mutant's tests cannot judge it: without it each must run and pass."""
    for test in mutant.tests:
        if of(test, baseline.failed) or of(test, baseline.errors):
            return f"{test} fails without it"
        if not of(test, baseline.passed):
            return f"{test} does not run here"
    return ""


def judge_all(mutants: Sequence[Mutant], root: Path) -> Iterator[Verdict]:
    """Each verdict as it comes, after the tests were seen to pass."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        first = Copy(root, Path(folder) / "1")
        tests = sorted({test for mutant in mutants for test in mutant.tests})
        baseline = first.baseline(tests)
        if baseline.stopped:
            raise SystemExit(f"the tests do not run without any mutant:\n{baseline.stopped}")
        fit = [mutant for mutant in mutants if not unfit(mutant, baseline)]
        yield from (
            Verdict(mutant, BROKEN, reason)
            for mutant in mutants
            if (reason := unfit(mutant, baseline))
        )
        copies: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        copies.put(first)
        for number in range(2, AT_ONCE + 1):
            copies.put(Copy(root, Path(folder) / str(number)))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(lambda mutant: judge_in_one_of(copies, mutant), fit)


def kept_as_found(mutants: Sequence[Mutant], root: Path) -> Generator[Verdict, None, None]:
    """Each verdict as it comes, and kept for this very tree: a run that is cut short counts."""
    of = evidence.tree(root)
    outcomes: dict[str, str] = evidence.kept("mutants", of, root) or {}
    for verdict in judge_all(mutants, root):
        outcomes[verdict.mutant.name] = verdict.outcome
        evidence.keep("mutants", of, outcomes, root)
        yield verdict


def judge_in_one_of(copies: queue.SimpleQueue[Copy], mutant: Mutant) -> Verdict:
    copy = copies.get()
    try:
        return copy.judge(mutant)
    finally:
        copies.put(copy)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.tools.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="these only; all by default")
    names = set(parser.parse_args(arguments).names)
    known = load(root)
    if unknown := names - {mutant.name for mutant in known}:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    began, tally = time.monotonic(), {KILLED: 0, SURVIVED: 0, BROKEN: 0}
    for verdict in kept_as_found([m for m in known if not names or m.name in names], root):
        print(verdict, flush=True)
        tally[verdict.outcome] += 1
    counts = ", ".join(f"{count} {outcome.lower()}" for outcome, count in tally.items())
    print(f"{sum(tally.values())} mutants: {counts}; {time.monotonic() - began:.0f} s")
    return 0 if sum(tally.values()) == tally[KILLED] else 1


if __name__ == "__main__":
    sys.exit(main())
