"""Resolves the template's references against what exists, in an order in which it does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .errors import CloudError
from .names import ACCOUNT, PARTITION, REGION, STACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Json = dict[str, Any]

_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": PARTITION,
    "AWS::StackName": STACK,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/local",
    "AWS::URLSuffix": "amazonaws.com",
}
_IN_TEXT = re.compile(r"\$\{([^}!][^}]*)\}")


class Resolver:
    """`attribute(logical id, name)` answers GetAtt; `physical` holds what Ref gives so far."""

    def __init__(
        self, template: Json, parameters: Mapping[str, str], attribute: Callable[[str, str], str]
    ) -> None:
        self.resources: dict[str, Json] = template["Resources"]
        self.parameters = _parameters(template, parameters)
        self.physical: dict[str, str] = {}
        self._conditions: Json = template.get("Conditions", {})
        self._mappings: Json = template.get("Mappings", {})
        self._attribute = attribute

    def wanted(self, logical_id: str) -> bool:
        """Whether the resource's condition holds."""
        condition = self.resources[logical_id].get("Condition")
        return condition is None or self._truth({"Condition": condition})

    def resolve(self, value: Any) -> Any:
        """The value with each intrinsic function worked out; raises CloudError for others."""
        if isinstance(value, list):
            found = [self.resolve(entry) for entry in value]
            return [entry for entry in found if entry is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref" or name.startswith("Fn::"):
                return self._function(name, argument)
        found_map = {key: self.resolve(entry) for key, entry in value.items()}
        return {key: entry for key, entry in found_map.items() if entry is not None}

    def _function(self, name: str, argument: Any) -> Any:
        functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": lambda a: a[0].join(str(self.resolve(part)) for part in self.resolve(a[1])),
            "Fn::If": self._if,
            "Fn::Select": lambda a: self.resolve(a[1])[int(self.resolve(a[0]))],
            "Fn::Split": lambda a: self.resolve(a[1]).split(a[0]),
            "Fn::FindInMap": self._find_in_map,
        }
        if name not in functions:
            raise CloudError(f"the local cloud does not know the template function {name}")
        return functions[name](argument)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return None
        for known in (_PSEUDO, self.parameters, self.physical):
            if name in known:
                return known[name]
        raise CloudError(f"the template refers to {name}, which is not there")

    def _get_att(self, argument: Any) -> str:
        name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
        return self._attribute(name, attribute)

    def _sub(self, argument: Any) -> str:
        text, given = argument if isinstance(argument, list) else (argument, {})
        values = {name: self.resolve(value) for name, value in given.items()}

        def one(found: re.Match[str]) -> str:
            name = found[1]
            if name in values:
                return str(values[name])
            return str(self._get_att(name) if "." in name else self._ref(name))

        return _IN_TEXT.sub(one, text).replace("${!", "${")

    def _if(self, argument: list[Any]) -> Any:
        chosen = argument[1] if self._truth({"Condition": argument[0]}) else argument[2]
        return self.resolve(chosen)

    def _find_in_map(self, argument: list[Any]) -> Any:
        name, first, second = (self.resolve(part) for part in argument)
        return self._mappings[name][first][second]

    def _truth(self, condition: Json) -> bool:
        name, argument = next(iter(condition.items()))
        if name == "Condition":
            return self._truth(self._conditions[argument])
        if name == "Fn::Equals":
            return bool(self.resolve(argument[0]) == self.resolve(argument[1]))
        if name == "Fn::Not":
            return not self._truth(argument[0])
        if name == "Fn::And":
            return all(self._truth(part) for part in argument)
        if name == "Fn::Or":
            return any(self._truth(part) for part in argument)
        raise CloudError(f"the local cloud does not know the condition function {name}")


def _parameters(template: Json, given: Mapping[str, str]) -> dict[str, str]:
    declared = template.get("Parameters", {})
    unknown = given.keys() - declared.keys()
    if unknown:
        raise CloudError(f"the template has no parameter {', '.join(sorted(unknown))}")
    values = {name: given.get(name, entry.get("Default")) for name, entry in declared.items()}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise CloudError(f"the template's parameter {', '.join(missing)} has no value")
    return {name: str(value) for name, value in values.items()}


def ordered(resources: Mapping[str, Json]) -> list[str]:
    """Logical ids such that each comes after all it names; raises CloudError on a circle."""
    order: list[str] = []
    state: dict[str, bool] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            raise CloudError(f"the template is circular: {circle}")
        if state.get(name):
            return
        for other in sorted(_named(resources[name]) & resources.keys()):
            if other != name:
                visit(other, (*path, name))
        state[name] = True
        order.append(name)

    for name in resources:
        visit(name, ())
    return order


def _named(resource: Json) -> set[str]:
    depends = resource.get("DependsOn", [])
    return set(_references(resource.get("Properties", {}))) | set(
        depends if isinstance(depends, list) else [depends]
    )


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _references(entry)
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from _named_by(name, entry)


def _named_by(name: str, entry: Any) -> Iterator[str]:
    if name == "Ref":
        yield entry
    elif name == "Fn::GetAtt":
        yield entry[0] if isinstance(entry, list) else entry.split(".", 1)[0]
    elif name == "Fn::Sub":
        text = entry[0] if isinstance(entry, list) else entry
        yield from (found.split(".", 1)[0] for found in _IN_TEXT.findall(text))
        if isinstance(entry, list):
            yield from _references(entry[1])
    else:
        yield from _references(entry)
