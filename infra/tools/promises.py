"""Whether the privacy statement is kept: one line a promise, from its tests and its sabotages.

    python -m infra.tools.promises [--quick]

Runs the tests that are marked with a promise, and the mutants that break one, and writes
`.tools/promises.json`, with the commit and the hash of the program that was tested, and what the
attacks on visits came to. What `make test` and `make mutants` found for the very same files is
taken as it is. Exits 0 only where every promise in scope holds. `--quick` tries no sabotage.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from chalicelib.privacy.promises import promises
from chalicelib.privacy.proof import code_hash
from infra.tools import evidence, mutants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chalicelib.privacy.promises import Promise

OUT = evidence.ROOT / ".tools" / "promises.json"
PYTEST = ("-m", "pytest", "--numprocesses", "auto", "--dist", "loadfile", "-m", "promise")
HOLDS, BROKEN, UNPROVED, DEFERRED = "holds", "BROKEN", "UNPROVED", "deferred"
Outcomes = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one promise: `tests` and `mutants` by name and outcome."""

    id: str
    says: str
    result: str
    control: tuple[str, ...]
    template: tuple[str, ...]
    tests: dict[str, str]
    mutants: dict[str, str]
    why: str

    def __str__(self) -> str:
        control = self.control[0] if self.control else "-"
        told = f"{self.id}  {self.result:8}  {control:48}  {len(self.tests):3} tests"
        return f"{told}  {self.why}".rstrip()


def judged(promise: Promise, tests: dict[str, str], broken_by: dict[str, str] | None) -> Finding:
    """`broken_by`: what became of each mutant that breaks it; None where none was tried."""
    tried = broken_by or {}
    result, why = HOLDS, sabotages(promise, broken_by)
    if promise.deferred:
        result, why = DEFERRED, promise.deferred
    elif failed := [name for name, outcome in tests.items() if outcome == "failed"]:
        result, why = BROKEN, f"failed: {failed[0]}"
    elif skipped := [name for name, outcome in tests.items() if outcome == "skipped"]:
        result, why = UNPROVED, f"skipped: {skipped[0]}"
    elif "passed" not in tests.values():
        result, why = UNPROVED, "no test passed"
    elif alive := [name for name, outcome in tried.items() if outcome != mutants.KILLED]:
        result, why = BROKEN, f"not noticed by any test: {alive[0]}"
    elif broken_by == {} and "control" in promise.kind:
        result, why = UNPROVED, "no sabotage was tried"
    if promise.part_deferred:
        why = f"{why}; not yet: {promise.part_deferred}"
    return Finding(
        promise.id, promise.says, result, promise.control, promise.template, tests, tried, why
    )


def sabotages(promise: Promise, broken_by: dict[str, str] | None) -> str:
    if broken_by is None:
        return "no sabotage tried (--quick)"
    if not broken_by:
        return "nothing to sabotage" if "control" not in promise.kind else ""
    return f"killed: {', '.join(broken_by)}"


def tested(of: str) -> Outcomes:
    """What became of each test of each promise, run now unless it was run for these files."""
    found: Outcomes | None = evidence.kept("tests", of)
    if found is None:
        print("running the tests of the promises ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, *PYTEST], cwd=evidence.ROOT, check=False, stdout=sys.stderr)
        found = evidence.kept("tests", of)
    if found is None:
        raise SystemExit("the tests did not run to their end, or files changed meanwhile")
    return found


def sabotaged(of: str) -> dict[str, str]:
    """What became of each mutant that breaks a promise, tried now unless it was already."""
    outcomes: dict[str, str] = evidence.kept("mutants", of) or {}
    wanted = [m for m in mutants.load() if promises().keys() & set(m.breaks)]
    if missing := [m for m in wanted if outcomes.get(m.name) != mutants.KILLED]:
        print(f"trying {len(missing)} sabotages ...", file=sys.stderr, flush=True)
        for verdict in mutants.kept_as_found(missing, evidence.ROOT):
            print(verdict, file=sys.stderr, flush=True)
            outcomes[verdict.mutant.name] = verdict.outcome
    return outcomes


def findings(tests: Outcomes, outcomes: Mapping[str, str] | None) -> list[Finding]:
    breaking = mutants.load()
    found = []
    for promise in promises().values():
        broken_by = None
        if outcomes is not None:
            names = [m.name for m in breaking if promise.id in m.breaks]
            broken_by = {name: outcomes[name] for name in names}
        found.append(judged(promise, tests.get(promise.id, {}), broken_by))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.tools.promises", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="try no sabotage")
    quick = parser.parse_args(arguments).quick
    began, of = time.monotonic(), evidence.tree()
    about = {"tree": of, "commit": evidence.commit(), "code": code_hash(), "quick": quick}
    found = findings(tested(of), None if quick else sabotaged(of))
    print("\n".join(map(str, found)))
    OUT.parent.mkdir(exist_ok=True)
    told = {
        **about,
        "promises": [asdict(finding) for finding in found],
        "linkage": evidence.kept("linkage", of) or {},
    }
    OUT.write_text(json.dumps(told, indent=1) + "\n")
    tally = dict.fromkeys((HOLDS, DEFERRED, UNPROVED, BROKEN), 0)
    for finding in found:
        tally[finding.result] += 1
    counts = ", ".join(f"{count} {name.lower()}" for name, count in tally.items())
    print(f"{len(found)} promises: {counts}; {time.monotonic() - began:.0f} s")
    return 1 if tally[UNPROVED] or tally[BROKEN] else 0


if __name__ == "__main__":
    sys.exit(main())
