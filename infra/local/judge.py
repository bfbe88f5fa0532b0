"""Decides whether a call may be made, and remembers what was refused and which grants were used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .iam import Need, Statement, allowed, denied
from .needs import needs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .wire import Call


class Judge:
    """`policies` by role, `denials` by the ARN of the resource whose policy refuses."""

    def __init__(
        self, policies: Mapping[str, list[Statement]], denials: Mapping[str, list[Statement]]
    ) -> None:
        self._policies, self._denials = policies, denials
        self.refusals: list[tuple[str, Need]] = []
        self.used: set[tuple[str, str, str]] = set()

    def refused(self, call: Call, function: str, role: str) -> Need | None:
        """The first permission that the role lacks, or that the resource refuses to everybody."""
        for need in needs(call):
            if not allowed(self._policies.get(role, []), need) or self._closed(need):
                self.refusals.append((function, need))
                return need
            self.used.add((function, need.action, need.resource))
        return None

    def refused_to_all(self, call: Call) -> Need | None:
        """What not even the operator may do."""
        return next((need for need in needs(call) if self._closed(need)), None)

    def _closed(self, need: Need) -> bool:
        return any(denied(statements, need) for statements in self._of(need.resource))

    def _of(self, resource: str) -> Iterator[list[Statement]]:
        for owner, statements in self._denials.items():
            if resource == owner or resource.startswith(f"{owner}/"):
                yield statements
