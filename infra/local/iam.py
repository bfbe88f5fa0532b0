"""Judges a function's cloud calls by the policies of its own role, as the template states them.

moto asks only "may this role do the action on `*`" and ignores conditions; this judges action,
resource and condition, and stops the start on an operator or a key it does not know. What the
policies of tables, buckets and keys refuse to everybody is judged too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .errors import CloudError

Context = Mapping[str, Sequence[str]]

_ALWAYS: Context = {"aws:SecureTransport": ["true"], "s3:TlsVersion": ["1.3"]}
"""What is so here for every call: the wire never leaves the machine, which counts as TLS."""

_KNOWN_KEYS = re.compile(
    r"aws:SecureTransport|s3:TlsVersion|dynamodb:LeadingKeys|ses:FromAddress|s3:prefix|s3:if-none-match"
    r"|kms:EncryptionContextKeys|kms:EncryptionContext:[\w.-]+|aws:PrincipalArn"
    r"|dynamodb:Attributes|dynamodb:Select"
)
_OF_GET_ITEM = frozenset({"dynamodb:Attributes", "dynamodb:Select"})
"""What needs.py tells of GetItem alone: ForAllValues lets a call pass of which nothing is told."""


@dataclass(frozen=True, slots=True)
class Need:
    """One permission that a call needs: action, resource, and what its conditions may look at."""

    action: str
    resource: str
    context: Context
    or_action: str = ""  # raw mail by SES v2: AWS's pages name either of two actions

    @property
    def names(self) -> tuple[str, ...]:
        """The actions of which one suffices."""
        return (self.action, self.or_action) if self.or_action else (self.action,)


@dataclass(frozen=True, slots=True)
class Statement:
    sid: str
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def applies(self, need: Need) -> bool:
        return (
            any(self._names(action) for action in need.names)
            and any(_like(pattern, need.resource) for pattern in self.resources)
            and all(_holds(*condition, need.context) for condition in self.conditions)
        )

    def used_for(self, need: Need) -> Iterator[tuple[str, int]]:
        """Which of its actions, on which of its resources by position, let the need pass."""
        for action in self.actions:
            if any(_like(action.lower(), wanted.lower()) for wanted in need.names):
                for position, resource in enumerate(self.resources):
                    if _like(resource, need.resource):
                        yield action, position

    def _names(self, action: str) -> bool:
        return any(_like(pattern.lower(), action.lower()) for pattern in self.actions)


def allowed(statements: Iterable[Statement], need: Need) -> bool:
    """An explicit Deny wins; without an Allow the answer is no."""
    verdicts = {statement.allows for statement in statements if statement.applies(need)}
    return verdicts == {True}


def denied(statements: Iterable[Statement], need: Need) -> bool:
    """Whether a resource's own policy refuses it to everybody."""
    return any(statement.applies(need) for statement in statements)


def parse(document: Mapping[str, Any], owner: str) -> list[Statement]:
    """The statements of a policy document; raises CloudError for what could not be judged."""
    return [_statement(entry, owner) for entry in _list(document["Statement"])]


def _statement(entry: Mapping[str, Any], owner: str) -> Statement:
    unknown = entry.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if unknown:
        raise CloudError(f"{owner}: the local cloud does not judge {', '.join(sorted(unknown))}")
    conditions = [
        (operator, key, tuple(_list(values)))
        for operator, keys in entry.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    actions = tuple(_list(entry["Action"]))
    for operator, key, _ in conditions:
        _test_for(operator, owner)
        if not _KNOWN_KEYS.fullmatch(key):
            raise CloudError(f"{owner}: the local cloud does not know the condition key {key}")
        if key in _OF_GET_ITEM and actions != ("dynamodb:GetItem",):
            raise CloudError(f"{owner}: the local cloud judges {key} for dynamodb:GetItem alone")
    return Statement(
        entry.get("Sid", ""),
        entry["Effect"] == "Allow",
        actions,
        tuple(_list(entry["Resource"])),
        tuple(conditions),
    )


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(re.escape(glob).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _like(glob: str, text: str) -> bool:
    return glob == "*" or _pattern(glob).fullmatch(text) is not None


def _same(wanted: str, text: str) -> bool:
    return str(wanted).lower() == text.lower()


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, text: wanted == text,
    "StringEqualsIgnoreCase": _same,
    "StringLike": _like,
    "ArnLike": _like,
    "ArnEquals": _like,
    "Bool": _same,
    "NumericLessThan": lambda wanted, text: float(text) < float(wanted),
}


def _test_for(operator: str, owner: str) -> Callable[[str, str], bool]:
    name = operator.rpartition(":")[2].removesuffix("IfExists")
    name = name.replace("StringNot", "String").replace("ArnNot", "Arn")
    if name == "Null" or name in _TESTS:
        return _TESTS.get(name, _same)
    raise CloudError(f"{owner}: the local cloud does not know the condition operator {operator}")


def _holds(operator: str, key: str, wanted: tuple[str, ...], context: Context) -> bool:
    quantifier, _, name = operator.rpartition(":")
    values = context.get(key, _ALWAYS.get(key))
    if name == "Null":
        return (values is None) == (str(wanted[0]).lower() == "true")
    if values is None:
        return quantifier == "ForAllValues" or name.endswith("IfExists") or "Not" in name
    test = _test_for(operator, key)
    matches = [
        any(test(str(want), value) for want in wanted) != ("Not" in name) for value in values
    ]
    return all(matches) if quantifier == "ForAllValues" else any(matches)
