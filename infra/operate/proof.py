"""Publishes what the tests of the promises found, signed, for the page `/privacy/proof`.

    python -m infra.operate.proof [--results .tools/promises.json] [--stack NAME]

The results are those of `make promises`, with what the attacks on visits came to in the same run.
They carry the hash of the program that they are of, so that the page says it where another one
runs: also where the files here were changed since. `make deploy` ends by publishing them where they
are whole, hold, and are of the very code that it deployed. By hand whatever was found is published,
as what it is: what does not hold is told here and shown there, and results that contradict
themselves are refused.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.privacy import wiring as records
from chalicelib.privacy.promises import promises
from chalicelib.privacy.proof import code_hash
from infra.admin import find_cloud

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.operate.deployment import Deployment

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".tools" / "promises.json"
GOOD = frozenset({"holds", "deferred"})
Json = dict[str, Any]


def publish(results: Path) -> Json:
    """Sign and store what was found; OSError or ValueError where there are no results."""
    found = json.loads(results.read_text())
    if wrong := contradicted(found["promises"]):
        raise ValueError(f"{wrong[0]} is said to hold, and its own tests or sabotages say not")
    body: Json = {
        "at": int(results.stat().st_mtime * 1000),
        "commit": found["commit"],
        "tree": found["tree"],
        "code": found["code"],
        "quick": found["quick"],
        "promises": [shown(promise) for promise in found["promises"]],
        "linkage": found["linkage"],
    }
    records.proof_board().put_tests(body)
    return {
        "promises": len(body["promises"]), "results": tally(body["promises"]),
        "quick": body["quick"], "commit": body["commit"], "code": body["code"],
    }  # fmt: skip


def tally(found: list[Json]) -> dict[str, int]:
    """How many hold, and how many do not."""
    return dict(Counter(promise["result"] for promise in found))


def contradicted(found: list[Json]) -> list[str]:
    """The promises that are said to hold although one of their tests or sabotages says not."""
    return [
        promise["id"]
        for promise in found
        if promise["result"] == "holds"
        and ({*promise["tests"].values()}, {*promise["mutants"].values(), "killed"})
        != ({"passed"}, {"killed"})
    ]


def lacking(results: Path) -> str:
    """Why these are no results that a release goes out with; "" where they are."""
    try:
        found = json.loads(results.read_text())
        bad = [each["id"] for each in found["promises"] if each["result"] not in GOOD]
        if found["code"] != code_hash():
            return "what make promises found is of other code than this"
        if found["quick"] or {each["id"] for each in found["promises"]} != promises().keys():
            return "make promises was not run whole"
        if bad or contradicted(found["promises"]):
            return f"make promises found what does not hold: {', '.join(bad) or 'see its file'}"
    except OSError:
        return "make promises was not run here"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "what make promises wrote cannot be read"
    return ""


def after_deploying(
    chosen: Deployment,
    results: Path = RESULTS,
    command: Callable[[Deployment, Path], int] | None = None,
) -> str:
    """Publish the results where they are fit to go with what was deployed; say so, or why not."""
    missing = lacking(results)
    if not missing:
        if not (command or as_operator)(chosen, results):
            return "The proof page has what make promises found of this code, signed."
        missing = "the results could not be published, as said above"
    return "\n".join(
        [
            f"The proof page has nothing new of the tests: {missing}. On these very files:",
            "  make promises",
            f"  .venv/bin/python -m infra.operate.proof --stack {chosen.stack}",
        ]
    )


def as_operator(chosen: Deployment, results: Path) -> int:
    """The command below, for the stack and in its region."""
    region = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), chosen.region)
    call = ("-m", "infra.operate.proof", "--stack", chosen.stack, "--results", str(results))
    done = subprocess.run(
        [sys.executable, *call], cwd=ROOT, env={**os.environ, **region}, check=False
    )
    return done.returncode


def shown(promise: Json) -> Json:
    """What the page says of one: its tests are counted, and named in the signed document."""
    names = ("id", "says", "result", "why", "control", "template", "tests", "mutants")
    return {name: promise[name] for name in names}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.operate.proof", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--stack", help="take names from this CloudFormation stack")
    given = parser.parse_args(arguments)
    find_cloud("proof", given.stack)
    try:
        done = publish(given.results)
    except ValueError as error:
        print(f"nothing was published: {error}; run make promises", file=sys.stderr)
        return 1
    except (OSError, KeyError) as error:
        print(f"no results to publish: {type(error).__name__}; run make promises", file=sys.stderr)
        return 1
    print(json.dumps(done))
    if bad := {name: number for name, number in done["results"].items() if name not in GOOD}:
        print(f"published as it was found: not all holds, {bad}", file=sys.stderr)
    if done["quick"]:
        print("published as it was found: no sabotage was tried", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
