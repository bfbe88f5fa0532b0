"""The record of processing activities (GDPR Art. 30), from the inventory and the policy.

    python -m infra.operate.processing_record [--format markdown|json] [--policy NUMBER]

It is made anew each time and kept nowhere, so that it cannot say anything else than the code.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from chalicelib.privacy import policies
from chalicelib.privacy.declaration import (
    CATEGORIES,
    RECIPIENTS,
    SUBJECTS,
    USES,
    by_use,
)
from chalicelib.privacy.inventory import ITEMS
from chalicelib.privacy.rules import Policy, policy

Json = dict[str, Any]
CONTROLLER = "Cetrus"
SAFEGUARDS = (
    "Personal fields are sealed by a key of each person and purpose; keys are in no backup.",
    "Every opening and every disclosure is a row of a hash-chained ledger before it happens.",
    "Each function has a role of its own; the key service binds keys to purposes.",
    "Nothing is written that this record does not name.",
)
COLUMNS = ("activity", "ground", "whose", "data", "recipients", "until")


def record(of: Policy) -> Json:
    """The activities of the policy, and those that need no field of a person."""
    return {
        "controller": CONTROLLER,
        "policy": of.id,
        "safeguards": list(SAFEGUARDS),
        "recipients": dict(sorted(RECIPIENTS.items())),
        "transfers": "Only to the recipients named; each by a contract that the operator keeps.",
        "activities": [*of_policy(of), *of_facts()],
    }


def of_policy(of: Policy) -> list[Json]:
    return [
        {
            "activity": use.says,
            "ground": "consent" if use.optional else "legal obligation"
            if use.when == "law" else "contract",
            "whose": SUBJECTS["staff"] if purpose == "staff" else SUBJECTS["person"],
            "data": sorted(use.fields),
            "recipients": sorted(use.recipients),
            "until": [use.kept],
        }
        for purpose, use in sorted(of.uses.items())
    ]  # fmt: skip


def of_facts() -> list[Json]:
    """What is known by pseudonyms, by what it is for."""
    found = []
    for use, whose in sorted(by_use()):
        kept = {n: i for n, i in ITEMS.items() if use in i.why and i.whose == whose}
        says, _, ground = USES[use]
        vendor = any("v" in fact.seen for item in kept.values() for fact in item.facts.values())
        categories = {fact.category for item in kept.values() for fact in item.facts.values()}
        found.append(
            {
                "activity": says,
                "ground": ground,
                "whose": SUBJECTS[whose],
                "data": sorted(CATEGORIES[name][0] for name in categories),
                "recipients": ["cetrus", *(["vendor"] if vendor and use == "licensing" else [])],
                "until": sorted({item.until for item in kept.values()}),
            }
        )
    return found


def markdown(made: Json) -> str:
    lines = [
        f"# Record of processing activities of {made['controller']}",
        "",
        f"Policy `{made['policy']}`. {made['transfers']}",
        "",
        *(f"- {line}" for line in made["safeguards"]),
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(f"| {' | '.join(cell(row[name]) for name in COLUMNS)} |" for row in made["activities"]),
        "",
        *(f"- **{name}**: {says}" for name, says in made["recipients"].items()),
    ]
    return "\n".join(lines) + "\n"


def cell(value: Any) -> str:
    return value if isinstance(value, str) else "; ".join(value)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="The record of processing activities.")
    parser.add_argument("--format", choices=("markdown", "json"), default="markdown")
    parser.add_argument("--policy", type=int, default=policies.IN_FORCE)
    args = parser.parse_args(arguments)
    made = record(policy(args.policy))
    sys.stdout.write(markdown(made) if args.format == "markdown" else json.dumps(made, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
