"""Mail that reached the bucket and was never taken in: listed, and taken in now.

    python -m infra.operate.untaken_mail [--stack NAME]             lists
    python -m infra.operate.untaken_mail [--stack NAME] --again     takes each in, as if it came now

Lambda drops the event of a mail that failed three times or waited six hours, and the mail itself
stays in the bucket for 45 days. What was taken in has a case, or is gone from there; to take it in
twice is harmless. Exit code 1 where one failed again. Nothing of a mail is shown but its key.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.ids import derived_id
from infra.admin import find_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ARRIVED = "in/"


def untaken() -> Iterator[str]:
    """The key of each mail that has no case: one that needs none is deleted once it is done."""
    inbound = wiring.inbound_mail()
    for mail in inbound.bucket.listed(ARRIVED):
        if inbound.cases.store.case(derived_id("cas", mail.key)) is None:
            yield mail.key


def taken(key: str) -> str:
    """What became of it; one that fails again stays, and does not keep the others."""
    try:
        return wiring.inbound_mail().take(key)
    except Exception as error:  # noqa: BLE001 - told by its kind; its text may quote the mail
        return f"failed: {type(error).__name__}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.operate.untaken_mail", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--stack", help="take names from this CloudFormation stack")
    parser.add_argument("--again", action="store_true", help="take each of them in")
    chosen = parser.parse_args(arguments)
    find_cloud("untaken_mail", chosen.stack)
    outcomes = []
    for key in list(untaken()):
        outcomes.append(taken(key) if chosen.again else "waits")
        print(f"{key}  {outcomes[-1]}")
    print(f"{len(outcomes)} in all")
    return 1 if any(outcome.startswith("failed") for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
