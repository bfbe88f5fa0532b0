"""Publishes what the tests of the promises found, signed, for the page `/privacy/proof`.

    python -m infra.operate.proof [--results .tools/promises.json] [--stack NAME]

The results are those of `make promises`, with what the attacks on visits came to in the same run.
They carry the hash of the program that they are of, so that the page says it where another one
runs: also where the files here were changed since.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from chalicelib.privacy import wiring as records
from infra.admin import use_clock, use_stack

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".tools" / "promises.json"
Json = dict[str, Any]


def publish(results: Path) -> Json:
    """Sign and store what was found; OSError or ValueError where there are no results."""
    found = json.loads(results.read_text())
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
    return {"promises": len(body["promises"]), "commit": body["commit"], "code": body["code"]}


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
    use_clock()
    if given.stack:
        use_stack(given.stack)
    try:
        print(json.dumps(publish(given.results)))
    except (OSError, ValueError, KeyError) as error:
        print(f"no results to publish: {type(error).__name__}; run make promises", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
