"""Compares what every role grants with what its function used during a run of all tests.

    LOCAL_GRANTS=folder ... pytest ...          each local cloud leaves its report in the folder
    python -m infra.tools.grants folder         exits 0 only where the two are the same

The local cloud judges each call of a function by its own role, action, resource and condition. So
a report names what was granted, what of that let a call pass, and what was refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BY_LAMBDA = {
    "logs:CreateLogStream": "Lambda writes the function's log itself",
    "logs:PutLogEvents": "Lambda writes the function's log itself",
    "sqs:ReceiveMessage": "Lambda polls the queue for the function",
    "sqs:DeleteMessage": "Lambda polls the queue for the function",
    "sqs:GetQueueAttributes": "Lambda polls the queue for the function",
}
"""What Lambda does in the name of the role; no call of the function shows it."""

BY_S3 = {
    ("visit_rollup", "Unwrap", "kms:Decrypt"): "S3 unwraps the key of an object for who reads it",
}
"""What S3 does with the role while its function reads an object, by function, statement and action;
no call of its own shows it."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One action on one resource of one statement: the smallest thing that can be taken away."""

    function: str
    statement: str
    action: str
    position: int
    resource: str

    @property
    def exercised_by_aws(self) -> bool:
        """Whether no call of the function itself can show its use."""
        by_s3 = (self.function, self.statement, self.action)
        return self.action in BY_LAMBDA or by_s3 in BY_S3

    def __str__(self) -> str:
        return f"{self.function}: {self.action} on {self.resource} (statement {self.statement})"


@dataclass(frozen=True, slots=True)
class Comparison:
    unused: tuple[Grant, ...]
    refused: tuple[tuple[str, str, str], ...]
    granted: int
    by_lambda: int

    @property
    def exact(self) -> bool:
        return not self.unused and not self.refused


def compare(reports: Iterable[dict[str, object]]) -> Comparison:
    """All reports of a run together: a grant is used where any of them used it."""
    granted: dict[tuple[str, str, str, int], Grant] = {}
    used: set[tuple[str, str, str, int]] = set()
    refused: set[tuple[str, str, str]] = set()
    for report in reports:
        for grant in grants_of(report):
            key = (grant.function, grant.statement, grant.action, grant.position)
            granted.setdefault(key, grant)
        used |= set(uses_of(report))
        refused |= {tuple(entry) for entry in report["refused"]}  # type: ignore[attr-defined]  # JSON of our own making
    ours = {key: grant for key, grant in granted.items() if not grant.exercised_by_aws}
    unused = sorted(grant for key, grant in ours.items() if key not in used)
    return Comparison(tuple(unused), tuple(sorted(refused)), len(granted), len(granted) - len(ours))


def grants_of(report: dict[str, object]) -> Iterable[Grant]:
    for function, entries in report["granted"].items():  # type: ignore[attr-defined]  # JSON of our own making
        yield from (Grant(function, *entry) for entry in entries)


def uses_of(report: dict[str, object]) -> Iterable[tuple[str, str, str, int]]:
    for function, entries in report["used"].items():  # type: ignore[attr-defined]  # JSON of our own making
        yield from ((function, *entry) for entry in entries)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.tools.grants", description=__doc__)
    parser.add_argument("folder", type=Path)
    files = sorted(parser.parse_args(arguments).folder.glob("*.json"))
    if not files:
        parser.error("there is no report: was LOCAL_GRANTS set, and did a cloud run?")
    found = compare(json.loads(file.read_text()) for file in files)
    for grant in found.unused:
        print(f"granted and never used  {grant}")
    for function, action, resource in found.refused:
        print(f"used and not granted    {function}: {action} on {resource}")
    print(
        f"{found.granted} grants from {len(files)} clouds: {len(found.unused)} never used, "
        f"{len(found.refused)} missing, {found.by_lambda} exercised by Lambda itself"
    )
    return 0 if found.exact else 1


if __name__ == "__main__":
    sys.exit(main())
