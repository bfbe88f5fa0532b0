"""Decides whether a call may be made, and remembers what was refused and which grants were used."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .iam import Need, Statement, allowed, denied
from .names import ACCOUNT
from .needs import needs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .wire import Call


class Judge:
    """`policies` by role, `denials` by the ARN of the resource whose policy refuses."""

    def __init__(
        self, policies: Mapping[str, list[Statement]], denials: Mapping[str, list[Statement]]
    ) -> None:
        self._policies, self._denials = policies, denials
        self.refusals: list[tuple[str, Need]] = []
        self.used: set[tuple[str, str, str, int]] = set()
        """Role, statement, action and the position of the resource in the statement."""

    def refused(self, call: Call, function: str, role: str) -> Need | None:
        """The first permission that the role lacks, or that the resource refuses to everybody."""
        return self._lacking(needs(call), function, role)

    def refused_to_know(self, call: Call, function: str, role: str) -> Need | None:
        """The same for being told that what was asked for is not there."""
        return self._lacking(needs_of_absence(call), function, role)

    def _lacking(self, wanted: Iterable[Need], function: str, role: str) -> Need | None:
        for need in wanted:
            if not allowed(self._policies.get(role, []), need) or self._closed(need, role):
                self.refusals.append((function, need))
                return need
            self._note(role, need)
        return None

    def _note(self, role: str, need: Need) -> None:
        for statement in self._policies.get(role, []):
            if statement.allows and statement.applies(need):
                for action, position in statement.used_for(need):
                    self.used.add((role, statement.sid, action, position))

    def keep(self, roles: Mapping[str, str]) -> None:
        """Leave the report where a run of all tests collects them, if there is such a run."""
        if folder := os.environ.get("LOCAL_GRANTS"):
            kept = Path(folder) / f"{uuid.uuid4().hex}.json"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(self.report(roles)))

    def report(self, roles: Mapping[str, str]) -> dict[str, Any]:
        """What each function was granted, what it used of that, and what it was refused.

        `roles` names each function's role; grants are (statement, action, resource).
        """
        return {
            "granted": {
                function: [
                    [statement.sid, action, position, resource]
                    for statement in self._policies.get(role, [])
                    if statement.allows
                    for action in statement.actions
                    for position, resource in enumerate(statement.resources)
                ]
                for function, role in roles.items()
            },
            "used": {
                function: sorted(list(rest) for owner, *rest in self.used if owner == role)
                for function, role in roles.items()
            },
            "refused": [[function, need.action, need.resource] for function, need in self.refusals],
        }

    def refused_to_all(self, call: Call) -> Need | None:
        """What not even the operator may do."""
        return next((need for need in needs(call) if self._closed(need)), None)

    def _closed(self, need: Need, role: str = "") -> bool:
        """Whether the resource refuses it to whoever asks: to a role, else to the operator."""
        who = {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/{role}"]} if role else {}
        asked = replace(need, context={**need.context, **who})
        return any(denied(statements, asked) for statements in self._of(need.resource))

    def _of(self, resource: str) -> Iterator[list[Statement]]:
        for owner, statements in self._denials.items():
            if resource == owner or resource.startswith(f"{owner}/"):
                yield statements


def needs_of_absence(call: Call) -> list[Need]:
    """What it takes to be told that an object is not there; without it S3 says: forbidden."""
    if call.service != "s3" or call.action not in {"GetObject", "HeadObject"}:
        return []
    return [Need("s3:ListBucket", f"arn:aws:s3:::{call.parameters['Bucket']}", {})]
