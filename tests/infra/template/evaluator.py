"""Judges what a role of the template may do, as IAM would: action, resource and condition.

An explicit Deny wins, without an Allow the answer is no. It stops at anything that it does not
know, since a condition that is skipped would make every answer worthless.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ACCOUNT, REGION = "123456789012", "eu-west-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "cetrus",
    "AWS::URLSuffix": "amazonaws.com",
}
ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{name}}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{name}}",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{name}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{name}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{name}}",
}
VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A translated template with names in place of references: a resource is called by its id."""

    raw: Mapping[str, Any]
    parameters: Mapping[str, str]

    def of_type(self, kind: str) -> dict[str, Any]:
        """The properties of every resource of a type, by logical id, resolved."""
        return {
            name: self.resolve(resource.get("Properties", {}))
            for name, resource in self.raw["Resources"].items()
            if resource["Type"] == kind
        }

    def arn(self, name: str) -> str:
        """The ARN of a resource of the template."""
        kind = self.raw["Resources"][name]["Type"]
        return ARNS[kind].format(name=self._called(name))

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name == "Fn::GetAtt":
                return self._attribute(*argument)
            if name == "Fn::Sub":
                return VARIABLE.sub(lambda found: self._variable(found[1]), argument)
        return {name: self.resolve(item) for name, item in value.items()}

    def _variable(self, text: str) -> str:
        name, _, attribute = text.partition(".")
        return self._attribute(name, attribute) if attribute else self._ref(name)

    def _ref(self, name: str) -> str:
        return PSEUDO.get(name) or self.parameters.get(name) or self._called(name)

    def _attribute(self, name: str, attribute: str) -> str:
        return self.arn(name) if attribute == "Arn" else f"{name}.{attribute}"

    def _called(self, name: str) -> str:
        properties = self.raw["Resources"][name].get("Properties", {})
        stated = properties.get("BucketName") or properties.get("Name") or name
        return str(self.resolve(stated))


@dataclass(frozen=True, slots=True)
class Statement:
    allows: bool
    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Mapping[str, Mapping[str, Any]]

    def speaks_of(self, action: str, resource: str, context: Mapping[str, Sequence[str]]) -> bool:
        return (
            any(fnmatchcase(action, pattern) for pattern in self.actions)
            and any(fnmatchcase(resource, pattern) for pattern in self.resources)
            and all(
                holds(operator, tuple(map(str, several(wanted))), context.get(key))
                for operator, keys in self.conditions.items()
                for key, wanted in keys.items()
            )
        )


@dataclass(frozen=True, slots=True)
class Role:
    """What one role of the template was given."""

    name: str
    statements: Sequence[Statement]

    def may(self, action: str, resource: str, **context: str | Sequence[str]) -> bool:
        """Whether IAM lets it; a context key is written with `__` for `:` and `_` for the rest."""
        given = {key.replace("__", ":"): several(value) for key, value in context.items()}
        verdicts = {s.allows for s in self.statements if s.speaks_of(action, resource, given)}
        return verdicts == {True}


def roles(template: Template) -> dict[str, Role]:
    """The role of each function, by the function's logical id."""
    documents = {
        name: [policy["PolicyDocument"] for policy in role.get("Policies", [])]
        for name, role in template.of_type("AWS::IAM::Role").items()
    }
    return {
        function: Role(role, [s for document in documents[role] for s in statements(document)])
        for function, role in owners(template)
    }


def owners(template: Template) -> Iterator[tuple[str, str]]:
    """Each function and the logical id of its role."""
    for name, resource in template.raw["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Function":
            yield name, resource["Properties"]["Role"]["Fn::GetAtt"][0]


def statements(document: Mapping[str, Any]) -> list[Statement]:
    """A policy document's statements; refuses what is not understood here."""
    made = []
    for entry in document["Statement"]:
        if unknown := entry.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}:
            raise ValueError(f"not judged: {sorted(unknown)}")
        made.append(
            Statement(
                entry["Effect"] == "Allow",
                several(entry["Action"]),
                several(entry["Resource"]),
                entry.get("Condition", {}),
            )
        )
    return made


def several(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else list(value)


def holds(operator: str, wanted: Sequence[str], given: Sequence[str] | None) -> bool:
    """One condition on one key; raises KeyError for an operator that is not known here."""
    quantifier, _, plain = operator.rpartition(":")
    if plain == "Null":
        return wanted == (str(given is None).lower(),)
    judge = OPERATORS[plain]
    if quantifier == "ForAllValues":
        return all(judge(value, wanted) for value in given or ())
    if quantifier == "ForAnyValue":
        return any(judge(value, wanted) for value in given or ())
    return bool(given) and all(judge(value, wanted) for value in given or ())


OPERATORS: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "StringEquals": lambda value, wanted: value in wanted,
    "StringLike": lambda value, wanted: any(fnmatchcase(value, pattern) for pattern in wanted),
    "Bool": lambda value, wanted: value in wanted,
}
